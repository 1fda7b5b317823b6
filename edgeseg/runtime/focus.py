"""Where the network looks: at the part of the frame in which the frame before had people.

A network sees every frame at its own small size, where somebody far from the camera has few
pixels and a wide frame is squeezed. Looking only at the people and some room around them gives
them more of the network's pixels, at the price of one run more every now and then: a glance
at the whole frame, for whoever comes in elsewhere. Tracking by regions of interest, as in
Bazarevsky et al. 2020, "BlazePose", with masks instead of landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .motion import thumbnail
from .refine import SMALLEST
from .region import WHOLE, Box, Region

# Room left around what was seen, as a share of its longer side; half of it may be used up
# before the region moves, for every move costs the temporal filter a little sharpness.
MARGIN = 0.35
# A region is no smaller than this share of the frame's shorter side, and stretched by
# no more than this on its way to the model's size.
SMALLEST_SIDE, STRETCH = 0.8, 4 / 3
# A region with more than so many times the area that would do shrinks after so many frames.
LOOSE, PATIENCE = 1.4, 5
# Regions of more than this share of the frame are the whole frame.
NEARLY_ALL = 0.85
# Frames between two glances at the whole frame, where nothing else is asked for.
GLANCE_EVERY = 10


@dataclass(frozen=True)
class View:
    """What the network sees of a frame: a region of it in the model's size and colour order.

    frame: uint8 (H, W, 3) BGR. pixels: uint8 (h, w, colour channels). begins: whether it is
    the first of a scene. scores: the network's, where a glance has had them already. parts: of a
    region that the network would see too narrow or too flat, with the pixels of each.
    """

    frame: np.ndarray
    pixels: np.ndarray
    region: Region = WHOLE
    begins: bool = False
    scores: np.ndarray | None = None
    parts: tuple[tuple[Region, np.ndarray], ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame."""
        return self.frame.shape[1], self.frame.shape[0]

    @cached_property
    def thumbnail(self) -> np.ndarray:
        """See `motion.thumbnail`."""
        return thumbnail(self.pixels)


class Focus:
    """Chooses the region of the next frame.

    mask: (width, height) of the network's mask. aspect: width over height of its input.
    glance_every: frames between two glances at the whole frame.
    `fresh` is True before `start`: nothing of the scene has been seen.
    """

    def __init__(
        self, mask: tuple[int, int], aspect: float, *, glance_every: int = GLANCE_EVERY
    ) -> None:
        self._mask = mask
        self._aspect = aspect
        self._glance_every = glance_every
        self.reset()

    def reset(self) -> None:
        """Look at the whole frame, and know nothing yet."""
        self.fresh = True
        self.region = WHOLE
        self._others: Box | None = None
        self._since_glance = 0
        self._loose = 0

    def start(self, mask: np.ndarray, frame: tuple[int, int]) -> None:
        """Choose the first `region`, by the mask of the whole frame; see `follow`."""
        self.fresh = False
        seen = occupied(mask, WHOLE)
        self.region = WHOLE if seen is None else self._around(seen, frame)

    def glance_due(self) -> bool:
        """Asked for every frame: whether it is time to see more than `region` of one."""
        self._since_glance = 0 if self.region == WHOLE else self._since_glance + 1
        return self._since_glance > self._glance_every

    def glanced(self, mask: np.ndarray) -> None:
        """Remember who is outside of the region; mask: float32 (h, w) of the whole frame."""
        self._since_glance = 0
        outside = mask.copy()
        self.region.cut(outside)[:] = 0
        self._others = occupied(outside, WHOLE)

    def follow(self, mask: np.ndarray, frame: tuple[int, int]) -> None:
        """Choose `region` by the mask of what it shows now.

        mask: float32 (h, w). frame: its (width, height) in pixels.
        """
        seen = occupied(mask, self.region)
        if seen is None:
            self.region, self._others = WHOLE, None
            return
        seen, self._others = seen.united(self._others), None
        ideal = self._around(seen, frame)
        if not self.region.contains(_spread(seen, frame, MARGIN / 2)):
            self.region, self._loose = ideal, 0
        elif self.region.area < LOOSE * ideal.area:
            self._loose = 0
        else:
            self._loose += 1
            if self._loose >= PATIENCE:
                self.region, self._loose = ideal, 0

    def _around(self, box: Box, frame: tuple[int, int]) -> Region:
        """The region that suits a box."""
        spread = _spread(box, frame, MARGIN)
        least = SMALLEST_SIDE * min(frame)
        width = max((spread.right - spread.left) * frame[0], least)
        height = max((spread.bottom - spread.top) * frame[1], least)
        width = min(max(width, height * self._aspect / STRETCH), frame[0])
        height = min(max(height, width / self._aspect / STRETCH), frame[1])
        columns = _cells(self._mask[0], width / frame[0])
        rows = _cells(self._mask[1], height / frame[1])
        if self._mask[0] * self._mask[1] > NEARLY_ALL * columns * rows:
            return WHOLE
        left = _begin((spread.left + spread.right) / 2, self._mask[0], columns)
        top = _begin((spread.top + spread.bottom) / 2, self._mask[1], rows)
        return Region(left, top, self._mask[0] / columns, self._mask[1] / rows)


def occupied(mask: np.ndarray, region: Region) -> Box | None:
    """The box around all regions of a region's mask that are no specks; None without any.

    mask: float32 (h, w) in [0, 1]. Specks are smaller than `SMALLEST` of the frame.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats((mask > 0.5).view(np.uint8))
    least = SMALLEST * mask.size / region.area
    regions = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= least]
    if not len(regions):
        return None
    scale = np.array([region.width, region.height]) / (mask.shape[1], mask.shape[0])
    corner = np.array([region.left, region.top])
    begin = regions[:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    end = begin + regions[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    left, top = corner + begin.min(axis=0) * scale
    right, bottom = corner + end.max(axis=0) * scale
    return Box(float(left), float(top), float(right), float(bottom))


def _spread(box: Box, frame: tuple[int, int], margin: float) -> Box:
    """The box with room around it, a share of its longer side, as far as the frame goes."""
    room = margin * max((box.right - box.left) * frame[0], (box.bottom - box.top) * frame[1])
    across, down = room / frame[0], room / frame[1]
    return Box(
        max(0.0, box.left - across),
        max(0.0, box.top - down),
        min(1.0, box.right + across),
        min(1.0, box.bottom + down),
    )


def _cells(mask: int, share: float) -> int:
    """How many cells the frame has where `mask` of them are at least a share of it."""
    return max(mask, int(mask / share))


def _begin(middle: float, mask: int, cells: int) -> float:
    """Where a region around `middle` begins, on a cell's border."""
    return min(max(0, round(middle * cells - mask / 2)), cells - mask) / cells

"""What moved between two frames, seen on small grey pictures; and whether the scene was cut."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from .region import Region

# Motion is looked for on pictures of this size: measured, 64 gives the filters as much as
# 256 does, at a tenth of the time.
SIDE = 64
# Mean grey difference, of 255, above which two frames can be two scenes ...
CUT_DIFFERENCE = 28.0
# ... where it is so many times the usual one, for a fast pan changes every frame.
CUT_RATIO = 3.0

# Grey difference, of 255, at which a moved mask is trusted by 1/e only. Measured: without such
# trust a mask that stays still also trails what moves quickly, and loses more than it gains.
TRUSTED_DIFFERENCE = 22.0
_TRUST_OF = np.exp(-((np.arange(256) / TRUSTED_DIFFERENCE) ** 2)).astype(np.float32)


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W) or (H, W, 1 or 3) -> grey uint8 (SIDE, SIDE)."""
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        # The weights of the channels do not matter here, so their order does not either.
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


class FlowWarp:
    """Moves a previous mask to where its content is now (DIS flow, Kroeger et al. 2016)."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        # Patches two thirds as dense: half the time at the same flicker and IoU, measured.
        self._flow.setPatchStride(6)
        self._grids: dict[tuple[int, int], np.ndarray] = {}

    def __call__(
        self, mask: np.ndarray, before: np.ndarray, now: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A mask of the frame `before`, moved to the frame `now`, and how far to trust that.

        mask: float32 (h, w, classes). before, now: thumbnails.
        Returns float32 (h, w, classes), and float32 (h, w, 1): 1 where the frame before,
        moved the same way, looks like the frame now, towards 0 where it does not,
        because something was uncovered or moved in another way.
        """
        height, width = mask.shape[:2]
        flow = self._flow.calc(now, before, np.zeros((SIDE, SIDE, 2), np.float32))
        trust = cv2.resize(_TRUST_OF[self._unexplained(flow, before, now)], (width, height))
        flow = np.asarray(cv2.resize(flow, (width, height))) * np.array(
            (width / SIDE, height / SIDE), np.float32
        )
        moved = [self._moved(layer, flow) for layer in cv2.split(mask)]
        return np.stack(moved, axis=-1), trust[..., np.newaxis]

    def _unexplained(self, flow: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
        """Grey difference that the flow leaves, uint8 (SIDE, SIDE)."""
        return cv2.blur(cv2.absdiff(self._moved(before, flow), now), (3, 3))

    def _moved(self, layer: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """layer: (h, w); flow: float32 (h, w, 2) in its pixels."""
        columns, rows = cv2.split(self._grid(*layer.shape) + flow)
        return cv2.remap(layer, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _grid(self, height: int, width: int) -> np.ndarray:
        if (height, width) not in self._grids:
            grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
            self._grids[height, width] = grid.astype(np.float32)
        return self._grids[height, width]


class SceneCut:
    """Notices that a frame does not continue the one before."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._usual: deque[float] = deque(maxlen=8)

    def __call__(self, now: np.ndarray) -> bool:
        """True where the thumbnail `now` begins another scene."""
        before, self._before = self._before, now
        if before is None:
            return False
        difference = float(cv2.norm(now, before, cv2.NORM_L1)) / now.size
        usual = float(np.median(self._usual)) if self._usual else 0.0
        if difference > CUT_DIFFERENCE and difference > CUT_RATIO * usual:
            self._usual.clear()
            return True
        self._usual.append(difference)
        return False

    def reframe(self, before: Region, now: Region) -> None:
        """Compare with the frame before as it looked in another region of it.

        Where not all of that was seen, the next frame is compared with nothing.
        """
        if self._before is not None and before.contains(now.box):
            self._before = before.moved(self._before, now, border=cv2.BORDER_REPLICATE)
        else:
            self._before = None

    def reset(self) -> None:
        """Forget the frames before."""
        self._before = None
        self._usual.clear()

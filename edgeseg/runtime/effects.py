"""What is done with a mask: none, mask, overlay, cutout, blur, replace.

All on uint8 with OpenCV's native operations: at 1280x720 an effect has to cost
less than the network. An effect composites onto the frame that its mask belongs to;
the picture that it returns may be written over by its next call.
Effects that hide the background can hide a whole frame as well, which is what is
shown when there is no mask to trust.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from ..errors import InputError
from ..spec import ModelSpec
from .background import open_background
from .compositing import Compositor, tighten
from .segmentation import Segmentation
from .window import draw_text

EFFECTS = ("none", "mask", "overlay", "cutout", "blur", "replace")
# Shown in place of a frame that must not be seen.
HIDDEN_GREY = 48
# Strength of the overlay's colour, and how dark its legend's ground is.
OVERLAY_SHARE = 0.45
# Of a blur, in pixels: of a frame of 4K nothing is left but its mean colours.
STRONGEST = 1000.0


class Effect(Protocol):
    """What the pipeline asks of an effect."""

    # True where nobody may see what is behind the segmented object.
    hides: bool
    # False where the mask is not looked at, so that it need not be refined.
    uses_mask: bool

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """uint8 (H, W, 3) BGR and its segmentation -> uint8 (H, W, 3) BGR or (H, W, 4) BGRA."""

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """A picture of the frame's size that shows nothing of it."""


class Plain:
    """The frame as it is; the others derive from it."""

    hides = False
    uses_mask = False

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        return frame

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        return np.full(frame.shape, HIDDEN_GREY, np.uint8)


class MaskPicture(Plain):
    """The mask in grey, or the classes in the palette's colours."""

    hides = True
    uses_mask = True

    def __init__(self, spec: ModelSpec) -> None:
        self._palette = _palette(spec)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        if answer.classes is not None:
            return colourise(answer.classes, self._palette)
        return cv2.cvtColor(answer.mask, cv2.COLOR_GRAY2BGR)

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        return np.zeros(frame.shape, np.uint8)


class Overlay(Plain):
    """The frame with the segmented parts coloured, and a legend where there are classes."""

    uses_mask = True

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._palette = _palette(spec)
        self._compositor = Compositor()
        self._colour = np.empty((0, 0, 3), np.uint8)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        if answer.classes is None:
            if self._colour.shape != frame.shape:
                self._colour = np.empty_like(frame)
                self._colour[:] = self._palette[0]
            weight = cv2.convertScaleAbs(answer.mask, alpha=OVERLAY_SHARE)
            return self._compositor.blend(self._colour, frame, weight)
        picture = cv2.addWeighted(
            colourise(answer.classes, self._palette), OVERLAY_SHARE, frame, 1 - OVERLAY_SHARE, 0
        )
        present = np.flatnonzero(np.bincount(answer.classes.ravel(), minlength=len(self._palette)))
        draw_legend(picture, [(self._spec.labels[i], self._palette[i]) for i in present])
        return picture


class Cutout(Plain):
    """What was segmented, alone: with an alpha channel, or on white without one."""

    hides = True
    uses_mask = True

    def __init__(self, *, alpha: bool) -> None:
        self._alpha = alpha
        self._compositor = Compositor()
        self._white = np.empty((0, 0, 3), np.uint8)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect. With alpha, colours behind the object are gone, not just transparent."""
        mask = _tight(answer)
        if not self._alpha:
            if self._white.shape != frame.shape:
                self._white = np.full_like(frame, 255)
            return self._compositor.blend(frame, self._white, mask)
        seen = cv2.copyTo(frame, mask)
        return cv2.merge([*cv2.split(seen), mask])

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        if self._alpha:
            return np.zeros((*frame.shape[:2], 4), np.uint8)
        return np.full(frame.shape, 255, np.uint8)


class Blur(Plain):
    """The background blurred; `strength` is the blur's standard deviation in pixels.

    Done at a fraction of the size that the strength allows. The object's colours
    are kept out of the blur, so that no glow of it surrounds it.
    """

    hides = True
    uses_mask = True

    def __init__(self, *, strength: float) -> None:
        check_strength(strength)
        self._strength = strength
        self._compositor = Compositor()
        self._blurred = np.empty((0, 0, 3), np.uint8)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        behind = self._background(frame, answer)
        return self._compositor.blend(frame, behind, _tight(answer))

    def _background(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        height, width = frame.shape[:2]
        # A power of two, for halving is several times cheaper than any other shrinking.
        halvings = left = int(np.clip(np.log2(max(self._strength / 2, 1)), 0, 4))
        if left and answer.small is not None:
            small, mask, left = answer.small, answer.coarse, left - 1
        else:
            small, mask = frame, answer.mask
        outside = cv2.bitwise_not(mask)
        for _ in range(left):
            size = (max(1, small.shape[1] // 2), max(1, small.shape[0] // 2))
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
            outside = cv2.resize(outside, size, interpolation=cv2.INTER_AREA)
        # Never quite 0, so that a frame that is all object is still divided by something.
        weight = np.maximum(outside, 2)
        sigma = self._strength / 2**halvings
        weights = cv2.merge([weight.astype(np.float32)] * 3)
        sums = _soften(cv2.multiply(small, weights, dtype=cv2.CV_32F), sigma)
        blurred = cv2.divide(sums, _soften(weights, sigma), dtype=cv2.CV_8U)
        if self._blurred.shape != frame.shape:
            self._blurred = np.empty_like(frame)
        return cv2.resize(blurred, (width, height), dst=self._blurred)


class Replace(Plain):
    """Another background: a colour, an image, or a video that is repeated."""

    hides = True
    uses_mask = True

    def __init__(self, background: str) -> None:
        self._background = open_background(background)
        self._compositor = Compositor()

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        behind = self._background(frame.shape[1], frame.shape[0])
        return self._compositor.blend(frame, behind, _tight(answer))

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        return self._background(frame.shape[1], frame.shape[0]).copy()


def make_effect(
    name: str,
    *,
    spec: ModelSpec,
    background: str = "#2e7d4f",
    blur: float = 16.0,
    alpha: bool = False,
) -> Effect:
    """An effect by name.

    background: for "replace": "#rrggbb", an image or a video. blur: for "blur",
    standard deviation in pixels. alpha: whether "cutout" gives an alpha channel.
    Raises InputError for an unknown name, a bad strength or background.
    """
    if name == "none":
        return Plain()
    if name == "mask":
        return MaskPicture(spec)
    if name == "overlay":
        return Overlay(spec)
    if name == "cutout":
        return Cutout(alpha=alpha)
    if name == "blur":
        return Blur(strength=blur)
    if name == "replace":
        return Replace(background)
    raise InputError(f"effect: got {name!r}, expected one of {', '.join(EFFECTS)}")


def colourise(classes: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """uint8 (H, W) label numbers -> uint8 (H, W, 3) BGR."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return cv2.LUT(cv2.merge([classes] * 3), table)


def draw_legend(picture: np.ndarray, entries: list[tuple[str, np.ndarray]]) -> None:
    """Write the labels with their colours into the upper left corner, in place."""
    scale = max(0.4, picture.shape[0] / 1200)
    line = int(34 * scale)
    for row, (label, colour) in enumerate(entries):
        top = 4 + row * line
        cv2.rectangle(picture, (4, top), (4 + line, top + line - 4), colour.tolist(), cv2.FILLED)
        where = (10 + line, top + line - int(12 * scale))
        draw_text(picture, label, where, scale)


def _tight(answer: Segmentation) -> np.ndarray:
    """The mask at the frame's size, drawn in while it is still small: uint8 (H, W)."""
    return answer.enlarged(tighten(answer.coarse))


def _palette(spec: ModelSpec) -> np.ndarray:
    """uint8 (labels, 3) BGR; a spec has red, green, blue."""
    return np.array(spec.palette, np.uint8)[:, ::-1]


def check_strength(strength: float) -> None:
    """Raise InputError for a blur of no pixels, or of more than any frame shows."""
    if not 0 < strength <= STRONGEST:
        raise InputError(
            f"blur strength: got {strength:g}, expected pixels above 0, at most {STRONGEST:g}"
        )


def _soften(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Two box blurs, of the variance of one Gaussian of `sigma` pixels and quicker than it."""
    side = max(1, round(np.sqrt(6 * sigma * sigma + 1)) // 2 * 2 + 1)
    return cv2.blur(cv2.blur(picture, (side, side)), (side, side))

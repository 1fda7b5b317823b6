"""What is done with a mask: none, mask, overlay, cutout, blur, replace.

All on uint8 with OpenCV's native operations: at 1280x720 an effect has to cost
less than the network. An effect composites onto the frame that its mask belongs to;
the picture that it returns may be written over by its next call.
Effects that hide the background can hide a whole frame as well, which is what is
shown when there is no mask to trust.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import InputError
from ..spec import ModelSpec
from .background import open_background
from .colouring import MaskPicture, Overlay
from .compositing import Compositor, tighten
from .effect import Effect, Plain
from .segmentation import Segmentation

EFFECTS = ("none", "mask", "overlay", "cutout", "blur", "replace")
# Of a blur, in pixels: of a frame of 4K nothing is left but its mean colours.
STRONGEST = 1000.0


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


def _tight(answer: Segmentation) -> np.ndarray:
    """The mask at the frame's size, drawn in while it is still small: uint8 (H, W)."""
    return answer.enlarged(tighten(answer.coarse))


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

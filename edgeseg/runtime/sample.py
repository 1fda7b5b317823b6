"""A source that is always there: a photograph of a person, filmed as by a hand-held camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..errors import require
from .source import Source

# Periods of the camera's movements in frames; without a common factor, so that none repeats soon.
PAN, TILT, ZOOM, ROLL = 97, 71, 127, 53
# The photograph is turned beforehand, in so many steps up to so many degrees to each side:
# what is left for a frame is one cut and one enlargement.
STEPS, DEGREES = 12, 1.2
# At the widest a frame shows so much of the photograph; turned and moved, it fills the frame.
WIDEST = 0.9


class Sample(Source):
    """skimage.data.astronaut (public domain, in scikit-image's wheel), panned, zoomed, rotated.

    size: (width, height) of the frames. The same frame number gives the same frame.
    Never ends.
    """

    fps = 30.0

    def __init__(self, *, size: tuple[int, int] = (1280, 720)) -> None:
        data = require("skimage.data", extra="sample")
        photo = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
        self._turned = [_turn(photo, DEGREES * step / STEPS) for step in range(-STEPS, STEPS + 1)]
        self.size = self._size = size
        self._index = 0
        self.description = f"sample (a photograph that moves, {size[0]}x{size[1]})"

    def read(self) -> np.ndarray | None:
        """See Source."""
        self._index += 1
        return self.frame(self._index - 1)

    def frame(self, index: int) -> np.ndarray:
        """Frame number `index`, uint8 (height, width, 3) BGR."""
        photo = self._turned[STEPS + round(STEPS * _wave(index, ROLL))]
        left, top, width, height = self._view(index)
        return cv2.resize(photo[top : top + height, left : left + width], self._size)

    def _view(self, index: int) -> tuple[int, int, int, int]:
        """What frame `index` shows of the photograph: left, top, width, height."""
        side = self._turned[0].shape[0]
        longer = side * WIDEST * (0.95 + 0.05 * _wave(index, ZOOM))
        scale = longer / max(self._size)
        width, height = self._size[0] * scale, self._size[1] * scale
        # The head is at the top of the photograph, a little left of its middle.
        margin = 0.03 * side
        spare = max(0.0, side - width - 2 * margin)
        left = margin + spare * (0.3 + 0.3 * _wave(index, PAN))
        top = margin * (0.8 + 0.2 * _wave(index, TILT))
        return round(left), round(top), round(width), round(height)


def _turn(photo: np.ndarray, degrees: float) -> np.ndarray:
    """The photograph turned around its middle; at its rim, what lay there is repeated."""
    side = photo.shape[0]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0)
    return cv2.warpAffine(photo, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)


def _wave(index: int, period: int) -> float:
    return math.sin(2 * math.pi * index / period)

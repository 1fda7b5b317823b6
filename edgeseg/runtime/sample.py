"""A source that is always there: a photograph of a person, filmed as by a hand-held camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..errors import require
from .source import Source

# Periods of the camera's movements in frames; without a common factor, so that none repeats soon.
PAN, TILT, ZOOM, ROLL = 97, 71, 127, 53


class Sample(Source):
    """skimage.data.astronaut (public domain, in scikit-image's wheel), panned, zoomed, rotated.

    size: (width, height) of the frames. The same frame number gives the same frame.
    Never ends.
    """

    fps = 30.0

    def __init__(self, *, size: tuple[int, int] = (1280, 720)) -> None:
        data = require("skimage.data", extra="sample")
        self._photo = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
        self._size = size
        self._index = 0
        self.description = f"sample (a photograph that moves, {size[0]}x{size[1]})"

    def read(self) -> np.ndarray | None:
        """See Source."""
        self._index += 1
        return self.frame(self._index - 1)

    def frame(self, index: int) -> np.ndarray:
        """Frame number `index`, uint8 (height, width, 3) BGR."""
        width, height = self._size
        # A large frame is drawn at half size: the photograph has no more detail than that.
        halves = 2 if min(width, height) >= self._photo.shape[0] else 1
        small = (width // halves, height // halves)
        view = cv2.warpAffine(self._photo, self._view(index, *small), small)
        return cv2.resize(view, self._size) if small != self._size else view

    def _view(self, index: int, width: int, height: int) -> np.ndarray:
        """The affine matrix of frame `index`, from the photograph into the frame."""
        side = self._photo.shape[0]
        # At the widest, 85 % of the photograph: turned and moved, it still fills the frame.
        scale = max(width, height) / (0.85 * side) * (1.06 + 0.05 * _wave(index, ZOOM))
        half_width, half_height = width / scale / 2, height / scale / 2
        # The head is at the top of the photograph, a little left of its middle.
        left = half_width + 0.06 * side
        centre_x = left + (side - 2 * left) * (0.5 + 0.5 * _wave(index, PAN)) * 0.6
        centre_y = half_height + side * (0.025 + 0.01 * _wave(index, TILT))
        # Turned around a point near the head, the upper corners stay inside.
        view = cv2.getRotationMatrix2D((centre_x, centre_y), 1.2 * _wave(index, ROLL), scale)
        view[:, 2] += (width / 2 - centre_x, height / 2 - centre_y)
        return view


def _wave(index: int, period: int) -> float:
    return math.sin(2 * math.pi * index / period)

"""What stands behind a person whose own background was taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..image_files import is_image, read_image
from .capture import VideoFile

# (width, height) -> uint8 (height, width, 3) BGR, one call a frame.
Background = Callable[[int, int], np.ndarray]


class Picture:
    """A colour or an image, cut to the frame's shape once for each size."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self._fitted: np.ndarray | None = None

    def __call__(self, width: int, height: int) -> np.ndarray:
        if self._fitted is None or self._fitted.shape[:2] != (height, width):
            self._fitted = cover(self._image, width, height)
        return self._fitted


class Film:
    """A video, one frame a call, from the beginning again at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._video = VideoFile(path)

    def __call__(self, width: int, height: int) -> np.ndarray:
        frame = self._video.read()
        if frame is None:
            self._video.close()
            self._video = VideoFile(self._path)
            frame = self._video.read()
        if frame is None:
            raise InputError(f"{self._path}: got no frame when repeating it as a background")
        return cover(frame, width, height)


def open_background(text: str) -> Background:
    """ "#rrggbb", an image or a video -> Background. InputError where it is none of them."""
    if text.startswith("#"):
        digits = text[1:]
        if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
            raise InputError(f"background: got {text!r}, expected a colour such as #2e7d4f")
        red, green, blue = (int(digits[i : i + 2], 16) for i in (0, 2, 4))
        return Picture(np.full((2, 2, 3), (blue, green, red), np.uint8))
    path = Path(text)
    if not path.is_file():
        raise InputError(
            f"background: got {text!r}, expected #rrggbb, or the path of an image or video"
        )
    return Picture(read_image(path)) if is_image(path) else Film(path)


def cover(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Fill (height, width) with the middle of `image`, its proportions kept."""
    scale = max(width / image.shape[1], height / image.shape[0])
    size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = cv2.resize(image, size, interpolation=method)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])

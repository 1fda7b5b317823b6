"""A part of a frame: its pixels, and what belongs to it of a mask or a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Box:
    """From (left, top) to (right, bottom), in shares of the frame's width and height."""

    left: float
    top: float
    right: float
    bottom: float

    def united(self, other: Box | None) -> Box:
        """The smallest box around both."""
        if other is None:
            return self
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True)
class Region:
    """A part of the frame, in shares of its width and height."""

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    @property
    def box(self) -> Box:
        """Its borders."""
        return Box(self.left, self.top, self.left + self.width, self.top + self.height)

    @property
    def area(self) -> float:
        """Share of the frame."""
        return self.width * self.height

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """The part of a frame (H, W, ...), at least a pixel of it, a view."""
        height, width = frame.shape[:2]
        left = min(round(self.left * width), width - 1)
        top = min(round(self.top * height), height - 1)
        right = max(round((self.left + self.width) * width), left + 1)
        bottom = max(round((self.top + self.height) * height), top + 1)
        return frame[top:bottom, left:right]

    def placed(self, scores: np.ndarray) -> np.ndarray:
        """float32 (h, w, classes) of the region -> (H, W, classes) of the frame, 0 elsewhere.

        A region's sides are whole numbers of cells of its mask, so that no value changes.
        """
        if self == WHOLE:
            return scores
        height, width, classes = scores.shape
        rows, columns = round(height / self.height), round(width / self.width)
        top, left = round(self.top * rows), round(self.left * columns)
        whole = np.zeros((rows, columns, classes), np.float32)
        whole[top : top + height, left : left + width] = scores
        return whole

    def moved(self, picture: np.ndarray, to: Region, *, border: int) -> np.ndarray:
        """A picture (h, w) or (h, w, classes) of this region, of another one at the same size.

        border: what cv2 puts where this region shows nothing.
        """
        height, width = picture.shape[:2]
        matrix = np.zeros((2, 3))
        for axis, (size, ours, theirs, begin) in enumerate(
            (
                (width, self.width, to.width, to.left - self.left),
                (height, self.height, to.height, to.top - self.top),
            )
        ):
            scale = theirs / ours
            matrix[axis, axis] = scale
            # Pixels' middles lie on halves.
            matrix[axis, 2] = begin / ours * size + 0.5 * scale - 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=border)
        return moved.reshape(picture.shape)

    def contains(self, box: Box) -> bool:
        """Whether the region shows all of a box, up to half of a hundredth of the frame."""
        return (
            self.left <= box.left + 0.005
            and self.top <= box.top + 0.005
            and self.left + self.width >= box.right - 0.005
            and self.top + self.height >= box.bottom - 0.005
        )


WHOLE = Region()

"""The answer for one frame as effects want it, and what scores say of the foreground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..preprocess import to_mask


@dataclass(frozen=True)
class Segmentation:
    """The answer for one frame.

    coarse: uint8 (h, w), 255 times the probability of the foreground (of the single
    label, or of anything but the first label), at the frame's size or less.
    size: (width, height) of the frame, None for that of `coarse`.
    classes: uint8 (H, W), the number of the label, for models with several.
    small: uint8 (h, w, 3) BGR, the frame at half its size with `coarse` for its mask,
    where refining has made it: an effect need not shrink the frame again.
    """

    coarse: np.ndarray
    size: tuple[int, int] | None = None
    classes: np.ndarray | None = None
    small: np.ndarray | None = None

    @cached_property
    def mask(self) -> np.ndarray:
        """`coarse` at the frame's size, uint8 (H, W); made when it is first asked for."""
        return self.enlarged(self.coarse)

    def enlarged(self, mask: np.ndarray) -> np.ndarray:
        """uint8 (h, w) -> uint8 (H, W), bilinear."""
        if self.size is None:
            return mask
        return cv2.resize(mask, self.size, interpolation=cv2.INTER_LINEAR)


def foreground(scores: np.ndarray) -> np.ndarray:
    """float32 (h, w, classes) -> (h, w): the only class, or everything but the first."""
    return scores[..., 0] if scores.shape[-1] == 1 else 1 - scores[..., 0]


def class_map(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Label numbers at the frame's size; the scores are enlarged twice, their maximum the rest."""
    height, width = scores.shape[:2]
    large = to_mask(scores, 2 * width, 2 * height)
    return cv2.resize(large.argmax(axis=-1).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)

"""Plain boxes around what a mask covers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class Box:
    """A connected segment: left, top, width, height and area in pixels."""

    left: int
    top: int
    width: int
    height: int
    area: int


def boxes(mask: np.ndarray, *, threshold: float = 0.5, smallest: int = 1) -> list[Box]:
    """The bounding box and area of each connected segment, the largest first.

    mask: (H, W), bool, or float in [0, 1], or uint8 in 0..255.
    threshold: share of the full value above which a pixel belongs to a segment.
    smallest: segments of fewer pixels are left out.
    Raises InputError for another shape or type.
    """
    mask = np.asarray(mask)
    if (
        mask.ndim != 2
        or mask.size == 0
        or (mask.dtype not in (bool, np.uint8) and mask.dtype.kind != "f")
    ):
        raise InputError(
            f"mask: got {mask.dtype} {mask.shape}, expected bool, float or uint8 (height, width)"
        )
    full = 255 if mask.dtype == np.uint8 else 1
    inside = mask if mask.dtype == bool else mask > threshold * full
    _, _, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    found = [Box(*(int(value) for value in row)) for row in stats[1:]]
    return sorted((box for box in found if box.area >= smallest), key=lambda box: -box.area)

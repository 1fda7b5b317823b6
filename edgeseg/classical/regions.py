"""What the classical methods share: a small working copy, and the guess which regions are meant."""

from __future__ import annotations

import cv2
import numpy as np

from ..preprocess import check_frame, resize

# A region is called background where it holds more than its share of the border.
BORDER_SHARE = 1.0


def small_copy(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 BGR image with its longer side at most `side` pixels; InputError for a bad one."""
    check_frame(image)
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def to_size(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """bool mask (h, w) at the size of `image`, bool (H, W)."""
    height, width = image.shape[:2]
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def border(shape: tuple[int, int], *, wide: int = 1) -> np.ndarray:
    """bool (H, W): the pixels within `wide` of the left, upper and right edge.

    The lower edge is left out: a person in front of a camera is cut off there.
    """
    edge = np.zeros(shape, bool)
    edge[:wide, :] = edge[:, :wide] = edge[:, -wide:] = True
    return edge


def off_the_border(labels: np.ndarray) -> np.ndarray:
    """bool (H, W): the regions that hold less of the border than of the picture.

    labels: int (H, W), region numbers from 0.
    """
    count = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=count) / labels.size
    edge = labels[border(labels.shape)]
    touching = np.bincount(edge, minlength=count) / edge.size
    return (touching < BORDER_SHARE * area)[labels]

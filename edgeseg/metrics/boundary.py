"""Boundary F of DAVIS: how well outlines agree, not areas."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .region import check_same_shape


def outline(mask: np.ndarray) -> np.ndarray:
    """bool (H, W): pixels of a bool mask that differ from the right, lower or diagonal one."""
    mask = mask.astype(bool)
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (mask != right) | (mask != below) | (mask != diagonal)


def disc(radius: int) -> np.ndarray:
    """uint8 (2 radius + 1, 2 radius + 1): 1 within `radius` pixels of the middle.

    OpenCV's own ellipse is wider than high.
    """
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (rows**2 + columns**2 <= radius**2).astype(np.uint8)


def boundary_f(prediction: np.ndarray, truth: np.ndarray, *, tolerance: float = 0.008) -> float:
    """F measure of boundary precision and recall, in [0, 1] (Perazzi et al. 2016, section 4).

    prediction, truth: bool (H, W). tolerance: as a share of the image's
    diagonal, rounded up to pixels. Two masks without an outline agree: 1.0.
    """
    check_same_shape(prediction, truth)
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    kernel = disc(radius)
    predicted, true = outline(prediction), outline(truth)
    if not predicted.any() and not true.any():
        return 1.0
    if not predicted.any() or not true.any():
        return 0.0
    near_true = cv2.dilate(true.astype(np.uint8), kernel) > 0
    near_predicted = cv2.dilate(predicted.astype(np.uint8), kernel) > 0
    precision = np.count_nonzero(predicted & near_true) / np.count_nonzero(predicted)
    recall = np.count_nonzero(true & near_predicted) / np.count_nonzero(true)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0

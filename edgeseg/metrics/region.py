"""Region measures of one image: masks are bool or integer arrays (H, W)."""

from __future__ import annotations

import numpy as np

from ..errors import InputError


def check_same_shape(prediction: np.ndarray, truth: np.ndarray) -> None:
    """Raise InputError unless both are (H, W) arrays of one shape."""
    if prediction.ndim != 2 or prediction.shape != truth.shape:
        raise InputError(
            f"masks: got shapes {prediction.shape} and {truth.shape}, expected one (H, W) for both"
        )


def iou(prediction: np.ndarray, truth: np.ndarray, *, valid: np.ndarray | None = None) -> float:
    """Intersection over union (Jaccard index) of two bool masks, in [0, 1].

    valid: bool (H, W); pixels where it is False are left out. Two empty masks
    agree: 1.0.
    """
    check_same_shape(prediction, truth)
    prediction, truth = prediction.astype(bool), truth.astype(bool)
    if valid is not None:
        prediction, truth = prediction & valid, truth & valid
    union = np.count_nonzero(prediction | truth)
    return float(np.count_nonzero(prediction & truth) / union) if union else 1.0


def false_positive_area(prediction: np.ndarray) -> float:
    """Share of an image without the class that is called the class, in [0, 1]."""
    return float(np.mean(prediction.astype(bool)))

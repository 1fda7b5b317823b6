"""Scores of several classes from one table of counts, ignored pixels left out."""

from __future__ import annotations

import numpy as np

from ..data.dataset import IGNORE


class Confusion:
    """Counts of (true class, predicted class) over many images."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count an image: class ids of one shape; pixels whose truth is IGNORE do not count."""
        classes = len(self.counts)
        counted = truth != IGNORE
        index = truth[counted].astype(np.int64) * classes + predicted[counted]
        self.counts += np.bincount(index, minlength=classes**2).reshape(classes, classes)

    @property
    def iou(self) -> np.ndarray:
        """float64 (classes,), NaN for a class that is neither in the truth nor predicted."""
        hit = np.diag(self.counts)
        return _ratio(hit, self.counts.sum(0) + self.counts.sum(1) - hit)

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur in the truth; 0 for no pixels at all."""
        present = self.counts.sum(1) > 0
        return float(self.iou[present].mean()) if present.any() else 0.0

    @property
    def precision(self) -> np.ndarray:
        """float64 (classes,), NaN for a class that is never predicted."""
        return _ratio(np.diag(self.counts), self.counts.sum(0))

    @property
    def recall(self) -> np.ndarray:
        """float64 (classes,), NaN for a class that is not in the truth."""
        return _ratio(np.diag(self.counts), self.counts.sum(1))

    @property
    def accuracy(self) -> float:
        """Share of the counted pixels whose class is right."""
        return float(np.diag(self.counts).sum() / max(1, self.counts.sum()))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

"""Measures of several classes, per image or over a whole set: one table of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .region import check_same_shape


@dataclass(frozen=True)
class Counts:
    """Pixels by true class (row) and predicted class (column), int64 (classes, classes).

    Add the counts of images for the measures over a set. A measure that has nothing
    to divide by is NaN: a class that does not occur has no IoU, and an image of
    ignored pixels alone has no mean.
    """

    table: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.table + other.table)

    @property
    def iou(self) -> np.ndarray:
        """float64 (classes,): intersection over union, NaN where the union is empty."""
        hits = np.diag(self.table)
        return _ratio(hits, self.table.sum(axis=0) + self.table.sum(axis=1) - hits)

    @property
    def mean_iou(self) -> float:
        """Mean over classes that are in the truth or predicted (Everingham et al. 2015)."""
        known = self.iou[~np.isnan(self.iou)]
        return float(known.mean()) if known.size else float("nan")

    @property
    def precision(self) -> np.ndarray:
        """float64 (classes,): share of a class's predicted pixels that are right."""
        return _ratio(np.diag(self.table), self.table.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """float64 (classes,): share of a class's true pixels that are found."""
        return _ratio(np.diag(self.table), self.table.sum(axis=1))


def count(
    prediction: np.ndarray, truth: np.ndarray, *, classes: int, ignore: int | None = None
) -> Counts:
    """Counts of one image.

    prediction, truth: integer class numbers (H, W) below `classes`. ignore: the
    number in the truth of pixels that do not count, whatever is predicted there.
    Raises InputError for other shapes and numbers.
    """
    check_same_shape(prediction, truth)
    counted = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    true, called = truth[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, values in (("truth", true), ("prediction", called)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            raise InputError(
                f"{name}: got classes {values.min()} to {values.max()}, expected 0 to {classes - 1}"
            )
    table = np.bincount(true * classes + called, minlength=classes**2)
    return Counts(table.reshape(classes, classes))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

"""Confidence intervals by resampling (Efron 1979), without assumptions on the distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError

RESAMPLES = 2000


def _mean(samples: np.ndarray) -> np.ndarray:
    return samples.mean(axis=-1)


def interval(
    values: np.ndarray,
    *,
    statistic: Callable[[np.ndarray], np.ndarray] = _mean,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval (low, high) of a statistic of independent values.

    values: (n,), one per image or round. statistic: (resamples, n) -> (resamples,),
    the mean by default. The same arguments give the same interval. A single value
    gives an interval of no width, which says nothing about its certainty.
    Raises InputError for no values.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"values: got shape {values.shape}, expected (n,) with at least one")
    picks = np.random.default_rng(seed).integers(values.size, size=(resamples, values.size))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(statistic(values[picks]), (tail, 100 - tail))
    return float(low), float(high)

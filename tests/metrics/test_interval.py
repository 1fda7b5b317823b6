"""Bootstrap intervals against known ones."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.metrics import interval


def test_equal_values_leave_no_doubt():
    assert interval(np.full(10, 0.7)) == (pytest.approx(0.7), pytest.approx(0.7))
    assert interval(np.array([0.3])) == (0.3, 0.3)


def test_the_same_arguments_give_the_same_interval():
    values = np.random.default_rng(0).random(50)
    assert interval(values) == interval(values)
    assert interval(values, seed=1) != interval(values)


def test_two_values_by_hand():
    # Means of two draws out of 0 and 1: 0 and 1 a quarter each, 0.5 half of the time.
    assert interval(np.array([0.0, 1.0])) == (0.0, 1.0)
    assert interval(np.array([0.0, 1.0]), confidence=0.4) == (0.5, 0.5)


def test_as_scipy_draws_it():
    stats = pytest.importorskip("scipy.stats", reason="needs the extra benchmark")
    values = np.random.default_rng(5).beta(8, 2, 120)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = interval(values, resamples=20_000)
    assert low == pytest.approx(expected.low, abs=0.002)
    assert high == pytest.approx(expected.high, abs=0.002)


def test_another_statistic():
    values = np.arange(101.0)
    low, high = interval(values, statistic=lambda samples: np.median(samples, axis=-1))
    assert low < 50 < high
    assert high - low < 60


def test_no_values():
    with pytest.raises(InputError, match="at least one"):
        interval(np.array([]))
    with pytest.raises(InputError, match="expected"):
        interval(np.zeros((2, 2)))

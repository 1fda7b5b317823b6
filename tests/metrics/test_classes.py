"""Measures of several classes: by hand, and scikit-learn's on random labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as independent

from edgeseg.errors import InputError
from edgeseg.metrics import count

IGNORE = 255


def test_by_hand():
    truth = np.array([[0, 0, 1], [1, 1, IGNORE]])
    prediction = np.array([[0, 1, 1], [1, 0, 2]])
    counts = count(prediction, truth, classes=3, ignore=IGNORE)
    # Class 0: 1 in both of 3 in either; class 1: 2 of 4; class 2: only where it is ignored.
    assert counts.iou[:2] == pytest.approx([1 / 3, 2 / 4])
    assert np.isnan(counts.iou[2])
    assert counts.mean_iou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert counts.precision[:2] == pytest.approx([1 / 2, 2 / 3])
    assert counts.recall[:2] == pytest.approx([1 / 2, 2 / 3])


def test_against_scikit_learn():
    random = np.random.default_rng(1)
    truth, prediction = random.integers(0, 5, (2, 40, 30))
    counts = count(prediction, truth, classes=5)
    labels = {"average": None, "labels": range(5)}
    pair = truth.ravel(), prediction.ravel()
    assert counts.iou == pytest.approx(independent.jaccard_score(*pair, **labels))
    assert counts.precision == pytest.approx(independent.precision_score(*pair, **labels))
    assert counts.recall == pytest.approx(independent.recall_score(*pair, **labels))


def test_a_set_is_the_sum_of_its_images():
    random = np.random.default_rng(2)
    truth, prediction = random.integers(0, 3, (2, 8, 8))
    whole = count(prediction, truth, classes=3)
    halves = [count(prediction[rows], truth[rows], classes=3) for rows in (slice(4), slice(4, 8))]
    assert np.array_equal((halves[0] + halves[1]).table, whole.table)


def test_all_ignored_has_no_mean():
    truth = np.full((3, 3), IGNORE)
    counts = count(np.zeros((3, 3), int), truth, classes=2, ignore=IGNORE)
    assert counts.table.sum() == 0
    assert np.isnan(counts.mean_iou)
    assert np.isnan(counts.recall).all()


def test_a_single_pixel():
    truth = np.zeros((4, 4), int)
    truth[2, 2] = 1
    assert count(truth, truth, classes=2).iou == pytest.approx([1, 1])
    assert count(np.zeros((4, 4), int), truth, classes=2).iou == pytest.approx([15 / 16, 0])


def test_refuses_unknown_classes_and_other_shapes():
    with pytest.raises(InputError, match="got classes 0 to 2, expected 0 to 1"):
        count(np.array([[0, 2]]), np.array([[0, 1]]), classes=2)
    with pytest.raises(InputError, match="got classes -1 to 1, expected 0 to 1"):
        count(np.array([[0, 1]]), np.array([[-1, 1]]), classes=2)
    with pytest.raises(InputError, match="shapes"):
        count(np.zeros((2, 2), int), np.zeros((2, 3), int), classes=2)

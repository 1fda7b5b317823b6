"""Instance-weighted IoU: by hand, and a plain pixel loop on random maps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.metrics import instance_iou, instance_sizes

CAR, ROAD = 26, 7


def test_by_hand():
    # A car of 4 pixels and one of 2: mean 3, so weights 3/4 and 3/2.
    truth = np.array([[26000] * 4, [26001, 26001, ROAD, ROAD]])
    prediction = np.array([[CAR, CAR, ROAD, ROAD], [CAR, ROAD, CAR, ROAD]])
    assert instance_sizes([truth]) == {CAR: 3.0}
    found = 2 * 3 / 4 + 1 * 3 / 2
    missed = 2 * 3 / 4 + 1 * 3 / 2
    assert instance_iou([prediction], [truth])[CAR] == pytest.approx(found / (found + 1 + missed))


def test_equal_instances_give_plain_iou():
    truth = np.array([[26000, 26000, 26001, 26001, ROAD]])
    prediction = np.array([[CAR, CAR, CAR, ROAD, CAR]])
    assert instance_iou([prediction], [truth])[CAR] == pytest.approx(3 / 5)


def test_the_first_instance_of_the_first_class():
    """It is numbered 1000: class 1, number 0."""
    truth, prediction = np.array([[1000, 1000, 0, 0]]), np.array([[1, 0, 0, 1]])
    assert instance_sizes([truth]) == {1: 2.0}
    assert instance_iou([prediction], [truth]) == {1: pytest.approx(1 / 3)}


def loop(predictions, instances, sizes, label):
    """Pixel by pixel, from the definition."""
    found = false = missed = 0.0
    for prediction, image in zip(predictions, instances):
        for called, true in zip(prediction.ravel(), image.ravel()):
            if true // 1000 == label:
                weight = sizes[label] / (image == true).sum()
                found, missed = (
                    (found + weight, missed) if called == label else (found, missed + weight)
                )
            elif called == label and true != label:
                false += 1
    return found / (found + false + missed)


def test_against_a_loop():
    random = np.random.default_rng(3)
    choices = np.array([ROAD, CAR, 26000, 26001, 26002, 24000, 24001])
    instances = [choices[random.integers(0, 7, (12, 9))] for _ in range(3)]
    predictions = [np.array([ROAD, 24, CAR])[random.integers(0, 3, (12, 9))] for _ in range(3)]
    sizes = instance_sizes(instances)
    result = instance_iou(predictions, instances)
    assert set(result) == {24, CAR}
    for label, value in result.items():
        assert value == pytest.approx(loop(predictions, instances, sizes, label))


def test_ignored_and_empty():
    truth = np.array([[26000, ROAD]])
    everywhere = np.array([[CAR, CAR]])
    assert instance_iou([everywhere], [truth], ignore=[ROAD])[CAR] == 1.0
    assert instance_iou([everywhere], [np.array([[ROAD, ROAD]])]) == {}
    nothing = np.array([[ROAD, ROAD]])
    assert math.isnan(instance_iou([nothing], [nothing], sizes={CAR: 5.0})[CAR])


def test_a_single_pixel_instance_counts_as_much_as_a_large_one():
    truth = np.full((4, 4), ROAD)
    truth[0, :3] = 26000
    truth[3, 3] = 26001
    prediction = np.where(truth == 26000, CAR, ROAD)
    assert instance_iou([prediction], [truth])[CAR] == pytest.approx(0.5)

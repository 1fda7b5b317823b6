"""U-Net's weight map, by values."""

import numpy as np
import pytest

from edgeseg.data.border_weight import border_weight, two_nearest


def test_gap_between_two_objects_weighs_most():
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 5:19] = 1
    labels[10:30, 21:35] = 1
    weight = border_weight(labels, foreground=1)
    # In the gap, two pixels wide, d1 + d2 = 1 + 2.
    share = labels.mean()
    expected = 0.5 / (1 - share) + 10 * np.exp(-(3**2) / 50)
    assert np.isclose(weight[20, 19], expected, rtol=1e-5)
    assert np.allclose(weight[labels == 1], 0.5 / share)
    assert weight[20, 19] > 5 * weight[0, 0]


def test_distances_and_a_single_object():
    objects = np.zeros((9, 9), np.uint8)
    objects[4, 4] = 1
    nearest, second = two_nearest(objects)
    assert nearest[4, 8] == 4
    assert np.isinf(second).all()
    assert np.isfinite(border_weight(objects, foreground=1)).all()
    objects[5, 5] = 1
    _, second = two_nearest(objects)
    assert second[4, 4] == pytest.approx(2**0.5), "what touches at a corner only are two"
    assert (border_weight(np.zeros((4, 4), np.uint8), foreground=1) == 1).all()

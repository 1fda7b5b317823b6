"""Boundary F: hand-computed answers, and the definition counted with scipy's distances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.metrics import boundary_f, outline


def square(top, left, side, *, shape=(60, 80)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_outline_of_a_single_pixel():
    mask = np.zeros((4, 4), bool)
    mask[2, 2] = True
    # The pixel itself and those whose right, lower or diagonal neighbour it is.
    assert sorted(map(tuple, np.argwhere(outline(mask)))) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_outline_is_empty_for_one_class():
    assert not outline(np.ones((5, 7), bool)).any()
    assert not outline(np.zeros((5, 7), bool)).any()


def test_equal_masks_and_empty_ones():
    mask, empty = square(20, 20, 12), np.zeros((60, 80), bool)
    assert boundary_f(mask, mask) == 1.0
    assert boundary_f(empty, empty) == 1.0
    assert boundary_f(mask, empty) == 0.0
    assert boundary_f(empty, mask) == 0.0


def test_tolerance_is_a_share_of_the_diagonal():
    # The diagonal is 100, so that a tolerance of 0.02 is 2 pixels.
    near, far = square(20, 22, 12), square(20, 50, 12)
    assert boundary_f(near, square(20, 20, 12), tolerance=0.02) == 1.0
    assert boundary_f(near, square(20, 20, 12), tolerance=0.01) < 1.0
    assert boundary_f(far, square(20, 20, 12), tolerance=0.02) == 0.0


def test_tolerance_is_davis_unless_said():
    """0.008 of a diagonal of 200 is 1.6, rounded up: 2 pixels are near, 3 are not."""
    truth = square(40, 40, 12, shape=(120, 160))
    assert boundary_f(square(40, 42, 12, shape=(120, 160)), truth) == 1.0
    assert boundary_f(square(40, 43, 12, shape=(120, 160)), truth) < 1.0


def test_tolerance_is_the_same_in_all_directions():
    truth = square(20, 20, 12)
    across, down = square(20, 23, 12), square(23, 20, 12)
    for tolerance in (0.01, 0.02, 0.03):
        scores = [boundary_f(moved, truth, tolerance=tolerance) for moved in (across, down)]
        assert scores[0] == scores[1]


def test_half_of_the_outline_invented():
    truth = square(10, 10, 10)
    prediction = truth | square(40, 60, 10)
    # Every true pixel is found; half of the predicted ones are near a true one.
    assert boundary_f(prediction, truth) == pytest.approx(2 * 0.5 * 1 / (0.5 + 1))


def test_single_pixel_objects():
    assert boundary_f(square(5, 5, 1), square(5, 5, 1)) == 1.0
    assert boundary_f(square(5, 5, 1), square(50, 70, 1)) == 0.0


def test_shapes_have_to_agree():
    with pytest.raises(InputError, match="got shapes"):
        boundary_f(square(5, 5, 5), square(5, 5, 5, shape=(80, 60)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tolerance", [0.008, 0.02, 0.05])
def test_as_counted_with_distances(seed, tolerance):
    """Distances instead of dilation: a pixel matches where the other outline is within reach."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="needs the extra benchmark")
    rng = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(rng.standard_normal((60, 80)), 4) for _ in range(2)]
    prediction, truth = smooth[0] > 0, 0.6 * smooth[0] + 0.4 * smooth[1] > 0
    reach = math.ceil(tolerance * math.hypot(60, 80))
    predicted, true = outline(prediction), outline(truth)
    precision = np.mean(ndimage.distance_transform_edt(~true)[predicted] <= reach)
    recall = np.mean(ndimage.distance_transform_edt(~predicted)[true] <= reach)
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_f(prediction, truth, tolerance=tolerance) == pytest.approx(expected)

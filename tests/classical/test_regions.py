"""Which regions are called foreground, on label maps small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.classical.regions import border, centre_prior, foreground_of, small_copy, to_size


def labels(*rows):
    return np.array([[int(digit) for digit in row] for row in rows])


def test_border_leaves_the_lower_edge_out():
    assert border((3, 4)).tolist() == [
        [True, True, True, True],
        [True, False, False, True],
        [True, False, False, True],
    ]


def test_a_region_in_the_middle_that_is_cut_off_below():
    regions = labels("000000", "001100", "001100", "001100", "001100", "001100")
    assert (foreground_of(regions) == (regions == 1)).all()


def test_a_region_along_a_side_is_background():
    regions = labels("110000", "110000", "110000", "110000", "110000", "110000")
    assert not foreground_of(regions)[:, :2].any()


def test_a_piece_off_the_border_and_off_the_middle_is_background():
    regions = np.zeros((40, 40), int)
    regions[4:8, 4:8] = 1
    regions[15:35, 15:25] = 2
    assert (foreground_of(regions) == (regions == 2)).all()


def test_one_region_is_no_foreground():
    assert not foreground_of(np.zeros((5, 6), int)).any()


def test_centre_prior_is_a_share():
    prior = centre_prior((50, 40))
    assert prior.sum() == pytest.approx(1)
    assert np.unravel_index(prior.argmax(), prior.shape) == (30, 20)


def test_small_copies():
    image = np.zeros((300, 600, 3), np.uint8)
    assert small_copy(image, 100).shape == (50, 100, 3)
    assert small_copy(image, 1000).shape == image.shape
    assert small_copy(np.zeros((1, 600, 3), np.uint8), 100).shape == (1, 100, 3)
    assert to_size(np.ones((5, 10), bool), image).shape == (300, 600)
    assert to_size(np.ones((5, 10), bool), image).all()

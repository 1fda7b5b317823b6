"""The largest region of a mask: which pixels are in it."""

import numpy as np

from edgeseg.regions import largest_region


def test_the_largest_region_is_found_whole_and_alone():
    inside = np.zeros((8, 12), bool)
    inside[1:3, 1:3] = True
    inside[4:7, 6:11] = inside[3, 5] = True  # which meets it at a corner
    inside[7, 0] = True
    expected = np.zeros_like(inside)
    expected[4:7, 6:11] = expected[3, 5] = True
    region = largest_region(inside)
    assert region.dtype == bool
    np.testing.assert_array_equal(region, expected)
    np.testing.assert_array_equal(largest_region(region), expected)


def test_of_equally_large_regions_it_is_the_first_and_of_none_there_is_none():
    inside = np.zeros((4, 9), bool)
    inside[0, 5:7] = inside[3, 1:3] = True
    assert np.argwhere(largest_region(inside)).tolist() == [[0, 5], [0, 6]]
    assert largest_region(np.zeros((4, 9), bool)) is None

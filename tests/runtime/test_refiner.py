"""What effects are handed of a frame's scores."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.refiner import Refiner

SCORES = np.full((32, 32, 1), 0.75, np.float32)


@pytest.mark.parametrize(
    ("size", "half"),
    [((96, 128), (48, 64)), ((95, 127), (48, 64)), ((64, 64), (32, 32)), ((63, 63), (32, 32))],
)
def test_a_large_frame_comes_at_half_its_size(size, half) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    answer = Refiner(binary=True, refine=True).segmentation(SCORES, picture)
    assert answer.small.shape == (*half, 3)
    assert answer.coarse.shape == half
    assert answer.mask.shape == size
    assert Refiner(binary=True, refine=False).segmentation(SCORES, picture).small is None


@pytest.mark.parametrize("size", [(62, 128), (128, 62), (40, 40)])
def test_a_frame_that_is_smaller_in_one_direction_does_not(size) -> None:
    answer = Refiner(binary=True, refine=True).segmentation(SCORES, np.zeros((*size, 3), np.uint8))
    assert answer.small is None
    assert answer.mask.shape == size


def test_specks_go_where_the_scores_are_of_one_class_only() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    speck = np.zeros((32, 32, 1), np.float32)
    speck[4, 4] = 0.9
    assert Refiner(binary=True, refine=False).refined(speck, frame).max() == 0
    two = np.concatenate([1 - speck, speck], axis=-1)
    refiner = Refiner(binary=False, refine=True)
    assert refiner.refined(two, frame)[4, 4] == np.float32(0.9)
    answer = refiner.segmentation(two, frame)
    assert answer.coarse[4, 4] == round(0.9 * 255)
    assert answer.classes[4, 4] == 1
    assert answer.classes.sum() == 1


def test_what_was_a_region_may_shrink_until_it_is_forgotten() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    region, speck = np.zeros((2, 32, 32, 1), np.float32)
    region[4:6, 4:6] = speck[4, 4:6] = 0.9
    refiner = Refiner(binary=True, refine=False)
    refiner.refined(region, frame)
    assert refiner.refined(speck, frame).max() == np.float32(0.9)
    refiner.reset()
    assert refiner.refined(speck, frame).max() == 0

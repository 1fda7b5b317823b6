"""Region measures: hand-computed answers, and scikit-learn's on random masks."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.metrics import false_positive_area, iou


def mask(*rows):
    return np.array([[character == "#" for character in row] for row in rows])


def test_iou_by_hand():
    # 2 pixels in both, 5 in either.
    prediction = mask("###.", "....")
    truth = mask(".##.", ".##.")
    assert iou(prediction, truth) == pytest.approx(2 / 5)
    assert iou(truth, prediction) == pytest.approx(2 / 5)


def test_single_pixel_objects():
    here, there = mask("#.", ".."), mask("..", ".#")
    assert iou(here, here) == 1.0
    assert iou(here, there) == 0.0


def test_empty_masks():
    empty, full = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    assert iou(empty, empty) == 1.0
    assert iou(full, empty) == 0.0
    assert iou(empty, full) == 0.0


def test_ignored_pixels_count_for_nothing():
    prediction, truth = mask("##..", "##.."), mask("#...", "#..#")
    valid = mask("#.##", "#.#.")
    # Left are the first column, where both agree, and pixels of the background.
    assert iou(prediction, truth, valid=valid) == 1.0
    assert iou(prediction, truth) == pytest.approx(2 / 5)
    assert iou(prediction, truth, valid=np.zeros((2, 4), bool)) == 1.0


def test_iou_takes_integer_masks():
    prediction, truth = mask("###.", "...."), mask(".##.", ".##.")
    assert iou(255 * prediction.astype(np.uint8), truth) == pytest.approx(2 / 5)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 1), (12,)])
def test_shapes_have_to_agree(shape):
    with pytest.raises(InputError, match="got shapes"):
        iou(np.zeros(shape, bool), np.zeros((3, 4), bool))


@pytest.mark.parametrize("seed", range(8))
def test_iou_as_scikit_learn_counts_it(seed):
    metrics = pytest.importorskip("sklearn.metrics", reason="needs the extra benchmark")
    rng = np.random.default_rng(seed)
    prediction = rng.random((17, 23)) < rng.uniform(0.05, 0.95)
    truth = rng.random((17, 23)) < rng.uniform(0.05, 0.95)
    valid = rng.random((17, 23)) < 0.7
    expected = metrics.jaccard_score(truth.ravel(), prediction.ravel())
    assert iou(prediction, truth) == pytest.approx(expected)
    weighted = metrics.jaccard_score(
        truth.ravel(), prediction.ravel(), sample_weight=valid.ravel().astype(float)
    )
    assert iou(prediction, truth, valid=valid) == pytest.approx(weighted)


def test_iou_as_pycocotools_counts_it():
    coco = pytest.importorskip("pycocotools.mask", reason="needs the extra benchmark")
    rng = np.random.default_rng(3)
    for _ in range(5):
        pair = [np.asfortranarray(rng.random((40, 30)) < 0.4, np.uint8) for _ in range(2)]
        codes = [coco.encode(one) for one in pair]
        expected = coco.iou([codes[0]], [codes[1]], [0])[0, 0]
        assert iou(pair[0], pair[1]) == pytest.approx(expected)


def test_false_positive_area_by_hand():
    assert false_positive_area(mask("#...", "..#.")) == pytest.approx(2 / 8)
    assert false_positive_area(np.zeros((5, 5), bool)) == 0.0
    assert false_positive_area(np.full((5, 5), 255, np.uint8)) == 1.0

"""Average precision: segments and figures by hand, and a plain implementation on random objects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.metrics import Segment, average_precision, segments

THRESHOLDS = np.linspace(0.5, 0.95, 10)


def box(left, top, right, bottom, score=1.0, size=40):
    mask = np.zeros((size, size), bool)
    mask[top:bottom, left:right] = True
    return Segment(mask, score)


def test_segments_are_connected_and_scored():
    scores = np.zeros((10, 10), np.float32)
    scores[:3, :3] = 0.8
    scores[5:9, 5:9] = 0.6
    scores[4, 0] = 0.9
    found = segments(scores, least=4)
    assert [segment.score for segment in found] == pytest.approx([0.8, 0.6])
    assert [int(segment.mask.sum()) for segment in found] == [9, 16]
    assert len(segments(scores, least=1)) == 3


def test_a_segment_is_above_the_threshold():
    scores = np.zeros((4, 16), np.float32)
    scores[:, :4], scores[:, 6:10], scores[:, 12:] = 0.5, 0.51, 0.4
    assert [segment.mask[0].argmax() for segment in segments(scores)] == [6]
    assert [segment.mask[0].argmax() for segment in segments(scores, threshold=0.45)] == [6, 0]


def test_segments_are_of_the_class_of_plain_objects():
    """Both are of class 1 where nobody names one, or no prediction would be a find."""
    truth = box(0, 0, 10, 10)
    found = average_precision([segments(truth.mask.astype(np.float32))], [[truth]])
    assert found.ap == pytest.approx(1)
    other = segments(truth.mask.astype(np.float32), label=2)
    assert average_precision([other], [[truth]]).ap == 0


def test_perfect_and_missed():
    one, other = box(0, 0, 10, 10, 0.9), box(20, 20, 30, 30, 0.8)
    both = average_precision([[one, other]], [[one, other]])
    assert (both.ap, both.ar1, both.ar10) == pytest.approx((1, 0.5, 1))
    half = average_precision([[one]], [[one, other]])
    # Precision 1 up to recall 0.5: 51 of the 101 recall points.
    assert half.ap == pytest.approx(51 / 101)
    assert half.ar100 == pytest.approx(0.5)


def test_iou_of_the_match_decides_the_thresholds():
    # 10x10 against its upper 8 rows: IoU 0.8 passes 0.50 to 0.80, 7 of 10 thresholds.
    found = average_precision([[box(0, 0, 10, 8)]], [[box(0, 0, 10, 10)]])
    assert found.ap50 == found.ap75 == pytest.approx(1)
    assert found.ap == pytest.approx(0.7, abs=1e-9)


def test_every_figure_is_the_one_that_it_says():
    # Of 12 objects, 12 are found at an IoU of 0.6: that counts for 0.50, 0.55 and 0.60.
    corners = [(x, y) for x in (0, 10, 20, 30) for y in (0, 10, 20)]
    truths = [box(x, y, x + 10, y + 10) for x, y in corners]
    found = [box(x, y, x + 10, y + 6, 1 - x / 100 - y / 1000) for x, y in corners]
    figures = average_precision([found], [truths])
    assert (figures.ap, figures.ap50, figures.ap75) == pytest.approx((0.3, 1, 0))
    recalls = (0.3 * 1 / 12, 0.3 * 10 / 12, 0.3)
    assert (figures.ar1, figures.ar10, figures.ar100) == pytest.approx(recalls)


def test_a_crowd_is_neither_missed_nor_wrongly_found():
    person, in_crowd = box(0, 0, 10, 10, 0.5), box(20, 20, 30, 30, 0.9)
    crowd = box(18, 18, 40, 40)
    hidden = Segment(crowd.mask, crowd=True)
    assert average_precision([[person, in_crowd]], [[person, hidden]]).ap == pytest.approx(1)
    assert average_precision([[person]], [[person, hidden]]).ar100 == pytest.approx(1)
    assert average_precision([[person, in_crowd]], [[person, crowd]]).ap == pytest.approx(
        0.25, abs=0.01
    )


def test_no_truth_and_no_prediction():
    assert math.isnan(average_precision([[box(0, 0, 5, 5)]], [[]]).ap)
    assert average_precision([[]], [[box(0, 0, 5, 5)]]).ap == 0
    # A false find in an image without the class costs precision.
    worse = average_precision(
        [[box(0, 0, 5, 5, 0.5)], [box(0, 0, 5, 5, 0.9)]], [[box(0, 0, 5, 5)], []]
    )
    assert worse.ap == pytest.approx(0.5)


def test_single_pixel_object():
    pixel = box(3, 3, 4, 4)
    assert average_precision([[pixel]], [[pixel]]).ap == pytest.approx(1)
    assert segments(pixel.mask.astype(np.float32), least=1)[0].mask.sum() == 1


def plain(predictions, truths):
    """AP from its definition: greedy matches by score, precision made monotone, 101 points."""
    values = []
    for threshold in THRESHOLDS:
        ranked = sorted(
            (-p.score, image, index)
            for image, found in enumerate(predictions)
            for index, p in enumerate(found)
        )
        taken, hits = set(), []
        for _, image, index in ranked:
            mask = predictions[image][index].mask
            overlaps = [
                ((mask & t.mask).sum() / (mask | t.mask).sum(), number)
                for number, t in enumerate(truths[image])
                if (image, number) not in taken
            ]
            best = max(overlaps, default=(0, None))
            hits.append(best[0] >= threshold - 1e-10)
            if hits[-1]:
                taken.add((image, best[1]))
        total = sum(map(len, truths))
        found = np.cumsum(hits)
        recall, precision = found / total, found / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        points = [precision[recall >= r - 1e-12].max(initial=0) for r in np.linspace(0, 1, 101)]
        values.append(np.mean(points))
    return np.mean(values)


def test_against_a_plain_implementation():
    random = np.random.default_rng(4)
    predictions, truths = [], []
    for _ in range(6):
        corners = random.integers(0, 25, (4, 2))
        truths.append([box(x, y, x + 12, y + 12) for x, y in corners])
        moved = corners + random.integers(-3, 4, corners.shape)
        predictions.append(
            [box(max(0, x), max(0, y), x + 12, y + 12, float(random.random())) for x, y in moved]
        )
    expected = plain(predictions, truths)
    assert 0.05 < expected < 0.95
    assert average_precision(predictions, truths).ap == pytest.approx(expected, abs=1e-6)


def test_refuses_unequal_numbers():
    with pytest.raises(InputError, match="1 predictions and 2 truths"):
        average_precision([[]], [[], []])

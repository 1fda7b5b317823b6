"""Measures over time: hand-computed answers, and the definitions counted pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.metrics import dtssd, flicker, lag, video_consistency


def frames(*texts):
    """Each text is one frame of one row: "#" is the class."""
    return [np.array([[character == "#" for character in text]]) for text in texts]


def walking(count, *, delay=0):
    """A bar that moves by two pixels a frame, seen `delay` frames late."""
    found = []
    for t in range(count):
        mask = np.zeros((6, 60), bool)
        start = 2 * max(0, t - delay)
        mask[:, start : start + 8] = True
        found.append(mask)
    return found


def test_flicker_by_hand():
    # First step: 4 still pixels, 1 of them flips. Second: 3 still ones, 2 flip.
    truths = frames("##..", "##..", "###.")
    predictions = frames("##..", "#...", "##.#")
    assert flicker(predictions, truths) == pytest.approx(1000 * (1 + 2) / (4 + 3))


def test_a_change_with_the_truth_is_no_flicker():
    truths = frames("##..", "..##")
    assert flicker(truths, truths) == 0.0
    assert flicker(frames("....", "...."), truths) == 0.0


def test_flicker_of_one_frame():
    assert flicker(frames("#."), frames("#.")) == 0.0


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_lag_finds_the_delay(delay):
    assert lag(walking(14, delay=delay), walking(14)) == delay


def test_lag_of_a_still_picture_is_none():
    assert lag(walking(1) * 8, walking(1) * 8) == 0


def test_lag_goes_no_further_than_the_sequence():
    assert lag(walking(2), walking(2)) == 0
    assert lag(walking(1), walking(1)) == 0


def test_dtssd_by_hand():
    truths = [np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])]
    predictions = [np.array([[0.0, 0.0]]), np.array([[0.5, 0.5]])]
    # The gradients differ by -0.5 and 0.5.
    assert dtssd(predictions, truths) == pytest.approx(50.0)
    assert dtssd(truths, truths) == 0.0
    assert dtssd(truths[:1], truths[:1]) == 0.0


def test_dtssd_takes_bool_masks():
    truths, predictions = frames("#...", "...."), frames("....", "#...")
    # One pixel in four, whose gradient is 1 where the truth's is -1.
    assert dtssd(predictions, truths) == pytest.approx(100 * np.sqrt(4 / 4))


def test_a_constant_offset_is_no_dtssd():
    rng = np.random.default_rng(0)
    truths = [rng.random((5, 6)) * 0.5 for _ in range(4)]
    assert dtssd([truth + 0.25 for truth in truths], truths) == pytest.approx(0, abs=1e-4)


def test_video_consistency_by_hand():
    truths = frames("##..", "##..", "##.#")
    predictions = frames("##..", "#...", "#...")
    # Windows of two: 3 of 4 constant pixels are kept, then all 3 of 3.
    assert video_consistency(predictions, truths, window=2) == pytest.approx((3 / 4 + 1) / 2)
    # One window of three: pixels 0, 1, 2 are constant, 0 and 2 are kept.
    assert video_consistency(predictions, truths, window=3) == pytest.approx(2 / 3)


def test_video_consistency_without_a_constant_pixel_or_window():
    assert video_consistency(frames("#.", ".#"), frames("#.", ".#"), window=2) == 1.0
    assert video_consistency(frames("#."), frames(".#"), window=8) == 1.0


def test_video_consistency_is_of_eight_frames():
    truths, predictions = frames("##") * 9, [*frames("##") * 7, *frames("#.") * 2]
    # Frames 1 to 8 and 2 to 9: one pixel of two is kept in either.
    assert video_consistency(predictions, truths) == pytest.approx(1 / 2)
    # Windows of 7 have a first one in which both are kept.
    assert video_consistency(predictions, truths, window=7) == pytest.approx(
        (1 + 1 / 2 + 1 / 2) / 3
    )


def test_video_consistency_of_labels():
    truths = [np.full((2, 3), 4)] * 3
    predictions = [np.full((2, 3), label) for label in (1, 1, 2)]
    assert video_consistency(predictions, truths, window=2) == pytest.approx(1 / 2)


@pytest.mark.parametrize("measure", [flicker, lag, dtssd, video_consistency])
def test_sequences_have_to_agree(measure):
    one = frames("#.")
    with pytest.raises(InputError, match="1 predictions and 2 truths"):
        measure(one, one * 2)
    with pytest.raises(InputError, match="at least one"):
        measure([], [])
    with pytest.raises(InputError, match="got shapes"):
        measure(frames("#.."), one)


@pytest.mark.parametrize("seed", range(4))
def test_as_counted_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    count, height, width = 7, 5, 6
    truths = list(rng.random((count, height, width)) < 0.5)
    truths[3:6] = [truths[3]] * 3
    predictions = [truth ^ (rng.random((height, width)) < 0.2) for truth in truths]

    still = flipped = 0
    squares = []
    shares = []
    for t in range(1, count):
        for y in range(height):
            for x in range(width):
                step = int(predictions[t][y, x]) - int(predictions[t - 1][y, x])
                wanted = int(truths[t][y, x]) - int(truths[t - 1][y, x])
                squares.append((step - wanted) ** 2)
                still += wanted == 0
                flipped += wanted == 0 and step != 0
    for start in range(count - 2):
        constant = kept = 0
        for y in range(height):
            for x in range(width):
                if len({bool(truths[start + i][y, x]) for i in range(3)}) == 1:
                    constant += 1
                    kept += len({bool(predictions[start + i][y, x]) for i in range(3)}) == 1
        if constant:
            shares.append(kept / constant)

    assert flicker(predictions, truths) == pytest.approx(1000 * flipped / still)
    assert dtssd(predictions, truths) == pytest.approx(100 * np.mean(squares) ** 0.5)
    assert video_consistency(predictions, truths, window=3) == pytest.approx(np.mean(shares))

"""What a taught encoder's loss compares, by values that were worked out by hand."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest

from edgeseg.training.encoder_loss import scaled_errors, unexplained, with_classes


def features(*values) -> np.ndarray:
    """float32 (1, 1, places, channels): a row of places."""
    return np.asarray(values, np.float32)[np.newaxis, np.newaxis]


def test_errors_are_mean_squares_times_their_scales():
    loss = scaled_errors(keras, ["near", "far"], [np.float32([1, 10]), 0.5])
    answers = features([1, 2], [3, 4]), features([2])
    truths = features([0, 2], [3, 6]), features([6])
    parts = {name: float(value) for name, value in loss(answers, *truths).items()}
    # (1 * 1 + 10 * 4) / 4 and 16 / 2.
    assert parts == {"loss": 18.25, "near": 10.25, "far": 8.0}


def test_what_is_unexplained_is_a_share_of_the_variance():
    """1 for whoever answers the mean everywhere: by channel at 1/4, over all of them deeper."""
    # The channels' variances are 1 and 9, about means of 1 and 5.
    example = features([0, 2], [2, 8])
    loss = unexplained(keras, [example] * 4)
    mean = np.broadcast_to(example.mean((0, 1, 2)), example.shape)
    parts = {name: float(value) for name, value in loss([mean] * 4, *[example] * 4).items()}
    assert parts == pytest.approx({"loss": 4, "1/4": 1, "1/8": 1, "1/16": 1, "1/32": 1})
    first_alone = mean.copy()
    first_alone[..., 1] = example[..., 1]
    parts = loss([first_alone] * 4, *[example] * 4)
    assert float(parts["1/4"]) == pytest.approx(0.5)
    assert float(parts["1/8"]) == pytest.approx(1 / 10)


def test_classes_are_how_far_the_answers_are_from_the_truth():
    def head(values, *, training):
        assert not training
        return keras.ops.log(values)

    def compared(answers, *truths):
        return {"loss": 3.0, "1/32": 3.0}

    truth = features([0.5, 0.5], [0.1, 0.9])
    found = features([0.25, 0.75], [0.1, 0.9])
    # Only the deepest answers are read, and the truth is what is wanted.
    parts = with_classes(keras, compared, head, 2.0)([None, found], None, truth)
    apart = (0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)) / 2
    assert float(parts["classes"]) == pytest.approx(apart, rel=1e-4)
    assert float(parts["loss"]) == pytest.approx(3 + 2 * apart, rel=1e-4)
    assert parts["1/32"] == 3.0

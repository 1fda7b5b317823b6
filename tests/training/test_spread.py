"""Examples of a network's answers, and how much they vary."""

from types import SimpleNamespace

import keras
import numpy as np

from edgeseg.training.spread import IMAGES, examples, spread_of


def test_spread_is_the_mean_of_the_channels_variances():
    rng = np.random.default_rng(0)
    answers = rng.normal(size=(40, 9, 9, 2)) * (1.0, 3.0) + (5.0, -7.0)
    assert abs(spread_of(answers.astype(np.float32)) - (1 + 9) / 2) < 0.2


def test_examples_are_the_answers_to_the_first_images():
    images = np.random.default_rng(1).normal(size=(IMAGES, 4, 4, 3)).astype(np.float32)
    asked = []

    def batch(index, count):
        asked.append((index, count))
        return SimpleNamespace(tensor=images)

    inputs = keras.Input((4, 4, 3))
    doubled, tripled = inputs * 2, inputs * 3
    pipeline = SimpleNamespace(batch=batch)
    for outputs in ([doubled, tripled], [doubled]):
        found = examples(keras, keras.Model(inputs, outputs), pipeline)
        assert len(found) == len(outputs)
        for factor, answers in zip((2, 3), found):
            assert answers.dtype == np.float32
            np.testing.assert_allclose(answers, factor * images, rtol=1e-6)
    assert asked == [(0, IMAGES)] * 2

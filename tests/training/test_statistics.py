"""Normalization statistics are the means over the batches, whatever they were before."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest

from edgeseg.training.statistics import recompute_statistics


@pytest.fixture
def model():
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.BatchNormalization(name="one_bn", momentum=0.9)(inputs)
    x = keras.layers.BatchNormalization(name="two_bn", momentum=0.7)(x * 3 + 1)
    return keras.Model(inputs, x)


def test_running_values_are_the_mean_over_the_batches(model):
    rng = np.random.default_rng(0)
    batches = [rng.normal(k, 1 + k, (8, 4, 4, 2)).astype(np.float32) for k in range(3)]
    one, two = model.get_layer("one_bn"), model.get_layer("two_bn")
    for start in (0.0, 50.0):
        one.moving_mean.assign(np.full(2, start, np.float32))
        recompute_statistics(model, iter(batches))
        mean = np.mean([batch.mean((0, 1, 2)) for batch in batches], 0)
        variance = np.mean([batch.var((0, 1, 2)) for batch in batches], 0)
        np.testing.assert_allclose(np.asarray(one.moving_mean), mean, rtol=1e-4)
        np.testing.assert_allclose(np.asarray(one.moving_variance), variance, rtol=1e-4)
        # The second sees each batch normalized by its own values, times 3, plus 1.
        np.testing.assert_allclose(np.asarray(two.moving_mean), 1, rtol=1e-3)
        np.testing.assert_allclose(np.asarray(two.moving_variance), 9, rtol=2e-2)
    assert (one.momentum, two.momentum) == (0.9, 0.7)

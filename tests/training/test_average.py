"""The weights' moving average: how far it moves, and to where."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import subprocess
import sys

import keras
import numpy as np
import pytest

from edgeseg.training.average import EVERY, copied, make_mover, share_at


def test_shares_grow_small_with_the_steps():
    assert share_at(5, 0.999) == pytest.approx(1 - (6 / 15) ** EVERY)
    assert share_at(10**6, 0.999) == pytest.approx(1 - 0.999**EVERY)


def test_moves_part_of_the_way():
    average = {"a/kernel": np.array([0.0, 4.0], np.float32)}
    named = {"a/kernel": keras.Variable([1.0, 0.0])}
    moved = make_mover(keras)(average, named, 0.25)
    np.testing.assert_allclose(np.asarray(moved["a/kernel"]), [0.25, 3.0])
    np.testing.assert_array_equal(average["a/kernel"], [0.0, 4.0])


def test_a_copy_shares_no_memory():
    average = {"a/kernel": np.array([1.0, 2.0], np.float32)}
    copy = copied(average)
    average["a/kernel"][:] = 0
    assert copy["a/kernel"].tolist() == [1, 2]


def test_moves_alike_on_jax():
    pytest.importorskip("jax")
    code = (
        "import keras, numpy as np; from edgeseg.training.average import make_mover;"
        "v = {'a': keras.Variable([1.0, 0.0])};"
        "m = make_mover(keras)({'a': np.array([0.0, 4.0], np.float32)}, v, 0.25);"
        "assert np.allclose(np.asarray(m['a']), [0.25, 3.0]), m"
    )
    env = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)

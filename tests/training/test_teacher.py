"""A teacher's masks on the student's images and on the grid of its truth."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.spec import ModelSpec
from edgeseg.training.teacher import answers_in_steps, teaching_network

SPEC = ModelSpec(name="student", height=16, width=24, labels=("thing",))


def brightness(size, classes=1):
    """A network whose probability is the mean of the colours, from 0 for black to 1 for white."""
    inputs = keras.Input((*size, 3))
    x = keras.layers.Conv2D(
        classes, 1, kernel_initializer=keras.initializers.Constant(1 / 6), bias_initializer="zeros"
    )(inputs)
    return keras.Model(inputs, keras.layers.Rescaling(1.0, offset=0.5)(x))


def test_a_keras_file_answers_on_the_grid_of_the_truth(images, tmp_path):
    tensor, expected = images
    path = tmp_path / "teacher.keras"
    brightness((16, 24)).save(path)
    assert answers_in_steps(path)
    same = teaching_network(keras, path, SPEC, (16, 24))
    np.testing.assert_allclose(same(tensor), expected, atol=1e-6)
    assert not same.trainable_variables
    half = np.asarray(teaching_network(keras, path, SPEC, (8, 12))(tensor))
    assert half.shape == (3, 8, 12, 1)
    np.testing.assert_allclose(half.mean(), expected.mean(), atol=0.01)


def test_a_teacher_of_another_size_sees_the_whole_image(images, tmp_path):
    tensor, expected = images
    path = tmp_path / "teacher.keras"
    brightness((32, 48)).save(path)
    answers = np.asarray(teaching_network(keras, path, SPEC, (16, 24))(tensor))
    np.testing.assert_allclose(answers, expected, atol=0.06)


def test_a_teacher_does_not_see_the_mask_of_the_frame_before(images, tmp_path):
    tensor, expected = images
    path = tmp_path / "teacher.keras"
    brightness((16, 24)).save(path)
    spec = ModelSpec(name="student", height=16, width=24, labels=("thing",), previous_mask=True)
    before = np.full((3, 16, 24, 1), 0.7, np.float32)
    network = teaching_network(keras, path, spec, (16, 24))
    np.testing.assert_allclose(network(np.concatenate([tensor, before], -1)), expected, atol=1e-6)


def test_bad_teachers(tmp_path):
    with pytest.raises(InputError, match="teacher: got no such file"):
        teaching_network(keras, tmp_path / "absent", SPEC, (16, 24))
    path = tmp_path / "teacher.keras"
    brightness((16, 24), classes=3).save(path)
    with pytest.raises(InputError, match="got 3 classes, expected 1"):
        teaching_network(keras, path, SPEC, (16, 24))

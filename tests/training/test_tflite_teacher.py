"""A .tflite teacher's masks, and second opinions beside it."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import keras
import numpy as np
import pytest
from edgeseg.converters.int8 import convert_int8

from edgeseg.errors import InputError
from edgeseg.spec import SPEC_ENTRY, ModelSpec, read_spec
from edgeseg.training.target_config import SecondOpinionConfig
from edgeseg.training.teacher import answers_in_steps
from edgeseg.training.tflite_teacher import (
    averaged,
    check_second_opinion,
    heard,
    held,
    shifted,
    tflite_teacher,
)

SPEC = ModelSpec(name="student", height=16, width=24, labels=("thing",))
GRID = (16, 24)


@pytest.fixture
def write(images, tmp_path):
    """Write a .tflite whose answer to an image is `factor` times its brightness, plus `offset`."""

    def write(name, *, factor=1.0, offset=0.0, spec=SPEC):
        low, high = spec.offset[0], 255 * spec.scale[0] + spec.offset[0]
        inputs = keras.Input((*GRID, 3))
        conv = keras.layers.Conv2D(
            1,
            1,
            kernel_initializer=keras.initializers.Constant(factor / 3 / (high - low)),
            bias_initializer=keras.initializers.Constant(offset - factor * low / (high - low)),
        )
        model = keras.Model(inputs, keras.layers.Rescaling(1.0)(conv(inputs)))
        frames = [np.rint((image + 1) * 127.5).astype(np.uint8) for image in images[0]]
        path = tmp_path / name
        path.write_bytes(convert_int8(model, spec, frames))
        return path

    return write


def test_it_answers_as_the_network_that_it_was_made_of(images, write):
    tensor, expected = images
    path = write("teacher.tflite")
    assert not answers_in_steps(path)
    answers = tflite_teacher(path, SPEC, GRID)(tensor)
    assert answers.shape == (3, 16, 24, 1)
    np.testing.assert_allclose(answers, expected, atol=0.02)
    small = tflite_teacher(path, SPEC, (8, 12))(tensor)
    np.testing.assert_allclose(small.mean(), expected.mean(), atol=0.02)


def test_a_teacher_of_another_scale_sees_the_same_images(images, write):
    tensor, expected = images
    spec = dataclasses.replace(SPEC, scale=(1 / 255,) * 3, offset=(0.0,) * 3)
    before = tensor.copy()
    answers = tflite_teacher(write("teacher.tflite", spec=spec), SPEC, GRID)(tensor)
    np.testing.assert_allclose(answers, expected, atol=0.02)
    np.testing.assert_array_equal(tensor, before)


def test_a_teacher_gives_way_to_the_truth_as_far_as_it_is_known():
    answers = np.full((1, 2, 3, 1), 0.8, np.float32)
    known = np.uint8([0, 255, 51, 0, 255, 51]).reshape(1, 2, 3, 1)
    truth = np.float32([0, 0, 0, 1, 1, 1]).reshape(1, 2, 3, 1)
    taught = held(answers, truth, known)
    assert taught.dtype == np.float32
    np.testing.assert_allclose(taught.ravel(), [0.8, 0.0, 0.64, 0.8, 1.0, 0.84], atol=1e-6)


def test_an_answer_is_shifted_by_what_its_image_asks_for():
    answers = np.stack([np.full((2, 2, 1), p, np.float32) for p in (0.2, 0.2, 1.0)])
    found = shifted(answers, np.float32([0.0, np.log(4.0), -1.0]))
    assert found.dtype == np.float32
    # Odds of a quarter become those of one; what is certain stays a number.
    np.testing.assert_allclose(found[:, 0, 0, 0], [0.2, 0.5, 1 / (1 + np.exp(1) / 999)], rtol=1e-5)


def test_a_second_opinion_counts_where_both_find_people():
    odds = SecondOpinionConfig(share=0.25, reach=0.05, sure=0.4)
    own, other = np.full((2, 1, 40, 60, 1), 0.02, np.float32)
    own[:, 4:36, 5:25] = 0.9  # both find somebody here, of whom each misses something
    other[:, 4:36, 5:25] = 0.98
    own[:, 18:22, 12:16] = 0.3
    other[:, 18:22, 18:22] = 0.1
    own[:, 4:12, 50:58] = 0.9  # somebody whom the other does not find
    other[:, 26:34, 50:58] = 0.98  # something that is nobody
    found = heard(own, [other], odds)
    assert found.shape == own.shape
    assert found.dtype == np.float32

    def mixed(a, b):
        logits = 0.75 * np.log(a / (1 - a)) + 0.25 * np.log(b / (1 - b))
        return 1 / (1 + np.exp(-logits))

    assert found[0, 28, 15, 0] == pytest.approx(mixed(0.9, 0.98), abs=1e-3)
    assert found[0, 20, 14, 0] == pytest.approx(mixed(0.3, 0.98), abs=1e-3) != pytest.approx(0.3)
    assert found[0, 20, 20, 0] == pytest.approx(mixed(0.9, 0.1), abs=1e-3)
    assert found[0, 8, 54, 0] > 0.88
    assert found[0, 30, 54, 0] < 0.03
    shifted = heard(own, [other], dataclasses.replace(odds, shift=-0.5))
    logits = np.log(shifted / (1 - shifted)) - np.log(found / (1 - found))
    assert logits[0, 28, 15, 0] == pytest.approx(-0.5, abs=1e-3)
    assert abs(logits[0, 8, 54, 0]) < 0.05
    # The mean log odds of several, and certainty that is none.
    certain = heard(own, [other, np.ones_like(other), np.zeros_like(other)], odds)
    assert np.isfinite(certain).all()
    two = heard(own, [other, 1 - other], odds)
    assert two[0, 28, 15, 0] == pytest.approx(mixed(0.9, 0.5), abs=0.02)


def test_what_is_heard_everywhere_is_averaged_in_log_odds(images, write, tmp_path):
    own = np.float32([0.9, 0.02]).reshape(1, 1, 2, 1)
    others = [np.float32([0.5, 0.5]).reshape(own.shape), np.float32([0.2, 1.0]).reshape(own.shape)]
    found = averaged(own, others, 0.4)
    assert (found.dtype, found.shape) == (own.dtype, own.shape)
    odds = [0.6 * np.log(9) + 0.2 * np.log(1 / 4), 0.6 * np.log(0.02 / 0.98) + 0.2 * np.log(999)]
    np.testing.assert_allclose(found.ravel(), 1 / (1 + np.exp(-np.array(odds))), rtol=1e-3)
    # As a teacher, and before those who are heard where both find people.
    tensor, expected = images
    path = write("teacher.tflite")
    write("half.tflite", factor=0.0, offset=0.5)
    write("other.tflite", factor=0.5, offset=0.5)
    second = SecondOpinionConfig(everywhere=("half.tflite", "half.tflite"), everywhere_share=1.0)
    answers = tflite_teacher(path, SPEC, GRID, second, tmp_path)(tensor)
    np.testing.assert_allclose(answers, 0.5, atol=0.01)
    second = dataclasses.replace(second, models=("other.tflite",), share=1.0, sure=1e-6)
    answers = tflite_teacher(path, SPEC, GRID, second, tmp_path)(tensor)
    np.testing.assert_allclose(answers, 0.5 + expected / 2, atol=0.02)


def test_models_of_others_are_asked_with_a_spec_beside_them(images, write, tmp_path):
    tensor, expected = images
    other = write("other.tflite", factor=0.5, offset=0.5)
    spec = read_spec(other.read_bytes(), origin="other")
    data = other.read_bytes().replace(SPEC_ENTRY.encode(), b"x" * len(SPEC_ENTRY))
    other.write_bytes(data)
    other.with_suffix(".json").write_text(spec.to_json())
    second = SecondOpinionConfig(models=("other.tflite",), share=1.0, sure=1e-6)
    answers = tflite_teacher(write("teacher.tflite"), SPEC, GRID, second, tmp_path)(tensor)
    np.testing.assert_allclose(answers, 0.5 + expected / 2, atol=0.02)


@pytest.mark.parametrize(
    "values",
    [{"share": 1.5}, {"share": -0.1}, {"everywhere_share": 1.1}, {"reach": 0.0}, {"sure": 0.0}],
)
def test_second_opinions_that_make_no_sense(write, tmp_path, values):
    path = write("other.tflite")
    second = SecondOpinionConfig(models=("other.tflite",))
    check_second_opinion(second, tmp_path, path, 1)
    with pytest.raises(
        InputError, match="second_opinion: got everywhere_share .* expected shares of 0 to 1"
    ):
        check_second_opinion(dataclasses.replace(second, **values), tmp_path, path, 1)


def test_bad_teachers(write, tmp_path):
    with pytest.raises(InputError, match="teacher: got no such file"):
        tflite_teacher(tmp_path / "absent.tflite", SPEC, GRID)
    for second in (
        SecondOpinionConfig(models=("absent.tflite",)),
        SecondOpinionConfig(everywhere=("absent.tflite",)),
    ):
        with pytest.raises(InputError, match="got no such file.*absent"):
            tflite_teacher(write("teacher.tflite"), SPEC, GRID, second, tmp_path)
        with pytest.raises(InputError, match="second_opinion: got no such file.*absent"):
            check_second_opinion(second, tmp_path, tmp_path / "teacher.tflite", 1)
    other = write("other.tflite", spec=dataclasses.replace(SPEC, colour="BGR"))
    with pytest.raises(InputError, match="got BGR, expected the student's RGB"):
        tflite_teacher(other, SPEC, GRID)

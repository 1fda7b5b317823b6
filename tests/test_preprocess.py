"""Preprocessing: values, colour order, the previous mask, one tensor for training and inference."""

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg.data.augment import AugmentConfig
from edgeseg.data.example import Example
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.errors import InputError
from edgeseg.preprocess import (
    covers_input,
    model_pixels,
    normalise,
    resize,
    sample_corners,
    sharpened,
    to_mask,
    to_scores,
    to_tensor,
)
from edgeseg.spec import ModelSpec

SPEC = ModelSpec(name="tiny", width=8, height=4)


def test_colour_is_swapped_and_scaled_to_minus_one_to_one():
    frame = np.zeros((4, 8, 3), np.uint8)
    frame[..., 0] = 255  # blue
    tensor = to_tensor(frame, SPEC)
    assert tensor.shape == (1, 4, 8, 3)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor[0, 0, 0], [-1, -1, 1], atol=1e-6)


def test_downscaling_averages_areas():
    frame = np.zeros((8, 16, 3), np.uint8)
    frame[::2] = 200
    pixel = to_tensor(frame, SPEC)[0, 1, 1]
    np.testing.assert_allclose(pixel, 100 / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("times", [(2, 2), (4, 4), (8, 8), (4, 2), (2, 4), (8, 4)])
def test_whole_times_smaller_is_the_mean_of_the_pixels(times):
    down, across = times
    noise = np.random.default_rng(0).integers(0, 256, (12 * down, 10 * across, 3), np.uint8)
    means = noise.reshape(12, down, 10, across, 3).mean(axis=(1, 3))
    small = resize(noise, 10, 12)
    assert small.shape == (12, 10, 3)
    # Each halving rounds.
    assert np.abs(small - means).max() <= 1.5


@pytest.mark.parametrize("times", [(3, 3), (3, 1), (1, 3), (7, 3), (3, 7)])
def test_no_stripe_is_skipped(times):
    """One bright row or column of three, which every third pixel would hit or miss."""
    down, across = times
    frame = np.zeros((8 * down, 9 * across), np.uint8)
    if down == 3:
        frame[1::3] = 255
    else:
        frame[:, 1::3] = 255
    assert np.abs(resize(frame, 9, 8) - 85.0).max() < 30


def test_a_picture_is_enlarged_bilinearly_where_a_side_grows():
    column = np.array([[0], [100]], np.uint8)
    assert resize(column, 1, 4).ravel().tolist() == [0, 25, 75, 100]
    row = np.array([[0, 100]], np.uint8)
    assert resize(row, 4, 1).ravel().tolist() == [0, 25, 75, 100]
    assert resize(row, 2, 1) is row


@pytest.mark.parametrize(
    ("colour", "expected"),
    # Grey after ITU-R BT.601: 0.299 red, 0.587 green, 0.114 blue.
    [("RGB", [30, 200, 100]), ("BGR", [100, 200, 30]), ("GRAY", [138])],
)
def test_channels_are_in_the_models_order(colour, expected):
    frame = np.full((6, 12, 3), (100, 200, 30), np.uint8)
    channels = len(expected)
    spec = dataclasses.replace(
        SPEC, colour=colour, scale=(1.0,) * channels, offset=(0.0,) * channels
    )
    pixels = model_pixels(frame, spec)
    assert pixels.shape == (4, 8, channels)
    assert pixels[2, 3].tolist() == expected


def test_the_scale_does_not_depend_on_the_frame():
    dark = np.full((4, 8, 3), 10, np.uint8)
    mixed = dark.copy()
    mixed[:, 4:] = 250
    np.testing.assert_array_equal(to_tensor(dark, SPEC)[0, :, :4], to_tensor(mixed, SPEC)[0, :, :4])


def test_previous_mask_is_the_fourth_channel_and_empty_at_first():
    spec = ModelSpec(name="tiny", width=8, height=4, previous_mask=True)
    frame = np.zeros((4, 8, 3), np.uint8)
    assert to_tensor(frame, spec)[..., 3].max() == 0
    tensor = to_tensor(frame, spec, np.full((2, 4), 0.25, np.float32))
    np.testing.assert_allclose(tensor[..., 3], 0.25)


def test_activations():
    logits = np.array([[[[0.0, 2.0]]]], np.float32)
    spec = ModelSpec("two", 1, 1, labels=("a", "b"), palette=((0, 0, 0),) * 2, activation="softmax")
    # A pixel's classes are weighed against one another, however large their logits are.
    pair = np.array([[[[0.0, np.log(3)]], [[900.0, 900.0]]]], np.float32)
    np.testing.assert_allclose(to_scores(pair, spec), [[[0.25, 0.75]], [[0.5, 0.5]]], rtol=1e-6)
    sigmoid = ModelSpec("one", 1, 1, activation="sigmoid")
    assert to_scores(logits[..., :1], sigmoid)[0, 0, 0] == 0.5


def test_sharpening_takes_the_temperature_back():
    logits = np.linspace(-6, 6, 25, dtype=np.float32).reshape(5, 5, 1)
    soft, sharp = 1 / (1 + np.exp(-logits / 3)), 1 / (1 + np.exp(-logits))
    spec = ModelSpec("one", 5, 5, temperature=3.0)
    np.testing.assert_allclose(sharpened(soft, spec), sharp, atol=1e-6)
    assert sharpened(np.array([0, 0.5, 1], np.float32), spec).tolist() == [0, 0.5, 1]
    assert sharpened(soft, ModelSpec("one", 5, 5)) is soft


def test_mask_keeps_its_values_at_another_size():
    assert to_mask(np.full((2, 2), 0.75, np.float32), 6, 5).shape == (5, 6)
    np.testing.assert_allclose(to_mask(np.full((2, 2), 0.75, np.float32), 6, 5), 0.75)


@pytest.mark.parametrize(
    "frame",
    [None, np.zeros((4, 4), "u1"), np.zeros((4, 4, 3), "f4"), np.zeros((0, 4, 3), "u1")],
)
def test_other_frames_are_refused(frame):
    with pytest.raises(InputError, match="frame: got"):
        to_tensor(frame, SPEC)


def test_training_and_inference_give_the_same_tensor(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (4, 8, 3), np.uint8)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image)
    still = AugmentConfig(
        crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0,
        colour=0, saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0, paste=0,
    )  # fmt: skip
    pipeline = Pipeline((Group("all", (Sample(path, None),)),), (), SPEC, augment=still)
    # Only the position of the crop is still drawn: take the photo as it is instead.
    monkeypatch.setattr(
        Pipeline, "warped", lambda self, rng, sample, *_, **__: Example(*self.read(sample))
    )
    np.testing.assert_allclose(pipeline.batch(0, 1).tensor, to_tensor(image, SPEC), atol=1e-6)


def test_frames_that_do_not_shrink_are_sampled_centre_to_centre_or_corner_to_corner():
    ramp = np.tile(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (40, 1, 3))
    centres = ModelSpec("own", 80, 64)
    corners = dataclasses.replace(centres, sampling="corners")
    # Pixel x is the frame's, of 2 a pixel, at x * 100 / 80, half a pixel aside or not.
    x = np.arange(1, 70)
    expected = 2.5 * (x + 0.5) - 1
    assert np.abs(model_pixels(ramp, centres)[10, 1:70, 0] - expected).max() <= 1
    assert np.abs(model_pixels(ramp, corners)[10, 1:70, 0] - 2.5 * x).max() <= 1
    upright = ramp.transpose(1, 0, 2)
    tall = dataclasses.replace(corners, width=64, height=80)
    assert np.array_equal(
        model_pixels(upright, tall), model_pixels(ramp, corners).transpose(1, 0, 2)
    )
    # Where both sides shrink it is the mean over areas either way.
    assert np.array_equal(sample_corners(ramp, 50, 20), resize(ramp, 50, 20))
    assert sample_corners(ramp, 100, 40) is ramp


def test_a_small_frame_meets_its_mask():
    """A square stays where it is when frame and mask go there and back."""
    frame = np.zeros((20, 24, 3), np.uint8)
    frame[6:14, 8:16] = 255
    seen = model_pixels(frame, ModelSpec("own", 72, 60))
    mask = to_mask(seen[..., 0].astype(np.float32) / 255, 24, 20) > 0.5
    assert np.array_equal(mask, frame[..., 0] > 0)


@pytest.mark.parametrize("scale", [(1 / 127.5,) * 3, (1 / 127.5, 1 / 64, 1 / 255)])
def test_normalise_is_scale_and_offset_of_each_channel(scale):
    spec = ModelSpec("x", 8, 8, scale=scale, offset=(-1.0, -1.0, -1.0))
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    expected = pixels * np.array(scale, np.float32) + np.float32(-1)
    result = normalise(pixels, spec)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("size", "output", "covers"),
    [
        ((256, 144), (256, 144), True),
        ((256, 144), (64, 36), True),
        ((256, 144), (512, 288), True),
        # Odd sizes rounded up and down: DeepLab's logits, a pooling that drops a row.
        ((513, 513), (65, 65), True),
        ((225, 227), (112, 113), True),
        ((572, 572), (388, 388), False),
        ((188, 188), (4, 4), False),
        ((60, 60), (20, 20), False),
        ((256, 144), (64, 144), False),
    ],
)
def test_a_mask_without_the_borders_of_the_input_is_known(size, output, covers):
    assert covers_input(size, output) is covers

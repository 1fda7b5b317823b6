"""Augmentation by its ranges: where photos go, which colours they get, how a mask has moved."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg.data.augment import (
    AugmentConfig,
    blend,
    colour_table,
    elastic_maps,
    photometric,
    warp,
    warp_labels,
    warp_matrix,
)
from edgeseg.data.previous_mask import PreviousMaskConfig, motion, previous_mask

STILL = AugmentConfig(
    crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0, colour=0,
    saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0, paste=0,
)  # fmt: skip
# Photos 80 high and 120 wide become pictures 60 wide and 30 high.
SHAPE, SIZE = (80, 120), (60, 30)


def matrices(count: int = 400, **changes) -> np.ndarray:
    rng = np.random.default_rng(0)
    config = dataclasses.replace(STILL, **changes)
    return np.stack([warp_matrix(rng, SHAPE, SIZE, config) for _ in range(count)])


def tables(count: int = 400, **changes) -> np.ndarray:
    """(count, 256, 3), 0 to 255."""
    rng = np.random.default_rng(0)
    config = dataclasses.replace(STILL, **changes)
    return np.stack([colour_table(rng, config)[:, 0] for _ in range(count)]).astype(float)


def changed(image: np.ndarray, **changes) -> np.ndarray:
    return photometric(np.random.default_rng(0), image, dataclasses.replace(STILL, **changes))


# Geometry ---------------------------------------------------------------------


@pytest.mark.parametrize("crop", [0.5, 1.0, 1.25])
def test_a_crop_is_a_share_of_the_photo_about_a_drawn_middle(crop: float) -> None:
    found = matrices(crop=(crop, crop))
    linear = np.diag([60 / (120 * crop), 30 / (80 * crop)])
    np.testing.assert_allclose(found[..., :2], np.broadcast_to(linear, (400, 2, 2)), atol=1e-12)
    # What comes to lie in the middle of the picture, as shares of the photo.
    middles = ([30, 15] - found[..., 2]) @ np.linalg.inv(linear) / (120, 80)
    slack = max(0, 1 - crop) / 2 + 0.08
    assert np.abs(middles - 0.5).max() < slack
    np.testing.assert_allclose(middles.min(0), 0.5 - slack, atol=0.02)
    np.testing.assert_allclose(middles.max(0), 0.5 + slack, atol=0.02)


def test_crops_and_aspects_are_drawn_evenly_on_a_logarithmic_scale() -> None:
    found = matrices(crop=(0.25, 1.0))
    crops = 0.5 / found[:, 0, 0]
    np.testing.assert_allclose(found[:, 1, 1], 0.375 / crops)
    assert 0.25 <= crops.min() < 0.26
    assert 0.97 < crops.max() <= 1
    assert np.median(crops) == pytest.approx(0.5, abs=0.05)
    found = matrices(aspect=1.44)
    across, down = 0.5 / found[:, 0, 0], 0.375 / found[:, 1, 1]
    np.testing.assert_allclose(across * down, 1, err_msg="the area stays")
    assert 1 / 1.2 <= across.min() < 0.84
    assert 1.19 < across.max() <= 1.2


def test_photos_are_mirrored_and_turned_where_asked_for() -> None:
    across, down = 0.5, 0.375
    for changes, signs in (
        ({"flip": 1.0}, (-1, 1)),
        ({"flip_vertical": 1.0}, (1, -1)),
        ({"flip": 1.0, "flip_vertical": 1.0}, (-1, -1)),
    ):
        expected = np.diag([across * signs[0], down * signs[1]])
        np.testing.assert_allclose(matrices(1, **changes)[0, :, :2], expected, atol=1e-12)
    assert (matrices(flip=0.25)[:, 0, 0] < 0).mean() == pytest.approx(0.25, abs=0.06)
    # In the photo's own pixels a turn is no shear: rows of the matrix over the scales.
    turns = matrices(quarter_turns=True)[:, :, :2] / [[across], [down]]
    kinds, counts = np.unique(turns.round(9) + 0.0, axis=0, return_counts=True)
    assert len(kinds) == 4
    assert counts.min() > 70
    np.testing.assert_allclose(kinds @ kinds.transpose(0, 2, 1), [np.eye(2)] * 4, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(kinds), 1)
    tilted = matrices(2000, rotation=12.0)[:, :, :2] / [[across], [down]]
    angles = np.rad2deg(np.arctan2(tilted[:, 1, 0], tilted[:, 0, 0]))
    assert angles.mean() == pytest.approx(0, abs=0.5)
    assert angles.std() == pytest.approx(6, abs=0.3), "the range is two deviations"
    np.testing.assert_allclose(tilted @ tilted.transpose(0, 2, 1), [np.eye(2)] * 2000, atol=1e-9)


def test_a_warp_mirrors_what_lies_outside_and_keeps_ids() -> None:
    shift = np.array([[1.0, 0, 2], [0, 1, 0]])
    row = np.array([[10, 20, 30, 40]], np.uint8)
    assert warp(row, shift, (4, 1)).tolist() == [[30, 20, 10, 20]]
    assert warp_labels(row, shift, (4, 1)).tolist() == [[30, 20, 10, 20]]
    half = np.array([[1.0, 0, 0.5], [0, 1, 0]])
    assert warp(row, half, (4, 1))[0, 1:].tolist() == [15, 25, 35]
    assert set(warp_labels(row, half, (4, 1))[0].tolist()) <= {10, 20, 30, 40}


@pytest.mark.parametrize(
    ("size", "step", "points"), [((572, 572), 300, (3, 3)), ((256, 128), 64, (4, 6))]
)
def test_an_elastic_grid_has_as_many_points_as_it_says(size, step, points) -> None:
    class Recorded:
        asked: list = []

        def normal(self, mean, deviation, shape):
            self.asked.append((mean, deviation, shape))
            return np.full(shape, float(len(self.asked)))

    rng = Recorded()
    rng.asked = []
    across, down = elastic_maps(rng, size, AugmentConfig(elastic=10.0, elastic_grid=step))
    assert rng.asked == [(0, 10.0, points)] * 2
    # All points moved by 1 to the right and by 2 down.
    np.testing.assert_allclose(across[5], np.arange(size[0]) + 1, atol=1e-3)
    np.testing.assert_allclose(down[:, 5], np.arange(size[1]) + 2, atol=1e-3)


# Colours ----------------------------------------------------------------------


def test_nothing_asked_for_changes_nothing() -> None:
    assert (tables(3) == np.arange(256)[:, None]).all()
    image = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_array_equal(changed(image), image)


def test_brightness_and_contrast_stay_within_their_ranges() -> None:
    shifts = tables(brightness=0.4)[:, 128, 0] - 128
    assert -51.5 <= shifts.min() < -48
    assert 48 < shifts.max() <= 51.5
    found = tables(contrast=0.5)
    slopes = (found[:, 168, 0] - found[:, 88, 0]) / 80
    assert 0.49 < slopes.min() < 0.53
    assert 1.47 < slopes.max() < 1.51
    assert np.abs((found[:, 127] + found[:, 128]) / 2 - 127.5).max() <= 1, "the middle grey stays"


def test_gamma_and_low_light_bend_the_middle_only() -> None:
    grey = 128 / 255
    found = tables(gamma=0.5)
    assert (found[:, 0] == 0).all()
    assert (found[:, 255] == 255).all()
    powers = np.log(found[:, 128, 0] / 255) / np.log(grey)
    assert np.exp(-0.5) - 0.01 < powers.min() < np.exp(-0.48)
    assert np.exp(0.48) < powers.max() < np.exp(0.5) + 0.02
    powers = np.log(tables(low_light=1.0)[:, 128, 0] / 255) / np.log(grey)
    assert 1.48 < powers.min() < 1.52
    assert 2.47 < powers.max() < 2.53
    dark = tables(low_light=0.3)[:, 128, 0] < 100
    assert dark.mean() == pytest.approx(0.3, abs=0.06)


def test_white_balance_scales_each_channel_by_itself() -> None:
    shares = tables(colour=0.1)[:, 200] / 200
    assert shares.min() == pytest.approx(0.9, abs=0.01)
    assert shares.max() == pytest.approx(1.1, abs=0.01)
    assert np.abs(np.corrcoef(shares.T) - np.eye(3)).max() < 0.2


def test_saturation_moves_colours_from_their_grey_or_towards_it() -> None:
    image = np.full((4, 4, 3), (80, 120, 170), np.uint8)
    grey = int(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[0, 0])
    assert (changed(image, grey=1.0) == grey).all()
    rng, shares = np.random.default_rng(0), []
    for _ in range(200):
        picture = photometric(rng, image, dataclasses.replace(STILL, saturation=0.5))
        shares.append((picture[0, 0].astype(float) - grey) / (image[0, 0].astype(float) - grey))
    shares = np.array(shares)
    np.testing.assert_allclose(shares[:, 0], shares[:, 2], atol=0.05, err_msg="the hue stays")
    assert 0.47 < shares.min() < 0.55
    assert 1.45 < shares.max() < 1.53


def test_noise_blur_and_jpeg_do_what_they_say() -> None:
    flat = np.full((60, 80, 3), 128, np.uint8)
    rng, noisy = np.random.default_rng(0), dataclasses.replace(STILL, noise=1.0)
    deviations = [photometric(rng, flat, noisy).std() for _ in range(100)]
    assert 2.9 < min(deviations) < 4
    assert 15 < max(deviations) < 16.4
    speckled = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    assert changed(speckled, blur=1.0).std() < 0.8 * speckled.std()
    coded = changed(speckled, jpeg=1.0)
    assert coded.shape == speckled.shape
    assert 2 < np.abs(coded.astype(int) - speckled).mean() < 80
    assert np.abs(changed(flat, jpeg=1.0).astype(int) - flat).max() <= 2


def test_blend_is_a_mean_weighted_by_alpha() -> None:
    front, back = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    alpha = np.array([[255, 0, 51]], np.uint8)
    assert blend(front, back, alpha)[0, :, 1].tolist() == [200, 100, 120]


# Previous masks ---------------------------------------------------------------


def motions(count: int = 400, factor: float = 1.0, **changes) -> np.ndarray:
    rng = np.random.default_rng(0)
    config = PreviousMaskConfig(**{"shift": 0.0, "scale": 0.0, "rotation": 0.0, **changes})
    return np.stack([motion(rng, SHAPE, config, factor=factor) for _ in range(count)])


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_a_motion_is_within_its_shares_of_the_size(factor: float) -> None:
    found = motions(factor=factor, shift=0.05)
    np.testing.assert_allclose(found[..., :2], [np.eye(2)] * 400, atol=1e-12)
    shifts = found[..., 2] / (120, 80) / factor
    np.testing.assert_allclose(shifts.min(0), -0.05, atol=0.001)
    np.testing.assert_allclose(shifts.max(0), 0.05, atol=0.001)


def test_a_motion_grows_and_turns_about_the_middle() -> None:
    middle = np.array([60, 40, 1.0])
    for changes in ({"scale": 0.1}, {"rotation": 6.0}):
        found = motions(**changes)
        np.testing.assert_allclose(found @ middle, np.broadcast_to(middle[:2], (400, 2)))
        sizes = np.hypot(found[:, 0, 0], found[:, 1, 0])
        angles = np.rad2deg(np.arctan2(found[:, 1, 0], found[:, 0, 0]))
        largest = changes.get("scale", 0.0), changes.get("rotation", 0.0)
        for values, limit in ((sizes - 1, largest[0]), (angles, largest[1])):
            assert values.min() == pytest.approx(-limit, abs=0.02 * limit + 1e-9)
            assert values.max() == pytest.approx(limit, abs=0.02 * limit + 1e-9)


def test_a_stale_mask_has_moved_as_many_times_as_far() -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[180:220, 180:220] = 255
    still = PreviousMaskConfig(shift=0.05, scale=0.0, rotation=0.0, stale_factor=4.0)
    rng, furthest = np.random.default_rng(0), {}
    for kind in ("affine", "stale"):
        moved = [previous_mask(rng, mask, mask, still, kind) for _ in range(100)]
        middles = np.array([np.argwhere(each > 127).mean(0) for each in moved])
        furthest[kind] = np.abs(middles - 199.5).max()
    # Twentieths of 400 pixels.
    assert furthest["affine"] == pytest.approx(20, abs=1)
    assert furthest["stale"] == pytest.approx(80, abs=3)


def test_outlines_are_taken_in_or_out_by_a_share_of_the_height() -> None:
    mask = np.zeros((240, 240), np.uint8)
    mask[60:180, 60:180] = 255
    still = PreviousMaskConfig(shift=0.0, scale=0.0, rotation=0.0)
    rng = np.random.default_rng(0)
    sides = [
        np.sqrt((previous_mask(rng, mask, mask, still, "eroded") > 127).sum()) for _ in range(200)
    ]
    grown = (np.array(sides) - 120) / 2
    # Up to a 24th of 240 pixels on each side; a round kernel leaves the corners.
    assert -10 <= grown.min() < -8
    assert 8 < grown.max() <= 10
    assert (grown < 0).mean() == pytest.approx(0.5, abs=0.1)
    assert np.abs(grown).min() >= 0.9

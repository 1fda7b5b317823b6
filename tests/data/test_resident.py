"""What is drawn for batches that a device makes: how many, from where, in which colours."""

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg.data.augment import AugmentConfig
from edgeseg.data.feature_maps import FeatureMaps
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.data.resident import check, composites, draw_colours, make_plan, make_store
from edgeseg.errors import InputError
from edgeseg.spec import ModelSpec

STILL = AugmentConfig(
    crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0, colour=0,
    saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0, paste=0,
)  # fmt: skip
SPEC = ModelSpec("t", height=64, width=96)
SIZES = {"a": (50, 80), "b": (72, 60), "none": (64, 96)}  # height and width


@pytest.fixture
def photos(tmp_path):
    """Two photos with a mask and one without, each of another size."""
    made = []
    for name, size in SIZES.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((*size, 3), np.uint8))
        cv2.imwrite(str(tmp_path / f"{name}_mask.png"), np.full(size, 255, np.uint8))
        mask = None if name == "none" else tmp_path / f"{name}_mask.png"
        made.append(Sample(tmp_path / f"{name}.png", mask))
    return made


def pipeline_of(photos, places=(), spec=SPEC, features=None, **augment):
    """Group "one" has the first photo, three of four draws; "two" has the others."""
    one = Group("one", tuple(photos[:1]), share=3.0, weight=0.5)
    groups = (one, Group("two", tuple(photos[1:]), share=1.0, weight=2.0))
    augment = dataclasses.replace(STILL, **augment)
    return Pipeline(groups, tuple(places), spec, augment=augment, features=features, seed=3)


def plan_of(pipeline, size):
    return make_plan(pipeline, make_store(pipeline, 96, workers=1), size, 0)


def seen_at(inverse, point):
    """Where of its photo a pixel of the picture comes from."""
    return inverse @ (*point, 1.0)


def test_a_photo_is_seen_whole_about_its_middle(photos):
    pipeline = pipeline_of(photos)
    plan = plan_of(pipeline, 40)
    assert plan.places.shape == (0,)
    assert (plan.moved == 0).all()
    assert len(set(plan.names)) == 3
    for name, rows, inverses, weight in zip(plan.names, plan.photos, plan.inverses, plan.weight):
        height, width = SIZES[name]
        assert len(set(rows)) == 1
        assert weight == (0.5 if name == "a" else 2.0)
        for inverse in inverses:
            np.testing.assert_allclose(inverse[:, :2], np.diag([width / 96, height / 64]))
            # The middle is drawn within eight hundredths of the photo.
            away = seen_at(inverse, (48, 32)) / (width, height) - 0.5
            assert np.abs(away).max() <= 0.0801


def test_a_mosaic_shows_four_photos_each_whole_in_its_quarter(photos):
    pipeline = pipeline_of(photos, mosaic=1.0)
    store = make_store(pipeline, 96, workers=1)
    plan = make_plan(pipeline, store, 200, 0)
    names = {row: image.stem for image, row in store.rows.items()}
    middles = ((24, 16), (72, 16), (24, 48), (72, 48))
    away = []
    for name, rows, inverses in zip(plan.names, plan.photos, plan.inverses):
        assert names[rows[0]] == name
        for row, inverse, middle in zip(rows, inverses, middles):
            height, width = SIZES[names[row]]
            np.testing.assert_allclose(inverse[:, :2], np.diag([width / 48, height / 32]))
            away.append(seen_at(inverse, middle) / (width, height) - 0.5)
    assert np.abs(away).max() <= 0.0801
    np.testing.assert_allclose(np.min(away, 0), -0.08, atol=0.005)
    np.testing.assert_allclose(np.max(away, 0), 0.08, atol=0.005)
    # All four are drawn by the groups' shares: three of four are the first photo.
    assert (plan.photos == 0).mean(0) == pytest.approx([0.75] * 4, abs=0.1)
    # Each by itself: only a third, 0.75 ** 4, have it four times.
    assert (plan.photos == 0).all(1).mean() == pytest.approx(0.32, abs=0.1)
    # And they meet anywhere.
    assert plan.moved.min(0) == pytest.approx([0, 0], abs=4)
    assert plan.moved.max(0) == pytest.approx([95, 63], abs=4)


def test_mosaics_are_a_share_of_what_is_no_composite(photos):
    plan = plan_of(pipeline_of(photos, photos[2:], mosaic=0.5, composite=0.5), 200)
    # Of draws 7 in 8 have a mask, and half of those are put onto something else.
    assert len(plan.places) == 88
    assert "none" not in plan.names[:88]
    several = (plan.inverses[:, 0] != plan.inverses[:, 3]).any((1, 2))
    assert not several[:88].any()
    assert several[88:].mean() == pytest.approx(0.5, abs=0.12)
    np.testing.assert_array_equal((plan.moved != 0).any(1), several)


def test_as_many_are_composites_as_the_shares_of_the_groups_say(photos):
    # Three quarters of the draws have a mask, of the last quarter a half: 7 of 8.
    assert composites(pipeline_of(photos, photos[2:], composite=0.5), 16) == 7
    assert composites(pipeline_of(photos, photos[2:], composite=1.0), 4) == 4  # 3.5
    assert composites(pipeline_of(photos, composite=1.0), 16) == 0, "no place to put them"


def test_places_are_seen_from_half_their_side_to_a_little_beyond(photos):
    plan = plan_of(pipeline_of(photos, photos[2:], composite=1.0), 200)
    assert (plan.places == plan.places[0]).all()
    # The place is as large as the picture.
    shares = plan.places_inverses[:, 0, 0]
    np.testing.assert_allclose(plan.places_inverses[:, 1, 1], shares, rtol=1e-6)
    assert min(shares) == pytest.approx(0.5, abs=0.02)
    assert max(shares) == pytest.approx(1.1, abs=0.02)


def test_thin_photos_keep_a_row_and_larger_ones_their_shape(tmp_path):
    for name, size in (("wide", (2, 400)), ("high", (300, 100)), ("small", (10, 20))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((*size, 3), (1, 2, 3), np.uint8))
    samples = [Sample(tmp_path / f"{n}.png", None) for n in ("wide", "high", "small")]
    store = make_store(pipeline_of(samples), 48, workers=2)
    assert store.sizes.tolist() == [[1, 48], [48, 16], [10, 20]]
    for pixels, (height, width) in zip(store.pixels, store.sizes):
        # In the network's order, red first, and the mask, which is empty.
        assert (pixels[:height, :width] == (3, 2, 1, 0)).all()
        assert pixels[height:].max(initial=0) == pixels[:, width:].max(initial=0) == 0


def test_colours_are_drawn_over_the_ranges_of_the_configuration():
    config = dataclasses.replace(
        STILL, gamma=0.5, contrast=0.4, brightness=0.3, colour=0.2, saturation=0.6, noise=0.25,
        blur=0.5,
    )  # fmt: skip
    drawn = draw_colours(np.random.default_rng(0), config, 4000)
    for name, low, high in (
        ("gamma", np.exp(-0.5), np.exp(0.5)),
        ("contrast", 0.6, 1.4),
        ("brightness", -0.15, 0.15),
        ("balance", 0.8, 1.2),
        ("saturation", -0.6, 0.6),
    ):
        values = getattr(drawn, name)
        assert values.dtype == np.float32, name
        assert values.min() == pytest.approx(low, abs=0.002), name
        assert values.max() == pytest.approx(high, abs=0.002), name
    assert drawn.balance.shape == (4000, 3)
    assert np.abs(np.corrcoef(drawn.balance.T) - np.eye(3)).max() < 0.1
    for values, share, low, high in ((drawn.blur, 0.5, 0.4, 1.6), (drawn.noise, 0.25, 3, 16)):
        assert (values != 0).mean() == pytest.approx(share, abs=0.03)
        assert values[values != 0].min() == pytest.approx(low, rel=0.02)
        assert values.max() == pytest.approx(high, rel=0.02)
    # Any part of a tile of noise of 512 by 512.
    assert len(np.unique(drawn.at[:, 0] % 512)) == len(np.unique(drawn.at[:, 1] % 512)) == 512


def test_low_light_and_greyness_come_as_often_as_asked_for():
    config = dataclasses.replace(STILL, low_light=0.25, grey=0.5, saturation=0.1)
    drawn = draw_colours(np.random.default_rng(0), config, 4000)
    dark = drawn.gamma != 1
    assert dark.mean() == pytest.approx(0.25, abs=0.03)
    assert drawn.gamma[dark].min() == pytest.approx(1.5, abs=0.01)
    assert drawn.gamma[dark].max() == pytest.approx(2.5, abs=0.01)
    grey = drawn.saturation == -1
    assert grey.mean() == pytest.approx(0.5, abs=0.03)
    assert np.abs(drawn.saturation[~grey]).max() <= 0.1


def test_what_a_device_does_not_make_is_refused(photos):
    maps = FeatureMaps(np.zeros((1, 2, 2, 1), np.uint8), 1.0, 1.0, {})
    behind = dataclasses.replace(SPEC, previous_mask=True)
    for pipeline in (pipeline_of(photos, features=maps), pipeline_of(photos, spec=behind)):
        with pytest.raises(InputError, match="got it with features.folder or a previous mask"):
            check(pipeline)
    grey = ModelSpec("t", 96, 64, colour="GRAY", scale=(1.0,), offset=(0.0,))
    with pytest.raises(InputError, match="data.resident: got GRAY, expected RGB"):
        check(pipeline_of(photos, spec=grey))

"""Augmentation, previous masks and batches: by values, and reproducible."""

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg.data.augment import AugmentConfig, deform, elastic_maps, warp_matrix
from edgeseg.data.batch import channel_scale
from edgeseg.data.class_pipeline import BorderConfig, ClassPipeline
from edgeseg.data.dataset import IGNORE, Labelled
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.data.previous_mask import PreviousMaskConfig, previous_mask
from edgeseg.data.thin_plate import thin_plate, thin_plate_warp
from edgeseg.errors import InputError
from edgeseg.preprocess import to_tensor
from edgeseg.spec import ModelSpec

STILL = AugmentConfig(
    crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0, colour=0,
    saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0, paste=0,
)  # fmt: skip


def decode(path):
    """Class ids; here, not in a function, so that other processes can import it."""
    ids = (cv2.imread(str(path), 0) > 127).astype(np.uint8)
    ids[:8] = IGNORE
    return ids


def halves(path):
    return cv2.imread(str(path), 0) // 255


def classes(samples):
    return tuple(Labelled(s.image, s.mask, decode) for s in samples)


def binary_pipeline(samples, **options):
    spec = ModelSpec("t", 64, 32, previous_mask=True)
    return Pipeline((Group("g", samples),), samples, spec, seed=3, **options)


def class_pipeline(samples, augment=AugmentConfig(elastic=4.0, elastic_grid=16), **options):  # noqa: B008
    spec = ModelSpec("t", 64, 32, labels=("a", "b"), palette=((0, 0, 0), (9, 9, 9)))
    group = (Group("g", classes(samples)),)
    return ClassPipeline(group, (), spec, output_stride=2, augment=augment, seed=3, **options)


@pytest.mark.parametrize("make", [binary_pipeline, class_pipeline])
def test_batches_do_not_depend_on_the_number_of_workers(samples, make):
    runs = [list(make(samples).batches(4, start=2, stop=6, workers=n)) for n in (1, 3)]
    for one, other in zip(*runs, strict=True):
        assert one.names == other.names
        np.testing.assert_array_equal(one.tensor, other.tensor)
        np.testing.assert_array_equal(one.truth, other.truth)
        np.testing.assert_array_equal(one.weight, other.weight)
    assert not np.array_equal(runs[0][0].tensor, runs[0][1].tensor)


@pytest.mark.parametrize("make", [binary_pipeline, class_pipeline])
def test_processes_make_the_batches_that_threads_make(samples, make):
    pipelines = (make(samples, processes=each) for each in (False, True))
    runs = [list(pipeline.batches(4, start=2, stop=9, workers=2)) for pipeline in pipelines]
    assert len(runs[1]) == 7
    for one, other in zip(*runs, strict=True):
        assert one.names == other.names
        for name in ("pixels", "labels", "weight", "tensor", "truth"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_an_error_in_a_process_names_its_file(samples):
    pipeline = binary_pipeline(samples, processes=True, augment=AugmentConfig(composite=0, paste=0))
    batches = pipeline.batches(2, start=0, stop=4, workers=1)
    next(batches)
    broken = samples[1].image
    fresh = dataclasses.replace(pipeline, _cache={})
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=broken.name):
        list(fresh.batches(8, start=0, stop=4, workers=1))


def test_a_tensor_on_the_device_is_that_of_the_batch(samples):
    batch = binary_pipeline(samples).batch(0, 3)
    scale, offset = channel_scale(batch.spec)
    assert batch.pixels.dtype == batch.labels.dtype == np.uint8
    np.testing.assert_allclose(batch.pixels * scale + offset, batch.tensor, atol=1e-6)
    assert batch.tensor[..., 3].max() == batch.truth.max() == 1


def test_training_and_inference_share_one_preprocessing(samples):
    pipeline = class_pipeline(samples, augment=STILL)
    tensor = pipeline.batch(0, 1).tensor
    pixels = (tensor[0] + 1) * 127.5
    rebuilt = pixels.round().astype(np.uint8)[..., ::-1]
    np.testing.assert_allclose(to_tensor(rebuilt, pipeline.spec), tensor, atol=1e-6)


def test_ignored_pixels_weigh_nothing_and_ids_stay_ids(samples):
    batch = class_pipeline(samples).batch(0, 4)
    assert batch.truth.shape == (4, 16, 32)
    assert set(np.unique(batch.truth)) == {0, 1, IGNORE}
    assert (batch.weight[batch.truth == IGNORE] == 0).all()
    assert (batch.weight[batch.truth != IGNORE] == 1).all()


def test_valid_padding_cuts_the_truth_at_the_margin(samples):
    whole = class_pipeline(samples, augment=STILL)
    cut = dataclasses.replace(whole, output_stride=1, margin=(4, 10))
    full = dataclasses.replace(whole, output_stride=1)
    np.testing.assert_array_equal(cut.class_example(1)[1], full.class_example(1)[1][4:-4, 10:-10])


@pytest.mark.parametrize("elastic", [0.0, 3.0])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_truth_is_that_of_the_middle_of_its_cell(tmp_path, stride, elastic):
    # White to the right of an edge, as the mask says: both have their edge at one place.
    mask = np.zeros((150, 150), np.uint8)
    mask[:, 70:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    cv2.imwrite(str(tmp_path / "image.png"), cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR))
    turned = dataclasses.replace(
        STILL, crop=(0.7, 1.3), rotation=20.0, elastic=elastic, elastic_grid=32
    )
    edge = (Sample(tmp_path / "image.png", tmp_path / "mask.png"),)
    pipeline = class_pipeline(edge, augment=turned)
    group = Group("g", (Labelled(edge[0].image, edge[0].mask, halves),))
    pipeline = dataclasses.replace(pipeline, groups=(group,), output_stride=stride)
    width = pipeline.spec.width
    moved = []
    for index in range(150):
        pixels, ids, _, _ = pipeline.class_example(index)
        moved.append((pixels[..., 0].mean() / 255 - ids.mean()) * width)
    assert np.mean(moved) == pytest.approx(0, abs=0.1)  # pixels of the input


def test_border_weights_follow_the_warp(samples):
    pipeline = class_pipeline(samples, border=BorderConfig("b", strength=0.0))
    _, ids, weight, _ = pipeline.class_example(0)
    inner = {float(np.median(weight[ids == value])) for value in (0, 1)}
    assert len(inner) == 2
    assert min(inner) > 0


def test_elastic_moves_by_the_asked_amount_and_keeps_ids():
    config = AugmentConfig(elastic=5.0, elastic_grid=32)
    maps = elastic_maps(np.random.default_rng(0), (256, 128), config)
    columns = np.arange(256, dtype=np.float32)[None].repeat(128, 0)
    moved = maps[0] - columns
    assert moved.shape == (128, 256)
    assert 2.5 < moved.std() < 6
    assert np.abs(np.diff(moved, axis=1)).max() < 1.5  # smooth
    labels = np.zeros((128, 256), np.uint8)
    labels[40:90, 50:200] = 7
    bent = deform(labels, maps, labels=True)
    assert set(np.unique(bent)) == {0, 7}
    assert not np.array_equal(bent, labels)


def test_thin_plate_goes_through_its_points():
    rng = np.random.default_rng(0)
    source = rng.uniform(0, 100, (9, 2))
    target = source + rng.uniform(-5, 5, (9, 2))
    np.testing.assert_allclose(thin_plate(source, target, source), target, atol=1e-6)
    # An affine motion of the points is an affine motion of everything.
    turned = source @ np.array([[0.9, 0.1], [-0.1, 1.1]]) + 3
    points = rng.uniform(0, 100, (20, 2))
    expected = points @ np.array([[0.9, 0.1], [-0.1, 1.1]]) + 3
    np.testing.assert_allclose(thin_plate(source, turned, points), expected, atol=1e-5)


def test_thin_plate_warp_moves_the_mask_forwards():
    mask = np.zeros((64, 80), np.uint8)
    mask[20:40, 30:50] = 255
    points = np.array([[0, 0], [79, 0], [0, 63], [79, 63], [40, 30]], float)
    moved = thin_plate_warp(mask, points, points + [6, -4])
    ys, xs = np.nonzero(moved > 127)
    assert (xs.mean(), ys.mean()) == pytest.approx((39.5 + 6, 29.5 - 4), abs=0.6)


def test_kinds_of_previous_mask():
    config = PreviousMaskConfig()
    rng = np.random.default_rng(0)
    drawn = [config.kind(draw) for draw in rng.random(4000)]
    for name in ("empty", "wrong", "eroded", "thin_plate", "camera", "stale"):
        assert drawn.count(name) / 4000 == pytest.approx(getattr(config, name), abs=0.03)
    assert "affine" in drawn
    mask = np.zeros((96, 96), np.uint8)
    cv2.circle(mask, (48, 48), 24, 255, -1)
    other = np.roll(mask, 30, axis=1)

    def overlap(kind):
        got = previous_mask(rng, mask, other, config, kind)
        assert got.shape == mask.shape
        assert got.dtype == np.uint8
        both = ((got > 127) & (mask > 127)).sum()
        return both / max(1, ((got > 127) | (mask > 127)).sum())

    assert overlap("empty") == 0
    assert overlap("camera") == 1
    assert np.array_equal(previous_mask(rng, mask, other, config, "wrong"), other)
    for kind in ("affine", "thin_plate"):
        scores = [overlap(kind) for _ in range(30)]
        assert max(scores) < 1
        assert np.mean(scores) > 0.7
    assert np.mean([overlap("stale") for _ in range(30)]) < np.mean(
        [overlap("affine") for _ in range(30)]
    )


def test_camera_motion_moves_image_and_truth_but_not_the_mask(samples):
    kinds = {"empty": 0.0, "wrong": 0.0, "eroded": 0.0, "thin_plate": 0.0, "stale": 0.0}
    moving = PreviousMaskConfig(camera=1.0, **kinds)
    pipeline = binary_pipeline(samples, augment=STILL, previous=moving, output_stride=1)
    batch = pipeline.batch(0, 1)
    tensor = batch.tensor[0]
    previous, truth = tensor[..., 3] > 0.5, batch.truth[0, ..., 0] > 0.5
    assert previous.any()
    assert not np.array_equal(previous, truth)
    # The bright disc is where the truth is, not where the previous mask is.
    brightness = tensor[..., :3].mean(axis=-1)
    assert brightness[truth].mean() > brightness[~truth].mean() + 0.5
    assert (previous & truth).sum() / (previous | truth).sum() > 0.4


def test_spin_turns_some_photos_by_any_angle():
    def angles(spin: float) -> np.ndarray:
        rng = np.random.default_rng(0)
        config = AugmentConfig(flip=0.0, rotation=0.0, aspect=1.0, crop=(1.0, 1.0), spin=spin)
        matrices = [warp_matrix(rng, (64, 64), (64, 64), config) for _ in range(400)]
        return np.array([np.arctan2(matrix[1, 0], matrix[0, 0]) for matrix in matrices])

    assert np.abs(angles(0.0)).max() < 1e-6
    some = angles(0.25)
    turned = some[np.abs(some) > 1e-6]
    assert 60 < len(turned) < 140
    assert np.histogram(turned, bins=4, range=(-np.pi, np.pi))[0].min() > 10


def test_the_emptiest_of_several_crops_is_taken(samples):
    spec = ModelSpec("t", 96, 64, scale=(1.0,) * 3, offset=(0.0,) * 3)
    augment = dataclasses.replace(STILL, crop=(0.3, 0.3))

    def batch(count):
        groups = (Group("g", samples, emptiest_of=count),)
        return Pipeline(groups, (), spec, output_stride=1, augment=augment, seed=3).batch(0, 24)

    one, eight = batch(1), batch(8)
    assert 0 < eight.truth.mean() < 0.4 * one.truth.mean()
    # What is left of the discs, which are brighter, is labelled.
    bright = eight.tensor.min(-1)
    assert bright[eight.truth[..., 0] == 1].min() > 115
    assert bright[eight.truth[..., 0] == 0].max() < 125


def test_hues_are_turned_where_asked_for(samples, tmp_path):
    cv2.imwrite(str(tmp_path / "thing.png"), np.full((64, 96, 3), (0, 0, 200), np.uint8))
    cv2.imwrite(str(tmp_path / "someone.png"), np.full((64, 96, 3), (0, 0, 200), np.uint8))
    thing = Sample(tmp_path / "thing.png", None)
    someone = Sample(tmp_path / "someone.png", samples[0].mask)
    spec = ModelSpec("t", 96, 64, scale=(1.0,) * 3, offset=(0.0,) * 3)

    def colours(sample, **hues):
        augment = dataclasses.replace(STILL, **hues)
        batch = Pipeline((Group("g", (sample,)),), (), spec, augment=augment).batch(0, 24)
        return batch.pixels[:, 32, 48].astype(int)

    for plain in (colours(thing, hue=1.0), colours(someone, hue_things=1.0)):
        assert (plain == (200, 0, 0)).all()
    for turned in (colours(thing, hue_things=1.0), colours(someone, hue=1.0)):
        # Every hue may come, of the same lightness and saturation.
        assert len(np.unique(turned, axis=0)) > 12
        assert set(np.argmax(turned, axis=1)) == {0, 1, 2}
        np.testing.assert_allclose(turned.max(1) + turned.min(1), 200, atol=4)
    some = (colours(thing, hue_things=0.5) != (200, 0, 0)).any(axis=1)
    assert 4 < some.sum() < 20


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (binary_pipeline, "elastic"),
        (class_pipeline, "hue"),
        (class_pipeline, "hue_things"),
        (class_pipeline, "things"),
        (class_pipeline, "cutouts"),
        (class_pipeline, "mosaic"),
        (class_pipeline, "mixup"),
    ],
)
def test_what_has_no_effect_on_the_samples_is_refused(samples, make, name):
    with pytest.raises(InputError, match=rf"augment\.{name}: got 0\.5 .* expected 0"):
        make(samples, augment=AugmentConfig(**{name: 0.5}))


@pytest.mark.parametrize("cache", [False, True])
def test_a_photo_without_a_mask_is_empty_each_time_that_it_is_read(tmp_path, cache):
    cv2.imwrite(str(tmp_path / "thing.png"), np.full((6, 9, 3), 7, np.uint8))
    thing = Sample(tmp_path / "thing.png", None)
    pipeline = binary_pipeline((thing,), cache=cache)
    for _ in range(2):
        image, mask = pipeline.read(thing)
        np.testing.assert_array_equal(image, np.full((6, 9, 3), 7))
        np.testing.assert_array_equal(mask, np.zeros((6, 9), np.uint8))


@pytest.mark.parametrize("cache", [False, True])
def test_photos_are_kept_in_memory_only_where_asked_for(tmp_path, cache):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((6, 9, 3), 7, np.uint8))
    sample = Sample(tmp_path / "a.png", None)
    pipeline = binary_pipeline((sample,), cache=cache)
    assert (pipeline.read(sample)[0] == 7).all()
    cv2.imwrite(str(sample.image), np.full((6, 9, 3), 8, np.uint8))
    assert (pipeline.read(sample)[0] == (7 if cache else 8)).all()


def test_groups_are_drawn_by_their_shares(samples):
    spec = ModelSpec("t", 64, 32)
    groups = (Group("often", samples[:1], share=3.0), Group("seldom", samples[1:], share=1.0))
    pipeline = Pipeline(groups, samples, spec, seed=3)
    rng = np.random.default_rng(0)
    drawn = [pipeline.draw(rng) for _ in range(2000)]
    assert all(sample in group.samples for group, sample in drawn)
    # Three of four, within four standard deviations of sqrt(2000 * 3/4 * 1/4) = 19.4.
    assert abs(sum(group is groups[0] for group, _ in drawn) - 1500) < 78
    assert {sample for _, sample in drawn} == set(samples)


@pytest.mark.parametrize("size", [(63, 32), (64, 31)])
def test_a_mosaic_of_an_odd_side_is_refused(samples, size):
    spec = ModelSpec("t", *size)
    with pytest.raises(InputError, match="augment.mosaic: got an input of .*expected even sizes"):
        Pipeline((Group("g", samples),), (), spec, seed=3, augment=AugmentConfig(mosaic=1.0))

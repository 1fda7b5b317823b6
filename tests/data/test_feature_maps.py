"""Maps go where the photo goes: cropped, mirrored, composited."""

import json

import cv2
import numpy as np
import pytest

from edgeseg.data.augment import AugmentConfig, warp, warp_matrix
from edgeseg.data.example import Example
from edgeseg.data.feature_maps import FeatureMaps
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.errors import InputError
from edgeseg.spec import ModelSpec

SIZE, GRID = (96, 64), (4, 6)


@pytest.fixture
def sample(tmp_path):
    """A photo whose blue rises from left to right and whose green from top to bottom."""
    image = np.zeros((80, 120, 3), np.uint8)
    image[..., 0] = np.linspace(0, 240, 120)
    image[..., 1] = np.linspace(0, 240, 80)[:, None]
    cv2.imwrite(str(tmp_path / "a.png"), image)
    mask = np.zeros((80, 120), np.uint8)
    mask[:, :60] = 255
    cv2.imwrite(str(tmp_path / "a_mask.png"), mask)
    return Sample(tmp_path / "a.png", tmp_path / "a_mask.png")


@pytest.fixture
def maps(sample, tmp_path):
    """A map that says the same as the photo, and a third channel of 100."""
    values = np.zeros((1, 9, 9, 3), np.uint8)
    values[0, ..., 0] = np.linspace(0, 240, 9)
    values[0, ..., 1] = np.linspace(0, 240, 9)[:, None]
    values[0, ..., 2] = 100
    folder = tmp_path / "maps"
    folder.mkdir()
    np.save(folder / "features.npy", values)
    index = {"scale": 0.5, "variance": 2.0, "images": ["a.png"]}
    (folder / "features.json").write_text(json.dumps(index))
    return FeatureMaps.load(folder, root=tmp_path).of([sample])


def test_a_map_follows_its_photo(sample, maps):
    image = sample.read_image()
    config = AugmentConfig(crop=(0.5, 1.4), rotation=20.0)
    for seed in range(20):
        matrix = warp_matrix(np.random.default_rng(seed), image.shape[:2], SIZE, config)
        moved = maps.warped(sample, matrix, image.shape[:2], SIZE, GRID)
        photo = warp(image, matrix, SIZE)
        seen = cv2.resize(photo, GRID[::-1], interpolation=cv2.INTER_AREA)
        assert moved.shape == (*GRID, 3)
        assert moved.dtype == np.uint8
        # At a mirrored border a cell's mean is not its middle.
        assert np.abs(moved[..., :2].astype(int) - seen[..., :2]).mean() < 6
        assert (moved[..., 2] == 100).all()


def test_a_composited_photo_has_the_features_of_both(sample, maps):
    spec = ModelSpec("t", *SIZE)
    group = (Group("g", (sample,)),)
    pipeline = Pipeline(group, (), spec, features=maps, feature_grid=GRID)
    example = pipeline.warped(np.random.default_rng(0), sample)
    left = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    left[:, : SIZE[0] // 2] = 255
    front = Example(example.image, left, np.full((*GRID, 3), 200, np.uint8))
    behind = Example(np.zeros_like(example.image), left, np.full((*GRID, 3), 10, np.uint8))
    both = front.over(behind, left)
    assert (both.features[:, :3] == 200).all()
    assert (both.features[:, 3:] == 10).all()


def test_batches_have_features_only_where_there_are_maps(sample, maps):
    spec = ModelSpec("t", *SIZE)
    group = (Group("g", (sample,)),)
    without = Pipeline(group, (sample,), spec, seed=3).batch(0, 4)
    batch = Pipeline(group, (sample,), spec, seed=3, features=maps, feature_grid=GRID).batch(0, 4)
    assert without.features is None
    assert batch.features.shape == (4, *GRID, 3)
    assert batch.features.dtype == np.uint8
    # The maps draw nothing: images and truth are those of a run without.
    np.testing.assert_array_equal(batch.tensor, without.tensor)
    np.testing.assert_array_equal(batch.truth, without.truth)


def test_a_mosaic_moves_photos_masks_and_features_alike(sample, maps):
    still = AugmentConfig(
        crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0,
        colour=0, saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0,
        paste=0, mosaic=1.0,
    )  # fmt: skip
    spec = ModelSpec("t", *SIZE, scale=(1.0,) * 3, offset=(0.0,) * 3)
    group = (Group("g", (sample,)),)
    options = {"augment": still, "features": maps, "feature_grid": GRID, "seed": 1}
    batch = Pipeline(group, (), spec, output_stride=1, **options).batch(0, 6)
    for tensor, truth, features in zip(batch.tensor, batch.truth, batch.features):
        # Blue says how far to the right in its photo a place is, and the left half is masked.
        right = tensor[..., 2] > 120 + 12
        left = tensor[..., 2] < 120 - 12
        assert truth[right].max() == 0
        assert truth[left].min() == 1
        # Every photo is there at half its size: four masked halves cover half of the whole.
        assert truth.mean() == pytest.approx(0.5, abs=0.06)
        seen = cv2.resize(tensor, GRID[::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(features[..., 0] - seen[..., 2]).mean() < 12
        assert np.abs(features[..., 1] - seen[..., 1]).mean() < 12
    moved = {tuple(truth[0, :, 0]) for truth in batch.truth}
    assert len(moved) > 1


def test_what_is_missing_is_named(sample, maps, tmp_path):
    with pytest.raises(InputError, match="other.png"):
        maps.of([sample, Sample(tmp_path / "other.png", None)])
    np.save(tmp_path / "maps/features.npy", np.zeros((2, 9, 9, 3), np.uint8))
    with pytest.raises(InputError, match="2 maps for 1 images"):
        FeatureMaps.load(tmp_path / "maps", root=tmp_path)
    with pytest.raises(InputError, match="edgeseg.training.features"):
        FeatureMaps.load(tmp_path / "nowhere", root=tmp_path)


@pytest.mark.parametrize("places", [(2, 2), (4, 6), (8, 12)])
def test_a_mosaic_moves_by_whole_places_of_any_grid(sample, maps, places):
    augment = AugmentConfig(mosaic=1.0)
    spec = ModelSpec("t", *SIZE)
    group = (Group("g", (sample,)),)
    options = {"augment": augment, "features": maps, "feature_grid": places}
    assert Pipeline(group, (), spec, **options).batch(0, 4).features.shape == (4, *places, 3)
    with pytest.raises(
        InputError, match=r"augment\.mosaic: got an input of 64x96, features on 3x3"
    ):
        Pipeline(group, (), spec, **{**options, "feature_grid": (3, 3)})

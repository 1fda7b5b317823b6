"""Samples of plain folders by their names."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.data.folder import TINGE, Sample, read_backgrounds, read_pairs, read_soft
from edgeseg.errors import InputError


@pytest.mark.parametrize(
    ("name", "family", "chosen"),
    [
        ("ccp_0001", "ccp", ("ccp",)),
        ("IMG1", "photos", ("photos", "IMG1")),
        ("00012", "photos", ("photos", "00012")),
        ("neg12", "photos", ("photos", "neg12")),
        ("IMG_20240101_1", "IMG", ("IMG",)),
    ],
)
def test_names_without_a_prefix_are_one_family(name, family, chosen):
    sample = Sample(Path(f"{name}.jpg"), None)
    assert sample.family == family
    assert all(sample.is_of([one]) for one in chosen)
    assert not sample.is_of(["neg", "other"])


@pytest.fixture
def pairs(tmp_path):
    """Photos of two families, one of each without a mask, and a negative."""
    for folder, names in (
        ("images", ("a_1.jpg", "a_2.jpg", "b_1.png", "b_2.png", "neg_1.png")),
        ("masks", ("a_1.png", "b_1.png")),
        ("better", ("a_1.png", "a_2.png")),
    ):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    return tmp_path


def masks(samples):
    return {s.name: s.mask and s.mask.relative_to(s.mask.parents[1]).as_posix() for s in samples}


def test_photos_without_a_mask_are_named_or_collected(pairs):
    with pytest.raises(InputError, match=r"a_2\.jpg: got no mask, expected .*masks.a_2\.png"):
        read_pairs(pairs)
    problems = []
    found = read_pairs(pairs, problems=problems)
    assert masks(found) == {"a_1": "masks/a_1.png", "b_1": "masks/b_1.png", "neg_1": None}
    assert [problem.path.name for problem in problems] == ["a_2.jpg", "b_2.png"]


def test_families_names_and_another_folder_of_masks_choose(pairs):
    found = read_pairs(pairs, masks=pairs / "better", families=["a"])
    assert masks(found) == {"a_1": "better/a_1.png", "a_2": "better/a_2.png"}
    found = read_pairs(pairs, leave_out=["a_2", "b_2", "neg_1"])
    assert masks(found) == {"a_1": "masks/a_1.png", "b_1": "masks/b_1.png"}
    found = read_pairs(pairs, families=["b", "neg"], negatives=["neg", "b"])
    assert masks(found) == {"b_1": "masks/b_1.png", "b_2": None, "neg_1": None}
    found = read_backgrounds(pairs / "images", leave_out=["a_2", "b_1"])
    assert masks(found) == {"a_1": None, "b_2": None, "neg_1": None}


def test_a_photo_without_a_mask_has_an_empty_one_of_its_size(tmp_path):
    cv2.imwrite(str(tmp_path / "neg_1.png"), np.full((6, 9, 3), 7, np.uint8))
    image, mask = Sample(tmp_path / "neg_1.png", None).read_pair()
    assert image.shape == (6, 9, 3)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.zeros((6, 9)))


def test_a_mask_of_another_size_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((6, 9, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((9, 6), 255, np.uint8))
    with pytest.raises(InputError, match="got a mask of 6x9, expected its image's 9x6"):
        Sample(tmp_path / "a.png", tmp_path / "mask.png").read_pair()


def test_a_tinge_is_no_colour(tmp_path):
    path = tmp_path / "mask.png"
    grey = np.full((2, 2, 3), 100, np.uint8)
    tinged, coloured = grey.copy(), grey.copy()
    tinged[0, 0, 2] += TINGE
    coloured[0, 0, 2] += TINGE + 1
    cv2.imwrite(str(path), tinged)
    # Of red three tenths count.
    np.testing.assert_array_equal(read_soft(path), [[100 + round(0.299 * TINGE), 100], [100, 100]])
    cv2.imwrite(str(path), coloured)
    with pytest.raises(InputError, match="got a mask in colours"):
        read_soft(path)

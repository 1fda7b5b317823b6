"""Photographs as they are read for calibration and verification."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from edgeseg.converters.pictures import PHOTO_SIDE, Picture, doubts, read_pictures, spared

from edgeseg.errors import InputError


def test_large_photographs_are_scaled_down_with_their_masks(tmp_path):
    image = np.zeros((2 * PHOTO_SIDE, 100), np.uint8)
    image[:PHOTO_SIDE] = 255
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), image)
    (scaled,) = read_pictures(tmp_path, limit=5)
    assert scaled.frame.shape == (PHOTO_SIDE, 50, 3)
    assert scaled.truth[: PHOTO_SIDE // 2].all()
    assert not scaled.truth[PHOTO_SIDE // 2 + 1 :].any()


def test_photographs_that_are_cut_off_are_refused(tmp_path, frames):
    path = tmp_path / "half.jpg"
    cv2.imwrite(str(path), frames[0])
    assert len(read_pictures(tmp_path, limit=1)) == 1
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"half\.jpg: got a JPEG that is cut off"):
        read_pictures(tmp_path, limit=1)


def numbered(folder, count):
    """A folder of images whose numbers are their names."""
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:02d}.png"), np.zeros((4, 4), np.uint8))
    return folder


@pytest.mark.parametrize(
    ("count", "limit", "kept"), [(10, 100, 8), (10, 5, 5), (12, 100, 9), (2, 9, 1), (1, 9, 1)]
)
def test_a_fifth_is_spared(tmp_path, count, limit, kept):
    assert spared(numbered(tmp_path / "photos", count), limit=limit) == kept


def test_photographs_to_avoid_are_taken_where_there_are_no_others(tmp_path):
    folder = numbered(tmp_path / "photos", 5)
    paths = [folder / f"{index:02d}.png" for index in range(5)]
    # Evenly spread, the first and the last among them.
    assert [picture.path for picture in read_pictures(folder, limit=3)] == paths[::2]
    assert [p.path for p in read_pictures(folder, limit=9, avoid=paths[1:4])] == paths[::4]
    assert [p.path for p in read_pictures(folder, limit=9, avoid=paths)] == paths


def test_what_makes_a_gate_say_little():
    frame = np.zeros((4, 4, 3), np.uint8)
    pictures = [Picture(Path(f"{index}.png"), frame) for index in range(30)]
    assert doubts(pictures[:20], pictures[20:]) == []
    (known,) = doubts(pictures[:20], pictures[17:])
    assert known.startswith("3 of the 13 images to verify on were calibrated on")
    (few,) = doubts(pictures[:20], pictures[21:])
    assert few.startswith("got 9 images to verify on, expected 10 or more")
    assert len(doubts(pictures[:20], pictures[19:21])) == 2


def test_foreground_is_more_than_half(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.uint8([[0, 127, 128, 255]]))
    (picture,) = read_pictures(tmp_path, limit=1)
    assert picture.truth.tolist() == [[False, False, True, True]]

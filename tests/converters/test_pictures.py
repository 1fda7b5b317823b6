"""Photographs as they are read for calibration and verification."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from edgeseg.converters.pictures import PHOTO_SIDE, read_pictures

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
    with pytest.raises(InputError, match=r"half\.jpg: got a truncated JPEG"):
        read_pictures(tmp_path, limit=1)

"""The sheet of failures: cases are chosen by the truth, and drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeseg.classical import METHODS, failures
from edgeseg.data.folder import read_pairs
from edgeseg.errors import InputError


def photo(folder, name, *, boxes, colour, back=(60, 160, 60)):
    """Write a picture with boxes (left, top, right, bottom) of a colour, and its mask."""
    image = np.full((60, 80, 3), back, np.uint8)
    mask = np.zeros((60, 80), np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = colour
        mask[top:bottom, left:right] = 255
    for part, pixels in (("images", image), ("masks", mask)):
        (folder / part).mkdir(exist_ok=True)
        if boxes or part == "images":
            cv2.imwrite(str(folder / part / f"{name}.png"), pixels)


@pytest.fixture
def folder(tmp_path):
    red = (40, 40, 200)
    photo(tmp_path, "a_middle", boxes=[(30, 20, 50, 50)], colour=red)
    photo(tmp_path, "a_side", boxes=[(60, 20, 75, 50)], colour=red)
    photo(tmp_path, "a_alike", boxes=[(30, 20, 50, 50)], colour=(60, 158, 62))
    photo(tmp_path, "a_pair", boxes=[(15, 20, 30, 50), (50, 20, 65, 50)], colour=red)
    photo(tmp_path, "a_large", boxes=[(4, 0, 76, 60)], colour=red)
    photo(tmp_path, "neg_nobody", boxes=[], colour=red)
    return tmp_path


def test_each_case_is_the_photo_that_breaks_the_assumption(folder):
    cases = {case.name: case for case in failures.choose(read_pairs(folder))}
    assert list(cases) == [*failures.ASSUMPTIONS, failures.NOBODY]
    truth = {sample.name: sample.read_mask() > 127 for sample in read_pairs(folder)}
    for name, expected in (
        ("foreground in the middle", "a_side"),
        ("foreground of another colour", "a_alike"),
        ("one piece", "a_pair"),
        ("background along the border", "a_large"),
        (failures.NOBODY, "neg_nobody"),
    ):
        assert (cases[name].truth == truth[expected]).all(), name


def test_sheet_has_a_row_per_case_and_a_column_per_method(folder, monkeypatch):
    asked = []
    for name in METHODS:
        answer = lambda image, name=name: asked.append(name) or np.zeros(image.shape[:2], bool)  # noqa: E731
        monkeypatch.setitem(METHODS, name, type(METHODS[name])(answer, ""))
    cases = failures.write_sheet(folder, folder / "out" / "sheet.png")
    picture = cv2.imread(str(folder / "out" / "sheet.png"))
    rows = 165 + failures.TEXT_HEIGHT
    assert picture.shape == (rows * len(cases), failures.CELL_WIDTH * (1 + len(METHODS)), 3)
    assert asked == list(METHODS) * len(cases)
    assert not list((folder / "out").glob(".*"))


def test_without_people_there_is_nothing_to_show(tmp_path):
    photo(tmp_path, "neg_nobody", boxes=[], colour=(0, 0, 0))
    with pytest.raises(InputError, match="foreground"):
        failures.choose(read_pairs(tmp_path))

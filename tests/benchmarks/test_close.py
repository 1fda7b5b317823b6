"""Close crops: where they are cut, what is left out, what is written."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from edgeseg.benchmarks import close
from edgeseg.benchmarks.accuracy import read_folders
from edgeseg.benchmarks.close import close_window, write_close
from typer.testing import CliRunner

from edgeseg.errors import InputError


def person(height, width, box):
    """A mask with a filled box (top, left, height, width)."""
    mask = np.zeros((height, width), np.uint8)
    top, left, tall, wide = box
    mask[top : top + tall, left : left + wide] = 255
    return mask


def test_of_somebody_who_stands_three_tenths_are_seen():
    rows, columns = close_window(person(400, 300, (40, 100, 300, 80)))
    # 90 of 300 rows, 14 above them; 104 rows and 125 columns around column 139.5.
    assert (rows.start, rows.stop) == (26, 130)
    assert (columns.start, columns.stop) == (77, 202)


def test_of_others_three_quarters():
    rows, columns = close_window(person(300, 300, (60, 0, 200, 150)))
    assert (rows.start, rows.stop) == (38, 210)
    assert (columns.start, columns.stop) == (0, 178)  # cut off at the photo's border


def test_the_largest_person_is_looked_at():
    mask = person(400, 400, (40, 20, 300, 80)) | person(400, 400, (100, 300, 100, 40))
    assert close_window(mask) == close_window(person(400, 400, (40, 20, 300, 80)))
    # The other one begins higher up, and is the first that is found.
    other = person(400, 400, (0, 300, 60, 60)) | person(400, 400, (90, 20, 300, 80))
    assert close_window(other) == close_window(person(400, 400, (90, 20, 300, 80)))


def test_foreground_begins_at_128():
    mask = person(400, 300, (40, 100, 300, 80))
    assert close_window(np.where(mask, 128, 127).astype(np.uint8)) == close_window(mask)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((300, 300), np.uint8),
        person(300, 300, (100, 100, 60, 30)),  # too few pixels
        person(400, 400, (10, 190, 300, 20)),  # a pole in the middle of nothing
    ],
)
def test_photos_without_a_close_view(mask):
    assert close_window(mask) is None


def test_a_folder_for_the_benchmark(tmp_path):
    source = tmp_path / "photos"
    for part in ("images", "masks"):
        (source / part).mkdir(parents=True)
    image = np.random.default_rng(0).integers(0, 255, (400, 300, 3), dtype=np.uint8)
    mask = person(400, 300, (40, 100, 300, 80))
    for name in ("ccp_1", "other_2", "neg_3"):
        cv2.imwrite(str(source / "images" / f"{name}.png"), image)
    for name in ("ccp_1", "other_2"):
        cv2.imwrite(str(source / "masks" / f"{name}.png"), mask)
    left = tmp_path / "close.part" / "images"  # by a run that was broken off
    left.mkdir(parents=True)
    (left / "close-old_9.png").write_bytes(b"half of")
    assert write_close(source, tmp_path / "all") == 2
    assert write_close(source, tmp_path / "close", families=("ccp",)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "close", "photos"]
    (sample,) = read_folders([tmp_path / "close"])
    assert (sample.name, sample.family) == ("close-ccp_1", "close-ccp")
    np.testing.assert_array_equal(sample.read_image(), image[26:130, 77:202])
    np.testing.assert_array_equal(sample.read_mask(), mask[26:130, 77:202])
    with pytest.raises(InputError, match="got a folder that exists"):
        write_close(source, tmp_path / "close")
    with pytest.raises(InputError, match="got no photo of somebody"):
        write_close(source, tmp_path / "none", families=("neg",))
    assert not list(tmp_path.glob("none*"))


def test_the_program_reads_its_options(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        close, "write_close", lambda *words, **options: calls.append((words, options))
    )
    app = typer.Typer()
    app.command()(close._command)
    result = CliRunner().invoke(app, ["photos", "-o", "new", "--family", "a", "--family", "b"])
    assert result.exit_code == 0, result.output
    assert calls == [((Path("photos"), Path("new")), {"families": ("a", "b")})]

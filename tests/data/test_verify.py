"""Bad files are found and named; the commands tell a user."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edgeseg.commands import dataset as command
from edgeseg.data.folder import Sample
from edgeseg.data.readers import read_dataset
from edgeseg.data.sheet import contact_sheet, overlay
from edgeseg.data.verify import find_problems, verify
from edgeseg.errors import EdgesegError, InputError

app = typer.Typer()
app.callback()(lambda: None)
command.register(app)


@pytest.fixture
def bad(tmp_path):
    """One good pair, and one of each kind of badness."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "labels.txt").write_text("ground 0 0 0\ndog 200 0 0\n")
    rng = np.random.default_rng(0)
    for name in ("good", "lonely", "other_size", "strange_id", "truncated", "no_mask_file"):
        image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"images/{name}.jpg"), image)
        mask = np.zeros((40, 60), np.uint8)
        mask[10:20] = 1
        cv2.imwrite(str(tmp_path / f"masks/{name}.png"), mask)
    (tmp_path / "masks/lonely.png").unlink()
    cv2.imwrite(str(tmp_path / "masks/other_size.png"), np.zeros((40, 59), np.uint8))
    cv2.imwrite(str(tmp_path / "masks/strange_id.png"), np.full((40, 60), 7, np.uint8))
    jpeg = (tmp_path / "images/truncated.jpg").read_bytes()
    (tmp_path / "images/truncated.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "masks/no_mask_file.png").write_bytes(b"")
    return tmp_path


def test_every_bad_file_is_named(bad):
    report = verify(read_dataset("auto", bad))
    text = "\n".join(map(str, report.problems))
    assert report.good == 1
    assert len(report.problems) == 5
    assert "lonely.jpg: got no mask" in text
    assert "other_size.jpg: got a mask of 59x40" in text
    assert "strange_id.png: got unknown class colours" in text
    assert "truncated.jpg: got a JPEG that is cut off" in text
    assert "no_mask_file.png: got an empty file" in text
    assert report.pixels == pytest.approx((0.75, 0.25))
    assert report.sizes == {(40, 60): 1}


def test_a_mask_of_a_photo_that_is_stored_turned_is_told_of_the_turn(bad):
    cv2.imwrite(str(bad / "masks/good.png"), np.zeros((60, 40), np.uint8))
    lines = [str(problem) for problem in verify(read_dataset("auto", bad)).problems]
    assert any(
        line.endswith("expected the image's 60x40, turned as its EXIF data say") for line in lines
    )
    assert any(line.endswith("expected the image's 60x40") for line in lines)


def test_the_balance_of_the_classes_by_hand(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "labels.txt").write_text("ground 0 0 0\ndog 200 0 0\ncat 0 200 0\nignore 9 9 9\n")
    colours = {0: (0, 0, 0), 1: (0, 0, 200), 9: (9, 9, 9)}  # BGR
    for name, rows in (("a", [[0, 0, 1, 9], [0, 0, 0, 9]]), ("b", [[0, 0, 0, 0], [0, 0, 0, 9]])):
        cv2.imwrite(str(tmp_path / f"images/{name}.png"), np.zeros((2, 4, 3), np.uint8))
        mask = np.uint8([[colours[value] for value in row] for row in rows])
        cv2.imwrite(str(tmp_path / f"masks/{name}.png"), mask)
    report = verify(read_dataset("folder", tmp_path))
    # 3 of 16 pixels do not count; 12 of the others are ground, one is a dog.
    assert report.ignored == pytest.approx(3 / 16)
    assert report.pixels == pytest.approx((12 / 13, 1 / 13, 0))
    assert report.images == (2, 1, 0)
    assert (report.good, report.sizes, report.problems) == (2, {(2, 4): 2}, ())


def test_ids_beyond_the_classes_are_named(data_root):
    samples = read_dataset("camvid", data_root / "seeds/camvid").samples[:2]
    problems = find_problems(samples, classes=5)
    assert "unknown class ids [5, 6, 8, 9]" in str(problems[samples[0].image])
    assert find_problems(samples, classes=11) == {}


@pytest.mark.parametrize(("values", "fails"), [((0, 2), True), ((0, 0), False), ((3, 200), False)])
def test_masks_of_numbers_are_no_soft_ones(tmp_path, values, fails):
    samples = []
    for index, value in enumerate(values):
        mask = np.zeros((8, 8), np.uint8)
        mask[:4] = value
        image, path = tmp_path / f"{index}.png", tmp_path / f"{index}_mask.png"
        cv2.imwrite(str(image), np.zeros((8, 8, 3), np.uint8))
        cv2.imwrite(str(path), mask)
        samples.append(Sample(image, path))
    if not fails:
        assert find_problems(samples, classes=None) == {}
        return
    with pytest.raises(InputError, match=r"values are 2 at most, expected 0 .* a labels\.txt"):
        find_problems(samples, classes=None)


@pytest.fixture
def numbered(tmp_path):
    """Two photos without a labels.txt, their masks 0 and 3."""
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 3
    for folder, values in (("images", np.full((8, 8, 3), 90, np.uint8)), ("masks", mask)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), values)
    return tmp_path


def test_binary_masks_that_all_are_numbers_are_a_problem(numbered):
    [problem] = verify(read_dataset("folder", numbered)).problems
    assert problem.path == numbered / "masks"
    assert problem.what.startswith("got masks whose values are 3 at most, expected 0 for the")
    with pytest.raises(InputError, match="values are 3 at most"):
        find_problems(read_dataset("folder", numbered).samples, classes=2)
    cv2.imwrite(str(numbered / "masks/a.png"), np.full((8, 8), 200, np.uint8))
    report = verify(read_dataset("folder", numbered))
    assert (report.problems, report.images) == ((), (1, 1))
    assert find_problems(read_dataset("folder", numbered).samples, classes=2) == {}


def test_a_sheet_that_cannot_be_written_is_an_error_and_leaves_the_one_before(numbered, tmp_path):
    cv2.imwrite(str(numbered / "images/a.png"), np.full((2000, 8, 3), 90, np.uint8))
    cv2.imwrite(str(numbered / "masks/a.png"), np.full((2000, 8), 255, np.uint8))
    sheet = tmp_path / "sheet.jpg"
    sheet.write_bytes(b"before")
    result = CliRunner().invoke(app, ["dataset", "show", str(numbered), "-o", str(sheet)])
    assert isinstance(result.exception, EdgesegError)
    assert "sheet.jpg: got '.jpg' for 640x" in str(result.exception)
    assert sheet.read_bytes() == b"before"
    assert not list(tmp_path.glob("*part*"))


def test_one_file_of_all_masks_is_not_read_for_each_image(data_root, monkeypatch):
    read, read_bytes = [], Path.read_bytes

    def noted(path):
        read.append(path.suffix)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", noted)
    samples = read_dataset("coco", data_root / "seeds/coco").samples[:3]
    assert find_problems(samples, classes=81) == {}
    assert read == [".jpg"] * 3


def test_verify_command(bad):
    result = CliRunner().invoke(app, ["dataset", "verify", str(bad)])
    assert "truncated.jpg: got a JPEG that is cut off" in result.output
    assert isinstance(result.exception, InputError)
    assert "5 bad of 6" in str(result.exception)


def test_what_is_passed_over_is_told_and_is_no_error(bad, tmp_path):
    for name in ("lonely", "other_size", "strange_id", "truncated", "no_mask_file"):
        (bad / f"images/{name}.jpg").unlink()
    image = cv2.imread(str(bad / "images/good.jpg"))
    assert read_dataset("auto", bad).notes[0].what.startswith("got 4 masks without an image")
    (bad / "images/more/deep").mkdir(parents=True)
    cv2.imwrite(str(bad / "images/more/deep/one.jpg"), image)
    cv2.imwrite(str(bad / "images/good.png"), image)
    result = CliRunner().invoke(app, ["dataset", "verify", str(bad)])
    assert result.exit_code == 0, result.output
    lines = " ".join(result.output.split())
    assert f"{bad}/images: got 1 images in folders of its own, the first" in lines
    assert "more/deep/one.jpg" in lines
    assert f"{bad}/masks: got 4 masks without an image, the first no_mask_file.png" in lines
    assert "got 2 images that share a name and with it a mask, the first good.jpg" in lines


def test_verify_and_show_of_real_data(data_root, tmp_path):
    folder = str(data_root / "seeds/camvid")
    assert CliRunner().invoke(app, ["dataset", "verify", folder]).exit_code == 0
    out = tmp_path / "new/sheet.png"
    result = CliRunner().invoke(app, ["dataset", "show", folder, "-o", str(out), "--count", "3"])
    assert result.exit_code == 0, result.output
    sheet = cv2.imread(str(out))
    assert sheet.shape[1] == 3 * 320
    dataset = read_dataset("camvid", folder)
    np.testing.assert_array_equal(sheet, contact_sheet(dataset, count=3))


def test_overlay_by_values():
    image = np.full((2, 10, 3), 100, np.uint8)
    labels = np.zeros((2, 10), np.uint8)
    labels[0, 0] = 1
    labels[1] = 255
    mixed = overlay(image, labels, [(0, 0, 0), (200, 0, 50)], share=0.5)
    assert tuple(mixed[0, 0]) == (75, 50, 150)
    assert (mixed[0, 1:] == 100).all()
    assert (mixed[1] == 255).all(axis=-1).any()

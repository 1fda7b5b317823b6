"""Every reader on a real sample in the original layout."""

import json
import sys

import cv2
import numpy as np
import pytest

from edgeseg.data import isbi, lgg
from edgeseg.data.coco import colours
from edgeseg.data.dataset import IGNORE, UNKNOWN
from edgeseg.data.folder import read_pairs
from edgeseg.data.readers import read_dataset
from edgeseg.errors import InputError, MissingExtra


def share(labels: np.ndarray, value: int) -> float:
    return float((labels == value).mean())


def test_isbi_in_numeric_order(data_root):
    dataset = read_dataset("auto", data_root / "seeds/isbi_membrane")
    assert [sample.name for sample in dataset.samples] == [str(i) for i in range(30)]
    assert dataset.labels == ("cell", "membrane")
    assert share(dataset.samples[0].read_labels(), 1) == pytest.approx(0.2193, abs=1e-4)


def test_camvid_ignores_void(data_root):
    train = read_dataset("auto", data_root / "seeds/camvid")
    val = read_dataset("camvid", data_root / "seeds/camvid", split="val")
    assert (len(train.samples), len(val.samples)) == (30, 24)
    labels = train.samples[0].read_labels()
    assert labels.shape == (360, 480)
    assert set(np.unique(labels)) <= {*range(11), IGNORE}
    assert share(labels, IGNORE) > 0
    # Street scenes have their sky at the top and their road at the bottom.
    assert share(labels[:100], 0) > 5 * share(labels[-100:], 0)
    assert share(labels[-100:], 3) > 0.2


def test_lgg_by_patient(data_root):
    everything = read_dataset("auto", data_root / "seeds/lgg")
    one = read_dataset("lgg", data_root / "seeds/lgg", split="TCGA_CS_4944")
    assert len(everything.samples) == 40
    assert len(one.samples) == 20
    assert one.samples[0].read_image().shape == (256, 256, 3)
    assert any(s.read_labels().max() == 1 for s in one.samples)


def test_cityscapes_agrees_with_its_own_training_ids(data_root):
    root = data_root / "seeds/cityscapes"
    dataset = read_dataset("auto", root, split="val")
    published = cv2.imread(
        str(next((root / "gtFine").rglob("*labelTrainIds.png"))), cv2.IMREAD_UNCHANGED
    )
    labels = dataset.samples[0].read_labels()
    # The sample's two files were scaled down apart from each other: thin things differ a little.
    assert (labels == published).mean() > 0.995
    assert set(np.unique(labels)) == set(np.unique(published))
    assert len(dataset.palette) == len(dataset.labels) == 19


def test_coco_person_subset_and_crowds(data_root):
    root = data_root / "seeds/coco"
    dataset = read_dataset("auto", root, classes=["person"])
    assert len(dataset.samples) == 32
    assert dataset.labels == ("background", "person")
    notes = json.loads((root / "annotations/instances_val2017.json").read_text())
    person = next(c["id"] for c in notes["categories"] if c["name"] == "person")
    by_name = {s.image.name: s for s in dataset.samples}
    crowds = 0
    for image in notes["images"]:
        mine = [
            a
            for a in notes["annotations"]
            if a["image_id"] == image["id"] and a["category_id"] == person
        ]
        labels = by_name[image["file_name"]].read_labels()
        assert labels.shape == (image["height"], image["width"])
        crowds += any(a["iscrowd"] for a in mine) and share(labels, IGNORE) > 0
        if not mine:
            assert (labels == 0).all()
        elif len(mine) == 1 and not mine[0]["iscrowd"]:
            # A rasterised polygon has about the area that the annotation states.
            assert (labels == 1).sum() == pytest.approx(mine[0]["area"], rel=0.1, abs=40)
    assert crowds > 0
    with pytest.raises(InputError, match="classes: got .'persons'."):
        read_dataset("coco", root, classes=["persons"])


def test_davis_in_both_layouts(data_root, tmp_path):
    dataset = read_dataset("auto", data_root / "video", split="tennis")
    names = [sample.name for sample in dataset.samples]
    assert names == sorted(names)
    assert 0 < share(dataset.samples[0].read_labels(), 1) < 0.5
    own = tmp_path / "JPEGImages/480p/bear"
    own.mkdir(parents=True)
    (tmp_path / "Annotations/480p/bear").mkdir(parents=True)
    cv2.imwrite(str(own / "00000.jpg"), np.zeros((8, 8, 3), np.uint8))
    mask = np.zeros((8, 8), np.uint8)
    mask[:2] = 255
    cv2.imwrite(str(tmp_path / "Annotations/480p/bear/00000.png"), mask)
    assert read_dataset("auto", tmp_path).samples[0].read_labels().sum() == 16


def test_person_folder_has_empty_masks_for_negatives(data_root):
    dataset = read_dataset("auto", data_root / "person/val")
    negatives = [s for s in dataset.samples if s.mask is None]
    assert (len(dataset.samples), len(negatives)) == (410, 120)
    assert negatives[0].read_labels().max() == 0


@pytest.fixture
def coloured(tmp_path):
    """images/ and masks/ with the colours of labels.txt; a pixel of the ignored colour."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "labels.txt").write_text(
        "# name red green blue\nground 0 0 0\nbig dog 128 0 0\ncat 0 128 0\nignore 224 224 192\n"
    )
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[0] = (128, 0, 0)
    rgb[1] = (0, 128, 0)
    rgb[2, 0] = (224, 224, 192)
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "masks/a.png"), rgb[..., ::-1])
    return tmp_path


EXPECTED = np.uint8([[1] * 4, [2] * 4, [IGNORE, 0, 0, 0], [0] * 4])


def test_folder_with_coloured_masks(coloured):
    dataset = read_dataset("auto", coloured)
    assert dataset.labels == ("ground", "big dog", "cat")
    np.testing.assert_array_equal(dataset.samples[0].read_labels(), EXPECTED)


def test_folder_with_ids_and_indexed_masks(coloured):
    cv2.imwrite(str(coloured / "masks/a.png"), EXPECTED)
    np.testing.assert_array_equal(read_dataset("auto", coloured).samples[0].read_labels(), EXPECTED)
    image = pytest.importorskip("PIL.Image").fromarray(EXPECTED)
    image.putpalette([v for i in range(256) for v in (i, 255 - i, i // 2)])
    image.save(coloured / "masks/a.png")
    np.testing.assert_array_equal(read_dataset("auto", coloured).samples[0].read_labels(), EXPECTED)


def test_folder_with_one_bright_class_in_its_colour(coloured):
    # Without blue and green in any mask, red is no plane of grey values; white is none of ignored.
    mask = np.zeros((4, 4, 3), np.uint8)
    mask[1:3] = (0, 0, 255)
    expected = np.repeat(np.uint8([0, 1, 1, 0]), 4).reshape(4, 4)
    for colour, stored in (("255 0 0", mask), ("255 255 255", mask[..., 2])):
        (coloured / "labels.txt").write_text(f"ground 0 0 0\nthing {colour}\n")
        cv2.imwrite(str(coloured / "masks/a.png"), stored)
        labels = read_dataset("auto", coloured).samples[0].read_labels()
        np.testing.assert_array_equal(labels, expected)
    # Beside numbers of classes 255 still does not count.
    numbers = np.uint8([[0, 1, 255, 255]])
    (coloured / "labels.txt").write_text("ground 0 0 0\nblue 0 0 255\nwhite 255 255 255\n")
    cv2.imwrite(str(coloured / "masks/a.png"), numbers)
    labels = read_dataset("auto", coloured).samples[0].read_labels()
    np.testing.assert_array_equal(labels, numbers)


HALF = np.repeat(np.uint8([0, 0, 255, 255]), 4).reshape(4, 4)
NOTHING = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.dstack([NOTHING, NOTHING, HALF]), "a mask in colours"),
        (np.dstack([HALF, NOTHING, NOTHING]), "a mask in colours"),
        (HALF.astype(np.uint16) * 257, "a mask of uint16, expected 8 bits"),
        (np.dstack([NOTHING, NOTHING, NOTHING, HALF]), "a mask in its transparency"),
    ],
)
def test_binary_masks_that_would_read_as_empty_are_refused(coloured, mask, message):
    (coloured / "labels.txt").unlink()
    cv2.imwrite(str(coloured / "masks/a.png"), mask)
    [labelled] = read_dataset("auto", coloured).samples
    [sample] = read_pairs(coloured)
    for read in (labelled.read_labels, sample.read_mask):
        with pytest.raises(InputError, match=message):
            read()
    opaque = np.dstack([HALF, HALF, HALF, np.full_like(HALF, 255)])
    cv2.imwrite(str(coloured / "masks/a.png"), opaque)
    np.testing.assert_array_equal(sample.read_mask(), HALF)
    np.testing.assert_array_equal(labelled.read_labels(), HALF // 255)


@pytest.mark.parametrize("decode", [isbi.decode, lgg.decode])
def test_masks_of_0_and_1_are_refused_by_every_reader_of_two_classes(tmp_path, decode):
    cv2.imwrite(str(tmp_path / "a.png"), HALF // 255)
    with pytest.raises(InputError, match="a mask of 0 and 1, expected 0"):
        decode(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.png"), HALF)
    assert decode(tmp_path / "a.png").sum() == 8


def test_files_as_cameras_and_desktops_leave_them(coloured):
    (coloured / "labels.txt").unlink()
    image = np.full((4, 4, 3), 90, np.uint8)
    cv2.imwrite(str(coloured / "images/b c.jpg"), image)
    (coloured / "images/b c.jpg").rename(coloured / "images/b c.JPG")
    cv2.imwrite(str(coloured / "masks/b c.png"), HALF)
    (coloured / "masks/b c.png").rename(coloured / "masks/b c.PNG")
    for name in ("images/._b c.JPG", "masks/._b c.png", "masks/Thumbs.db"):
        (coloured / name).write_bytes(b"\0\5\x16\7")
    for samples in (
        read_dataset("folder", coloured).samples,
        read_dataset("davis", coloured.parent, split=coloured.name).samples,
        read_pairs(coloured),
    ):
        [sample] = [sample for sample in samples if sample.name == "b c"]
        assert len(samples) == 2
        np.testing.assert_array_equal(sample.read_mask(), HALF)
    assert read_dataset("folder", coloured).notes == ()


def test_a_folder_of_splits_is_no_film(tmp_path):
    for split in ("train", "val"):
        for folder, value in (("images", 90), ("masks", 255)):
            (tmp_path / split / folder).mkdir(parents=True)
            cv2.imwrite(str(tmp_path / split / folder / "a.png"), np.full((8, 8), value, np.uint8))
    with pytest.raises(InputError, match="got the splits train, val, expected one of them as --sp"):
        read_dataset("auto", tmp_path)
    dataset = read_dataset("auto", tmp_path, split="val")
    assert (len(dataset.samples), dataset.labels) == (1, ("background", "foreground"))


def test_binary_masks_that_a_lossy_format_has_tinged_are_grey(coloured):
    (coloured / "labels.txt").unlink()
    cv2.imwrite(str(coloured / "masks/a.png"), np.dstack([HALF | 1, HALF, HALF]))
    [labelled] = read_dataset("auto", coloured).samples
    [sample] = read_pairs(coloured)
    np.testing.assert_array_equal(sample.read_mask(), HALF)
    np.testing.assert_array_equal(labelled.read_labels(), HALF // 255)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gr\u00fcn 0 0 0\n".encode("latin-1"), "labels.txt: got no text in UTF-8"),
        (b"a 0 0 0\na 1 0 0\n", "labels.txt:2: got 'a 1 0 0' after a class of that name or colour"),
        (b"a 0 0 0\nb 0 0 0\n", "labels.txt:2: got 'b 0 0 0' after a class of that name or colour"),
        (
            b"".join(b"c%d %d 0 %d\n" % (i, i % 256, i // 256) for i in range(255)),
            "labels.txt: got 255 classes, expected at most 254",
        ),
    ],
)
def test_labels_that_cannot_be_are_named(coloured, text, message):
    (coloured / "labels.txt").write_bytes(text)
    with pytest.raises(InputError, match=message):
        read_dataset("auto", coloured)


def test_coco_draws_smaller_things_over_larger_ones_and_both_over_crowds(tmp_path):
    def box(left, top, width, height):
        right, bottom = left + width, top + height
        return [[left, top, right, top, right, bottom, left, bottom]]

    annotations = [
        # Columns 6 to 11 are a crowd: run lengths go down the columns.
        {"segmentation": {"size": [8, 12], "counts": [48, 48]}, "iscrowd": 1, "category_id": 1},
        {"segmentation": box(2, 2, 2, 2), "area": 4, "category_id": 3},
        {"segmentation": box(0, 0, 8, 6), "area": 48, "category_id": 1},
        {"segmentation": box(9, 7, 1, 1), "area": 1, "category_id": 2},
    ]
    numbers = {"image_id": 5, "iscrowd": 0, "area": 48, "bbox": [0, 0, 1, 1]}
    content = {
        "images": [
            {"id": number, "file_name": f"{name}.png", "height": 8, "width": 12}
            for number, name in ((5, "a"), (6, "missing"))
        ],
        "annotations": [{"id": n, **numbers, **a} for n, a in enumerate(annotations, 1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "cup"), 1)],
    }
    for name in ("annotations", "val2017"):
        (tmp_path / name).mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text(json.dumps(content))
    cv2.imwrite(str(tmp_path / "val2017/a.png"), np.zeros((8, 12, 3), np.uint8))
    expected = np.zeros((8, 12), int)
    expected[:, 6:] = IGNORE
    expected[:6, :8] = 1
    expected[2:4, 2:4] = 2
    # What is not kept is background, except in a crowd.
    dataset = read_dataset("coco", tmp_path, classes=["cat", "cup"])
    assert dataset.labels == ("background", "cat", "cup")
    np.testing.assert_array_equal(dataset.samples[0].read_labels(), expected)
    (problem,) = dataset.problems
    assert problem.path.name == "missing.png"


def test_cocos_colours_are_apart():
    found = colours(81)
    assert found[0] == (0, 0, 0)
    # Hue 0, three quarters saturated, of value 0.95: 242 and a quarter of it.
    assert found[1] == (242, 61, 61)
    # Of every nine, three are of value 0.7 and three of 0.45.
    assert [max(colour) for colour in found[1:11]] == [242] * 3 + [178] * 3 + [115] * 3 + [242]
    assert len(set(found)) == 81


def test_numbers_of_classes_go_up_to_the_last(coloured):
    """Of three classes 2 is one, 3 is none; nor is a colour that no line has."""
    numbers = np.uint8([[0, 1, 2, 255]])
    cv2.imwrite(str(coloured / "masks/a.png"), numbers)
    sample = read_dataset("auto", coloured).samples[0]
    np.testing.assert_array_equal(sample.read_labels(), numbers)
    cv2.imwrite(str(coloured / "masks/a.png"), np.uint8([[1, 2, 3, 0]]))
    assert (sample.read_labels()[0, :3] == UNKNOWN).all(), "these are greys, not numbers"
    rgb = np.uint8([[[128, 0, 0], [128, 0, 1]]])
    cv2.imwrite(str(coloured / "masks/a.png"), rgb[..., ::-1])
    assert sample.read_labels().tolist() == [[1, UNKNOWN]]


@pytest.mark.parametrize("line", ["dog 1 2", "dog 1 2 256", "dog 1 2 -3", "dog a 2 3"])
def test_a_line_that_names_no_colour_is_refused(coloured, line):
    (coloured / "labels.txt").write_text(f"ground 0 0 0\n{line}\n")
    with pytest.raises(InputError, match=rf"labels.txt:2: got '{line}', expected NAME RED GREEN"):
        read_dataset("auto", coloured)


def test_coco_names_the_smaller_extra_that_it_needs(data_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(MissingExtra, match=r'pip install "edgeseg\[benchmark\]"'):
        read_dataset("coco", data_root / "seeds/coco")


def test_a_split_alone_is_told_where_its_classes_are(coloured):
    split = coloured / "val"
    split.mkdir()
    for folder in ("images", "masks"):
        (coloured / folder).rename(split / folder)
    with pytest.raises(InputError, match=f"expected the data set {coloured}, its split val"):
        read_dataset("auto", split)
    assert len(read_dataset("auto", coloured, split="val").labels) > 2


def test_unknown_layout_and_kind(tmp_path):
    with pytest.raises(InputError, match="no layout that is known"):
        read_dataset("auto", tmp_path)
    with pytest.raises(InputError, match="got 'voc', expected one of folder"):
        read_dataset("voc", tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_dataset("auto", tmp_path / "nowhere")

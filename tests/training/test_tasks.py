"""What a task gives the loop: here a truth that is larger than the network's mask."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import cv2
import keras
import numpy as np
import pytest

from edgeseg.data.augment import AugmentConfig
from edgeseg.errors import InputError
from edgeseg.training.config import LossConfig, TrainConfig
from edgeseg.training.config_file import build
from edgeseg.training.sources import make_network
from edgeseg.training.tasks import make_task

PLAIN = {"encoder": "plain"}
NETWORK = {"name": "hourglass", "output_stride": 4, "decoder_channels": [8] * 4, "options": PLAIN}


@pytest.fixture
def halves(tmp_path, write_pairs) -> TrainConfig:
    """Photos whose right half is what is looked for, shown as they are."""

    def draw(index):
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 32:] = 255
        return cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), mask

    write_pairs(tmp_path, {"train": 3, "val": 1}, draw)
    values = {
        "name": "halves",
        "model": NETWORK,
        "data": {"root": ".", "validation": "val", "groups": [{"folder": "train"}]},
        "stages": [{"steps": 1, "size": [64, 64], "batch": 2, "crop": [1.0, 1.0]}],
    }
    config = build(TrainConfig, values, where="test")
    still = AugmentConfig(aspect=1.0, rotation=0.0, composite=0.0, paste=0.0)
    return dataclasses.replace(config, data=dataclasses.replace(config.data, augment=still))


@pytest.mark.parametrize(("enlarge", "side"), [(1, 16), (2, 32), (4, 64)])
def test_the_truth_is_enlarged_and_the_loss_takes_it(halves, tmp_path, enlarge, side):
    config = dataclasses.replace(halves, loss=LossConfig(enlarge=enlarge))
    task = make_task(config, tmp_path)
    network = make_network(keras, config, (64, 64))
    batch = task.pipeline(config.stages[0], network).batch(0, 2)
    assert batch.truth.shape == (2, side, side, 1)
    assert 0.3 < batch.truth.mean() < 0.7
    logits = np.zeros((2, 16, 16, 1), np.float32)
    parts = task.loss(keras.ops, logits, batch.truth, batch.weight)
    assert float(parts["cross_entropy"]) == pytest.approx(np.log(2), rel=1e-5)


@pytest.mark.parametrize("enlarge", [3, 8])
def test_a_truth_finer_than_the_image_is_refused(halves, tmp_path, enlarge):
    config = dataclasses.replace(halves, loss=LossConfig(enlarge=enlarge))
    task = make_task(config, tmp_path)
    network = make_network(keras, config, (64, 64))
    with pytest.raises(InputError, match=rf"loss\.enlarge: got {enlarge} for a mask at 1/4"):
        task.pipeline(config.stages[0], network)


def test_several_classes_cannot_be_enlarged(halves, tmp_path):
    data = dataclasses.replace(halves.data, reader="folder")
    config = dataclasses.replace(halves, data=data, loss=LossConfig(enlarge=2))
    with pytest.raises(InputError, match=r"loss\.enlarge with a reader"):
        make_task(config, tmp_path)


def test_a_group_may_show_what_stands_around(halves, tmp_path):
    crop = dataclasses.replace(halves.stages[0], crop=(0.3, 0.3))
    network = make_network(keras, halves, (64, 64))

    def seen(count):
        group = dataclasses.replace(halves.data.groups[0], emptiest_of=count)
        data = dataclasses.replace(halves.data, groups=(group,))
        task = make_task(dataclasses.replace(halves, data=data), tmp_path)
        return task.pipeline(crop, network).batch(0, 16).truth.mean()

    assert seen(1) > 0.25
    assert seen(8) < 0.05
    with pytest.raises(InputError, match="emptiest_of: got 0, expected 1 or more"):
        seen(0)


def test_several_classes_have_nothing_around_them(halves, tmp_path):
    group = dataclasses.replace(halves.data.groups[0], emptiest_of=4)
    data = dataclasses.replace(halves.data, groups=(group,), reader="folder")
    with pytest.raises(InputError, match="emptiest_of with a reader"):
        make_task(dataclasses.replace(halves, data=data), tmp_path)


BINARY_ALONE = {
    "data.backgrounds": {"data": {"backgrounds": "."}},
    "model.previous_mask": {"model": {"previous_mask": True}},
    "labels": {"data": {"groups": [{"folder": "train", "labels": "x"}]}},
    "taught": {"data": {"groups": [{"folder": "train", "taught": 0.5}]}},
    "shift": {"data": {"groups": [{"folder": "train", "shift": 0.5}]}},
    "masks = false": {"data": {"groups": [{"folder": "train", "masks": False}]}},
}
CLASSES_ALONE = {
    "data.holdout": {"data": {"holdout": 0.2}},
    "data.tile": {"data": {"tile": True}},
    "data.classes": {"data": {"classes": ["person"]}},
    "data.border.foreground": {"data": {"border": {"foreground": "person"}}},
    "model.classes": {"model": {"classes": 3}},
    "loss.class_weights": {"loss": {"class_weights": [1.0, 2.0]}},
}


def changed(config, tables, **data):
    """The configuration with other values in its tables, `data` among them."""
    values = dataclasses.asdict(config)
    values["data"] |= data
    for table, new in tables.items():
        values[table] = values[table] | new if isinstance(new, dict) else new
    return build(TrainConfig, values, where="test")


@pytest.mark.parametrize("option", CLASSES_ALONE)
def test_binary_masks_take_nothing_that_is_for_classes(halves, tmp_path, option):
    config = changed(halves, CLASSES_ALONE[option])
    with pytest.raises(InputError, match=f"got {option} without data.reader"):
        make_task(config, tmp_path)


@pytest.mark.parametrize("option", BINARY_ALONE)
def test_classes_take_nothing_that_is_for_binary_masks(halves, shapes, option):
    config = changed(halves, BINARY_ALONE[option], reader="folder", root=str(shapes))
    with pytest.raises(InputError, match=f"got {option} with a reader"):
        make_task(config, shapes)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"loss": {"class_weights": [2.0]}}, "class_weights: got 1, expected one for each of gro"),
        ({"data": {"border": {"foreground": "x"}}}, "foreground: got 'x', expected one of ground"),
    ],
)
def test_what_names_the_classes_fits_them(halves, shapes, tables, message):
    config = changed(halves, tables, reader="folder", root=str(shapes))
    with pytest.raises(InputError, match=message):
        make_task(config, shapes)


def test_what_validates_is_not_trained_on(halves, shapes, tmp_path):
    config = changed(halves, {}, validation="train")
    with pytest.raises(InputError, match="of which 3 of 3 images are trained on as well"):
        make_task(config, tmp_path)
    # A split that is part of another one, as patients are of all patients.
    for patient in ("TCGA_A", "TCGA_B"):
        (tmp_path / patient).mkdir()
        for name in ("1.tif", "1_mask.tif"):
            cv2.imwrite(str(tmp_path / patient / name), np.zeros((8, 8), np.uint8))
    lgg = {"reader": "lgg", "groups": [{"folder": "TCGA"}], "validation": "TCGA_B"}
    with pytest.raises(InputError, match="of which 1 of 1 images are trained on as well"):
        make_task(changed(halves, {}, **lgg), tmp_path)


@pytest.mark.parametrize(
    ("reader", "side", "output"),
    # 60 is 3 times 20: valid padding all the same.
    [("", 60, 20), ("folder", 60, 20), ("folder", 52, 12)],
)
def test_a_network_that_leaves_out_borders_is_asked_tile_by_tile(
    halves, shapes, tmp_path, reader, side, output
):
    root = shapes if reader else tmp_path
    options = {"channels": 2, "depth": 2, "padding": "valid"}
    stages = [{"steps": 1, "size": [side, side], "batch": 2}]
    tables = {"model": {"name": "unet", "options": options}, "stages": stages}
    config = changed(halves, tables, reader=reader, root=str(root))
    task = make_task(config, root)
    network = make_network(keras, task.config, (side, side))
    with pytest.raises(InputError, match=f"got an output of {output}x{output} for an input of"):
        task.pipeline(config.stages[0], network)
    if reader:
        task = make_task(changed(config, {}, tile=True), root)
        batch = task.pipeline(config.stages[0], network).batch(0, 2)
        assert batch.truth.shape == (2, output, output)


def test_an_option_that_the_model_has_itself_is_refused(halves):
    config = changed(halves, {"model": {"options": {**PLAIN, "width": 0.35}}})
    with pytest.raises(InputError, match=r"model\.options: got \['width'\]"):
        make_network(keras, config, (64, 64))


def test_images_that_are_left_out_are_not_trained_on(halves, shapes, tmp_path):
    for name in ("room", "copy"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((8, 8, 3), np.uint8))
    data = dataclasses.replace(halves.data, backgrounds=".", leave_out=("1", "copy"))
    task = make_task(dataclasses.replace(halves, data=data), tmp_path)
    assert {sample.name for sample in task.trained()} == {"0", "2", "room"}
    several = dataclasses.replace(
        data, reader="folder", root=str(shapes), leave_out=("1", "3"), backgrounds=""
    )
    task = make_task(dataclasses.replace(halves, data=several), tmp_path)
    assert [sample.image.stem for sample in task.groups[0].samples] == list("02456789")


@pytest.mark.parametrize(
    ("validation", "validates"), [("train", ["7", "8", "9"]), ("val", ["0", "1", "2", "3"])]
)
def test_the_last_share_of_a_split_is_held_out(halves, shapes, validation, validates):
    held = {"reader": "folder", "root": str(shapes), "holdout": 0.3, "validation": validation}
    task = make_task(changed(halves, {}, **held), shapes)
    assert [sample.image.stem for sample in task.groups[0].samples] == list("0123456")
    assert [sample.image.stem for sample in task.validation] == validates
    assert {sample.image.parent.parent.name for sample in task.validation} == {validation}


@pytest.mark.parametrize(
    ("holdout", "message"),
    [(0.0, "got no validation samples; set data.holdout"), (1.0, "got no samples to train on")],
)
def test_one_split_needs_a_share_for_each_of_its_uses(halves, shapes, holdout, message):
    held = {"reader": "folder", "root": str(shapes), "validation": "train", "holdout": holdout}
    with pytest.raises(InputError, match=message):
        make_task(changed(halves, {}, **held), shapes)

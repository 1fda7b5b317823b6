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


@pytest.mark.parametrize("enlarge", [0, 3, 8])
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


def test_images_that_are_left_out_are_not_trained_on(halves, shapes, tmp_path):
    for name in ("room", "copy"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((8, 8, 3), np.uint8))
    data = dataclasses.replace(halves.data, backgrounds=".", leave_out=("1", "copy"))
    task = make_task(dataclasses.replace(halves, data=data), tmp_path)
    assert {sample.name for sample in task.trained()} == {"0", "2", "room"}
    several = dataclasses.replace(data, reader="folder", root=str(shapes), leave_out=("1", "3"))
    task = make_task(dataclasses.replace(halves, data=several), tmp_path)
    assert [sample.image.stem for sample in task.groups[0].samples] == list("02456789")

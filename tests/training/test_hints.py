"""A trained network's inner answers as a further target of a run."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import csv
import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.weights import get_weights, save_arrays
from edgeseg.training.config_file import load_config
from edgeseg.training.hints import hinting_network, make_hint_loss
from edgeseg.training.loop import Trainer
from edgeseg.training.sources import make_network
from edgeseg.training.tasks import make_task

QUIET = Console(quiet=True)


CONFIG = """
name = "hinted"
seed = 4
validate_every = 20
tensorboard = false
[model]
width = 0.35
output_stride = 4
decoder_channels = [12, 10, 8, 8]
options = {encoder = "fused_entry", expansion = 2}
[data]
root = "."
validation = "val"
groups = [{folder = "train"}]
[hints]
weights = "trained.npz"
options = {encoder = "dense_entry"}
layers = ["decoder16_skip", "logits"]
weight = 0.5
[optimizer]
warmup = 3
average = 0.9
[[stages]]
size = [64, 64]
batch = 4
rate = [1e-2, 1e-3]
steps = 60
"""


CLASSES = """
name = "classes"
tensorboard = false
validate_every = 6
[model]
name = "unet"
options = {{channels = 4, depth = 2, padding = "same", dropout = 0.0}}
[data]
root = "{root}"
reader = "folder"
validation = "val"
groups = [{{folder = "train"}}]
[hints]
weights = "unet.npz"
layers = ["logits"]
[[stages]]
size = [32, 32]
batch = 4
steps = 24
rate = [1e-3, 1e-3]
[optimizer]
warmup = 1
encoder_scale = 0.0
"""


@pytest.fixture
def config(tmp_path, write_discs):
    """A small hourglass on bright discs, which gets hints from one with another encoder."""
    write_discs(tmp_path, 64)
    (tmp_path / "hinted.toml").write_text(CONFIG)
    made = load_config(tmp_path / "hinted.toml")
    keras.utils.set_random_seed(11)
    save_arrays(get_weights(make_network(keras, other(made), (64, 64))), tmp_path / "trained.npz")
    return made


def other(config):
    options = {**config.model.options, **config.hints.options}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, options=options))


def run(config, root, folder="run"):
    Trainer(config, root / folder, root=root).run(console=QUIET)
    return rows_of(root / folder)


def rows_of(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_loss_is_the_share_of_the_variance_that_is_left(config, tmp_path):
    model = make_network(keras, config, (64, 64))
    pipeline = make_task(config, tmp_path).pipeline(config.stages[0], model)
    loss = make_hint_loss(keras, config, model, pipeline, tmp_path)
    network = hinting_network(keras, config, (64, 64), tmp_path)
    tensor = pipeline.batch(0, 48).tensor  # what the variance is measured on
    right = list(map(np.asarray, network(tensor, training=False)))
    ones = np.ones(48, np.float32)
    assert float(loss(right, tensor, ones)) == pytest.approx(0, abs=1e-6)
    # Of a layer that answers with each channel's mean, everything is left.
    means = [np.broadcast_to(a.mean((0, 1, 2)), a.shape).astype(np.float32) for a in right]
    assert float(loss([means[0], right[1]], tensor, ones)) == pytest.approx(1, rel=1e-3)
    assert float(loss(means, tensor, ones)) == pytest.approx(2, rel=1e-3)
    # An image that does not count may answer anything.
    wrong = [answer.copy() for answer in right]
    wrong[0][5] += 100
    without = ones.copy()
    without[5] = 0
    assert float(loss(wrong, tensor, without)) == pytest.approx(0, abs=1e-6)
    # Weights of pixels are added up: here three of four images do not count.
    few = np.zeros((48, 2, 3), np.float32)
    few[::4] = 0.5
    only = [answer.copy() for answer in right]
    only[0][::4] = means[0][::4]
    expected = float(loss(only, tensor, few[:, 0, 0]))
    assert float(loss(only, tensor, few)) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.5


def test_hints_are_followed_and_are_part_of_the_loss(config, tmp_path):
    rows = run(config, tmp_path)
    left = [float(row["hints"]) for row in rows]
    assert left[-1] < 0.7 * left[0]
    for row in rows:
        masks = float(row["cross_entropy"]) + 0.5 * float(row["jaccard"])
        assert float(row["loss"]) == pytest.approx(masks + 0.5 * float(row["hints"]), rel=1e-4)
    with np.load(tmp_path / "run/weights.npz") as weights:
        assert set(weights) == set(get_weights(make_network(keras, config, (64, 64))))


def test_several_devices_share_hints_alone(config, tmp_path):
    text = CONFIG.replace("steps = 60", "steps = 4").replace("_every = 20", "_every = 2")
    # No mask counts here.
    text += "[loss]\ncross_entropy = 0.0\njaccard = 0.0\n"
    (tmp_path / "short.toml").write_text(text)
    alone = run(load_config(tmp_path / "short.toml"), tmp_path, "alone")
    # In a process of its own: devices are split before a backend is first used.
    words = ["train", str(tmp_path / "short.toml"), "-o", str(tmp_path / "two"), "--devices", "2"]
    script = "from edgeseg.cli import main; main()"
    subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True)
    for one, two in zip(alone, rows_of(tmp_path / "two"), strict=True):
        assert float(one["loss"]) == pytest.approx(0.5 * float(one["hints"]), rel=1e-4)
        assert float(two["hints"]) == pytest.approx(float(one["hints"]), rel=1e-3)


def test_several_classes_and_few_bits_can_have_hints(shapes, tmp_path):
    text = CLASSES.format(root=shapes)
    (tmp_path / "classes.toml").write_text(text)
    made = make_task(load_config(tmp_path / "classes.toml"), tmp_path).config
    network = make_network(keras, made, (32, 32))
    save_arrays(get_weights(network), tmp_path / "unet.npz")
    # The network that hints starts as the one that learns: at first nothing is left.
    started = dataclasses.replace(made, model=dataclasses.replace(made.model, init="unet.npz"))
    assert float(run(started, tmp_path, "same")[0]["hints"]) < 0.01
    rows = run(dataclasses.replace(made, mixed_precision=True), tmp_path, "other")
    assert float(rows[-1]["hints"]) < 0.9 * float(rows[0]["hints"])


def hints(config, **changes):
    return dataclasses.replace(config, hints=dataclasses.replace(config.hints, **changes))


def test_what_cannot_hint_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="'nowhere', expected layers of hourglass"):
        run(hints(config, layers=("nowhere",)), tmp_path)
    with pytest.raises(InputError, match=r"hints\.layers: got none, expected layers"):
        run(hints(config, layers=()), tmp_path)
    with pytest.raises(InputError, match="hints.weights: trained.npz: got no entry8"):
        run(hints(config, options={}), tmp_path)
    # Before anything is read or started.
    absent = hints(config, weights="absent.npz")
    with pytest.raises(InputError, match=r"hints\.weights: got no such file .*absent\.npz"):
        Trainer(absent, tmp_path / "absent", root=tmp_path)
    # Of another width in the trained network.
    wider = hints(config, options={"encoder": "dense_entry", "expansion": 3}, weights="wide.npz")
    keras.utils.set_random_seed(2)
    save_arrays(get_weights(make_network(keras, other(wider), (64, 64))), tmp_path / "wide.npz")
    with pytest.raises(InputError, match=r"block06_expand \(8, 8, 24\), expected \(8, 8, 36\)"):
        run(hints(wider, layers=("block06_expand",)), tmp_path)

"""Previous masks that the network has answered itself: what it sees, what becomes of it, runs."""

import os
import signal
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import cv2
import keras
import numpy as np
import pytest
from rich.console import Console

from edgeseg.data.previous_mask import PreviousMaskConfig
from edgeseg.errors import InputError
from edgeseg.training import loop
from edgeseg.training.config import ModelConfig, TrainConfig
from edgeseg.training.config_file import load_config
from edgeseg.training.data_config import DataConfig
from edgeseg.training.feedback import feeder, with_own_answers
from edgeseg.training.loop import Trainer
from edgeseg.training.stopping import Stopped

STILL = {"shift": 0.0, "scale": 0.0, "rotation": 0.0}
CONFIG = """
name = "fed"
checkpoint_every = 3
validate_every = 8
[model]
width = 0.35
output_stride = 4
decoder_channels = [8, 8, 8, 8]
previous_mask = true
[model.options]
encoder = "dense_entry"
previous_mask_at = "decoder"
[data]
root = "."
validation = "val"
[data.previous_mask]
own = 0.7
own_frames = 2
[[data.groups]]
folder = "train"
[[stages]]
steps = 8
size = [32, 64]
batch = 4
"""


class Network:
    """Answers a fifth more than the mask it is given, at half the size; keeps what it has seen."""

    def __init__(self):
        self.seen = []

    def __call__(self, tensor):
        self.seen.append(tensor.copy())
        return (
            tensor[:, ::2, ::2, -1:] * 0 + tensor[..., -1].mean((1, 2))[:, None, None, None] + 0.2
        )


@pytest.fixture
def tensor():
    """Six images of noise, blurred, with 0.9 as their previous mask."""
    noise = np.random.default_rng(3).uniform(-1, 1, (6, 32, 48, 3)).astype(np.float32)
    images = [cv2.GaussianBlur(image, (0, 0), 3) for image in noise]
    return np.concatenate([np.stack(images), np.full((6, 32, 48, 1), 0.9, np.float32)], axis=-1)


def test_the_last_of_several_answers_becomes_the_mask(tensor):
    counts = set()
    for seed in range(12):
        network = Network()
        config = PreviousMaskConfig(own=1.0, own_frames=3, **STILL)
        fed = with_own_answers(tensor, network, config, seed=(seed,))
        counts.add(len(network.seen))
        # The first frame of a video has none, the next ones are given what was answered.
        for number, seen in enumerate(network.seen):
            np.testing.assert_allclose(seen[..., -1], 0.2 * number, atol=1e-6)
            np.testing.assert_allclose(seen[..., :-1], tensor[..., :-1], atol=1e-6)
        np.testing.assert_allclose(fed[..., -1], 0.2 * len(network.seen), atol=1e-6)
        np.testing.assert_array_equal(fed[..., :-1], tensor[..., :-1])
    assert counts == {1, 2, 3}
    assert (tensor[..., -1] == np.float32(0.9)).all()


def test_only_a_share_is_given_its_own(tensor):
    config = PreviousMaskConfig(own=0.3, own_frames=1, **STILL)
    own = []
    for seed in range(100):
        fed = with_own_answers(tensor, Network(), config, seed=(seed,))
        own += [bool(image[0, 0, -1] < 0.5) for image in fed]
    assert np.mean(own) == pytest.approx(0.3, abs=0.05)
    same = [with_own_answers(tensor, Network(), config, seed=(7,)) for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_nothing_is_asked_where_none_is_given_its_own(tensor):
    network = Network()
    assert with_own_answers(tensor, network, PreviousMaskConfig(), seed=(0,)) is tensor
    assert not network.seen


def test_the_frames_before_have_moved_further_the_longer_ago():
    tensor = np.zeros((6, 32, 48, 4), np.float32)
    tensor[:, 14:18, 22:26, :3] = 1
    config = PreviousMaskConfig(own=1.0, own_frames=3, shift=0.1, scale=0.0, rotation=0.0)
    steps = []
    for seed in range(30):
        network = Network()
        with_own_answers(tensor, network, config, seed=(seed,))
        for image in range(len(tensor)):
            squares = [seen[image, ..., 0] for seen in network.seen]
            places = np.array([np.argwhere(each > 0.4).mean(0) for each in squares])
            ago = np.arange(len(places), 0, -1)[:, None]
            # As far in every frame, to the half pixel that a place is known to.
            step = (places - (15.5, 23.5))[0] / len(places)
            np.testing.assert_allclose(places - (15.5, 23.5), step * ago, atol=0.75)
            steps.append(step)
    furthest = np.abs(steps).max(axis=0)
    assert np.all(furthest < (3.2 + 0.5, 4.8 + 0.5))
    assert np.all(furthest > (2.0, 3.0))
    # Slow ones are as common as fast ones, so that most are slower than half of the fastest.
    assert np.mean(np.abs(steps) < (1.6, 2.4)) > 0.6


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("own", 1.5, "own: got 1.5"), ("own_frames", 0, "own_frames: got 0")],
)
def test_ranges(option, value, message):
    with pytest.raises(InputError, match=message):
        PreviousMaskConfig(**{option: value})


def network_config(own: float) -> TrainConfig:
    previous = PreviousMaskConfig(own=own, own_frames=1)
    data = DataConfig(root="", groups=(), validation="", previous_mask=previous)
    return TrainConfig(name="t", data=data, model=ModelConfig(previous_mask=True), stages=())


def test_answers_are_those_of_the_weights_by_then(tensor):
    layer = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Sequential([keras.Input((32, 48, 4)), layer])
    feed = feeder(keras, network_config(1.0), model)
    for odds in (-1.0, 2.0):
        layer.set_weights([np.zeros((1, 1, 4, 1)), np.full(1, odds)])
        np.testing.assert_allclose(feed(tensor, 0)[..., -1], 1 / (1 + np.exp(-odds)), atol=1e-6)
    without = feeder(keras, network_config(0.0), model)
    assert without(tensor, 0) is tensor


def run(tmp_path, folder, *, resume=False):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    trainer = Trainer(load_config(path), tmp_path / folder, root=tmp_path)
    if resume:
        trainer.restore()
    trainer.run(console=Console(quiet=True))
    with np.load(tmp_path / folder / "weights.npz") as archive:
        return dict(archive)


def test_a_run_that_was_stopped_ends_with_the_very_same_weights(tmp_path, write_discs, monkeypatch):
    write_discs(tmp_path, 96)
    whole = run(tmp_path, "whole")
    rate = loop.learning_rate

    def killing(stages, at, optimizer):
        if at == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return rate(stages, at, optimizer)

    monkeypatch.setattr(loop, "learning_rate", killing)
    with pytest.raises(Stopped):
        run(tmp_path, "cut")
    monkeypatch.setattr(loop, "learning_rate", rate)
    for name, value in run(tmp_path, "cut", resume=True).items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)
    assert np.abs(whole["mask8_add/kernel"]).max() > 0


@pytest.mark.parametrize(("backend", "devices"), [("tensorflow", 2), ("jax", 1)])
def test_on_several_devices_and_on_jax(tmp_path, write_discs, backend, devices):
    pytest.importorskip(backend)
    write_discs(tmp_path, 96)
    (tmp_path / "config.toml").write_text(CONFIG)
    code = "import sys; from edgeseg.cli import main; sys.exit(main())"
    trained = subprocess.run(
        [sys.executable, "-c", code, "train", "config.toml", "--devices", str(devices)],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert trained.returncode == 0, trained.stderr
    with np.load(tmp_path / "runs" / "fed" / "weights.npz") as archive:
        assert np.abs(archive["mask8_add/kernel"]).max() > 0
        assert archive["mask_pick/kernel"].sum((0, 1, 3)).tolist() == [0, 0, 0, 1]

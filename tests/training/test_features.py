"""A published network's features as a second target: written, learned, the head left out."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import csv
import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest
from rich.console import Console

from edgeseg.data.feature_maps import FeatureMaps
from edgeseg.data.folder import Sample
from edgeseg.errors import InputError
from edgeseg.models.deeplab import deeplab_classes, deeplab_features
from edgeseg.models.mobilenet_v2 import mobilenet_v2_encoder
from edgeseg.models.weights import get_weights, save_arrays, set_weights
from edgeseg.training import features, loop
from edgeseg.training.config import TrainConfig
from edgeseg.training.config_file import build
from edgeseg.training.feature_head import class_divergence, feature_loss, with_feature_head
from edgeseg.training.loop import Trainer
from edgeseg.training.sources import make_network
from edgeseg.training.target_config import FeaturesConfig
from edgeseg.training.tasks import make_task

QUIET = Console(quiet=True)
LAYERS = ("encoder4_block_add", "encoder5_block_add")


@pytest.fixture
def photos(tmp_path, write_pairs):
    """Eight photos of a bright square on noise, six to train on."""
    rng = np.random.default_rng(0)

    def draw(index):
        image = rng.integers(0, 90, (48, 64, 3), dtype=np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        mask[10:34, 8 * index : 8 * index + 24] = 255
        image[mask > 0] += 120
        return image, mask

    write_pairs(tmp_path, {"train": 6, "val": 2}, draw)
    return tmp_path


@pytest.fixture
def config(photos):
    values = {
        "name": "square",
        "validate_every": 20,
        "tensorboard": False,
        "model": {
            "name": "hourglass",
            "decoder_channels": [8, 8, 8, 8],
            "output_stride": 4,
            "options": {"encoder": "plain", "batch_norm": True},
        },
        "data": {
            "root": ".",
            "validation": "val",
            "groups": [{"folder": "train"}],
            "augment": {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0},
        },
        "features": {"folder": "maps", "layers": list(LAYERS), "channels": 8},
        "stages": [{"steps": 100, "size": [64, 64], "batch": 4, "rate": [1e-2, 1e-3]}],
        "optimizer": {"warmup": 3, "average": 0.9},
    }
    return build(TrainConfig, values, where="test")


def write_maps(root, channels=5):
    """Maps that say how bright a place is, with a different sign or share in each channel."""
    folder = root / "maps"
    folder.mkdir()
    images = sorted((root / "train/images").iterdir())
    values = []
    for path in images:
        grey = cv2.resize(cv2.imread(str(path), 0), (9, 9), interpolation=cv2.INTER_AREA)
        values.append(np.stack([grey * (k + 1) / channels for k in range(channels)], -1))
    values = np.array(values).astype(np.uint8)
    np.save(folder / "features.npy", values)
    variance = float((values * 0.004).reshape(-1, channels).var(0).sum())
    index = {"scale": 0.004, "variance": variance}
    index["images"] = [str(path.relative_to(root)) for path in images]
    (folder / "features.json").write_text(json.dumps(index))


def run(config, folder, root, *, resume=False):
    trainer = Trainer(config, folder, root=root)
    if resume:
        trainer.restore()
    trainer.run(console=QUIET)
    with open(folder / "log.csv", newline="") as file, np.load(folder / "weights.npz") as archive:
        return list(csv.DictReader(file)), dict(archive)


def test_features_are_learned_and_the_head_is_left_out(config, photos):
    write_maps(photos)
    rows, weights = run(config, photos / "run", photos)
    left = [float(row["features"]) for row in rows]
    assert left[-1] < 0.5 * left[0]
    assert left[-1] < 0.6
    for row in rows:
        parts = float(row["cross_entropy"]) + 0.5 * float(row["jaccard"]) + float(row["features"])
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-4)
    network = make_network(keras, config, (64, 64))
    assert set(weights) == set(get_weights(network))


def test_a_resumed_run_keeps_the_head(config, photos, monkeypatch):
    write_maps(photos)
    config = dataclasses.replace(config, checkpoint_every=25)
    whole_rows, whole = run(config, photos / "whole", photos)
    rate = loop.learning_rate

    def stop_at_30(stages, step, optimizer):
        if step == 30:
            raise KeyboardInterrupt
        return rate(stages, step, optimizer)

    monkeypatch.setattr(loop, "learning_rate", stop_at_30)
    with pytest.raises(KeyboardInterrupt):
        run(config, photos / "cut", photos)
    monkeypatch.setattr(loop, "learning_rate", rate)
    rows, resumed = run(config, photos / "cut", photos, resume=True)
    assert rows[-1]["features"] == whole_rows[-1]["features"]
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_the_head_answers_at_the_size_of_its_first_layer(config):
    network = make_network(keras, config, (64, 96))
    head = with_feature_head(keras, network, config.features, 7)
    assert [output.shape[1:] for output in head.outputs] == [(16, 24, 1), (4, 6, 7)]
    # It begins by answering nothing.
    answer = np.asarray(head.predict_on_batch(np.ones((1, 64, 96, 3), np.float32))[1])
    assert not answer.any()
    wrong = dataclasses.replace(config.features, layers=("nowhere",))
    with pytest.raises(InputError, match="nowhere"):
        with_feature_head(keras, network, wrong, 7)
    for layers, message in (((), "got none"), (LAYERS[::-1], "the largest first")):
        wrong = dataclasses.replace(config.features, layers=layers)
        with pytest.raises(InputError, match=message):
            with_feature_head(keras, network, wrong, 7)
    assert head.name == network.name


def test_the_loss_is_the_share_of_variance_that_is_not_answered():
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 255, (2, 3, 3, 4)).astype(np.uint8)
    truth = wanted.astype(np.float32) * 0.1
    variance = float(truth.reshape(-1, 4).var(0).sum())
    maps = FeatureMaps(wanted, 0.1, variance, {})
    weight = np.array([1.0, 1.0], np.float32)
    mean = np.broadcast_to(truth.mean((0, 1, 2)), truth.shape)
    assert float(feature_loss(keras.ops, truth, wanted, weight, maps)) == pytest.approx(0, abs=1e-6)
    assert float(feature_loss(keras.ops, mean, wanted, weight, maps)) == pytest.approx(1, rel=1e-4)
    # An image of weight 0 does not count.
    half = np.concatenate([truth[:1], mean[1:]])
    first = np.array([1.0, 0.0], np.float32)
    assert float(feature_loss(keras.ops, half, wanted, first, maps)) == pytest.approx(0, abs=1e-6)


def test_classes_are_compared_by_their_probabilities():
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 255, (2, 3, 3, 4)).astype(np.uint8)
    kernel, bias = rng.normal(size=(4, 5)).astype(np.float32), np.arange(5, dtype=np.float32)
    maps = FeatureMaps(wanted, 0.01, 1.0, {}, (kernel, bias))
    truth = wanted.astype(np.float32) * 0.01
    answer = truth + rng.normal(size=truth.shape).astype(np.float32)

    def probabilities(features):
        scores = np.exp(features @ kernel + bias)
        return scores / scores.sum(-1, keepdims=True)

    weight = np.array([3.0, 1.0], np.float32)
    p, q = probabilities(truth), probabilities(answer)
    apart = (p * np.log(p / q)).sum(-1).mean((1, 2))
    expected = (3 * apart[0] + apart[1]) / 4
    assert expected > 0.05
    found = class_divergence(keras.ops, answer, wanted, weight, maps)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    same = class_divergence(keras.ops, truth, wanted, weight, maps)
    assert float(same) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match=r"features\.classes"):
        class_divergence(keras.ops, answer, wanted, weight, dataclasses.replace(maps, classes=None))


def test_classes_are_a_part_of_the_loss(config, photos):
    write_maps(photos)
    wanted = dataclasses.replace(config.features, classes=1.0)
    with pytest.raises(InputError, match="without the published network's last layer"):
        make_task(dataclasses.replace(config, features=wanted), photos)
    kernel = np.linspace(-3, 3, 15).reshape(1, 1, 5, 3).astype(np.float32)
    values = {"semantic/kernel": kernel, "semantic/bias": np.zeros(3, np.float32)}
    features.write_classes(values, photos / "maps")
    loaded = FeatureMaps.load(photos / "maps", root=photos)
    np.testing.assert_array_equal(loaded.classes[0], kernel[0, 0])
    config = dataclasses.replace(
        config, features=dataclasses.replace(config.features, weight=0.5, classes=2.0)
    )
    rows, _ = run(config, photos / "run", photos)
    for row in rows:
        parts = float(row["cross_entropy"]) + 0.5 * float(row["jaccard"])
        parts += 0.5 * float(row["features"]) + 2 * float(row["classes"])
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-4)
    apart = [float(row["classes"]) for row in rows]
    assert 0 < apart[-1] < 0.7 * apart[0]


def test_maps_are_written_for_every_photo(config, photos, monkeypatch):
    monkeypatch.setattr(features, "SIZE", 65)
    keras.utils.set_random_seed(1)
    model = deeplab_features(keras=keras, size=65)
    assert model.output_shape == (None, 5, 5, 256)
    save_arrays(get_weights(model), photos / "deeplab.npz")
    features.main(config, photos / "deeplab.npz", root=photos, console=QUIET)
    maps = FeatureMaps.load(photos / "maps", root=photos)
    assert maps.maps.shape == (6, 3, 3, 256)
    assert len(maps.rows) == 6
    path = photos / "train/images/4.png"
    image = cv2.resize(cv2.imread(str(path)), (65, 65)).astype(np.float32)
    answer = np.asarray(model.predict_on_batch(image[None, ..., ::-1] / 127.5 - 1))[0]
    row = maps.maps[maps.rows[path.resolve()]] * np.float32(maps.scale)
    # The corner: [1, 2, 1] / 4 along both sides, mirrored at the border.
    corner = answer[0, 0] / 4 + (answer[0, 1] + answer[1, 0] + answer[1, 1]) / 4
    np.testing.assert_allclose(row[0, 0], corner, atol=0.013)
    middle = answer[1:4, 1:4] * np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])[..., None] / 16
    np.testing.assert_allclose(row[1, 1], middle.sum((0, 1)), atol=0.013)
    assert not list((photos / "maps").glob("*.part"))


def test_published_weights_fit_and_know_a_person(data_root):
    """Read by the published classes, the features say person on a person and not on a cat."""
    source = data_root / "pretrained/mobilenet_v2_100.npz"
    with np.load(source) as archive:
        published = dict(archive)
    model = deeplab_features(keras=keras, size=257)
    features.load_weights(model, source)
    portraits = sorted((data_root / "person/val/images").glob("vikram_*"))[:3]
    things = sorted((data_root / "person/val/images").glob("object_*"))[:3]
    shares = []
    for path in (*portraits, *things):
        image = cv2.resize(Sample(path, None).read_image(), (257, 257))
        tensor = image[None, ..., ::-1].astype(np.float32) / 127.5 - 1
        answer = np.asarray(model.predict_on_batch(tensor))[0]
        classes = answer @ published["semantic/kernel"][0, 0] + published["semantic/bias"]
        shares.append((classes.argmax(-1) == 15).mean())
    assert np.mean(shares[:3]) > 0.1
    assert np.mean(shares[3:]) < 0.01


def test_the_head_reads_the_classes_from_a_striding_encoder_too():
    """As the dilated one's at every second place, had the head no pooled image to look at."""
    keras.utils.set_random_seed(1)
    dilated = deeplab_features(keras=keras, size=65)
    inputs = keras.Input((65, 65, 3))
    striding = keras.Model(
        inputs, mobilenet_v2_encoder(keras, inputs, width=1.0, batch_norm=False)[32]
    )
    head = deeplab_classes(keras=keras, shape=(3, 3, 320))
    assert head.output_shape == (None, 3, 3, 21)
    values = get_weights(dilated)
    values["pool/kernel"] = np.zeros_like(values["pool/kernel"])
    for model in (dilated, striding, head):
        set_weights(model, values)
    tensor = np.random.default_rng(0).uniform(-1, 1, (2, 65, 65, 3)).astype(np.float32)
    kernel, bias = (get_weights(head)[f"semantic/{part}"] for part in ("kernel", "bias"))
    expected = dilated.predict_on_batch(tensor)[:, ::2, ::2] @ kernel[0, 0] + bias
    found = head.predict_on_batch(striding.predict_on_batch(tensor))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_several_classes_cannot_have_features(config, tmp_path):
    data = dataclasses.replace(config.data, reader="folder")
    with pytest.raises(InputError, match=r"features\.folder"):
        make_task(dataclasses.replace(config, data=data), tmp_path)
    nothing = dataclasses.replace(config, features=FeaturesConfig())
    with pytest.raises(InputError, match="no features.folder"):
        features.main(nothing, tmp_path / "w.npz", root=tmp_path, console=QUIET)

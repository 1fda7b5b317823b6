"""Things cut out of photos: where they are, how they are drawn, and what trains on them."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses
import shutil

import cv2
import keras
import numpy as np
import pytest
from edgeseg.converters.int8 import convert_int8
from rich.console import Console

from edgeseg.data.folder import Sample
from edgeseg.errors import InputError
from edgeseg.metrics import iou
from edgeseg.models.deeplab import deeplab_scores
from edgeseg.models.weights import get_weights, load_weights, save_arrays
from edgeseg.spec import ModelSpec
from edgeseg.training import cutouts
from edgeseg.training.config import LossConfig, TrainConfig
from edgeseg.training.config_file import build
from edgeseg.training.cutouts import cut_out, main, surroundings, things_of, wearers, write_cutouts
from edgeseg.training.loop import Trainer
from edgeseg.training.sources import make_network
from edgeseg.training.tasks import make_task

QUIET = Console(quiet=True)
CAT, PERSON = 8, 15


@pytest.fixture
def ball():
    """A red disc on green noise, uint8 BGR, and where it is."""
    rng = np.random.default_rng(0)
    image = np.zeros((120, 160, 3), np.uint8)
    image[..., 1] = rng.integers(120, 200, (120, 160))
    disc = cv2.circle(np.zeros((120, 160), np.uint8), (70, 60), 30, 1, -1) > 0
    image[disc] = (20, 20, 220)
    return image, disc


def coarse(disc, factor=1.0):
    """The probability that a network with an answer for every 16th pixel would give."""
    small = cv2.resize(disc.astype(np.float32) * factor, (11, 9), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, disc.shape[::-1])


def test_the_border_is_the_photos_and_not_the_networks(ball):
    image, disc = ball
    blob = coarse(disc)
    alpha = cut_out(image, blob)
    assert alpha.dtype == np.uint8
    assert iou(alpha > 127, disc) > 0.97 > iou(blob > 0.5, disc)
    assert alpha[60, 70] == 255
    assert alpha[5, 5] == 0
    assert 0 < ((alpha > 0) & (alpha < 255)).mean() < 0.05
    np.testing.assert_array_equal(cut_out(image, blob), alpha)


def test_what_is_not_worth_pasting(ball):
    image, disc = ball
    assert cut_out(image, np.zeros(disc.shape, np.float32)) is None
    assert cut_out(image, np.ones(disc.shape, np.float32)) is None
    assert cut_out(image, coarse(disc, 0.4)) is None
    speck = cv2.circle(np.zeros(disc.shape, np.uint8), (70, 60), 8, 1, -1) > 0
    assert speck.mean() < 0.02
    assert cut_out(image, speck.astype(np.float32)) is None
    # What stands out of it is far less than the network took for a thing.
    guess = np.zeros(disc.shape, np.float32)
    guess[10:110, 20:140] = 0.6
    assert iou(guess > 0.5, disc) < 0.45
    assert cut_out(image, guess) is None


def test_a_picture_of_a_thing_leaves_room_around_it():
    alpha = np.zeros((100, 200), np.uint8)
    alpha[40:60, 80:120] = 255
    assert surroundings(alpha) == (slice(10, 90), slice(60, 140))
    alpha[5:60] = 255
    assert surroundings(alpha) == (slice(0, 232), slice(0, 300))  # the photo ends before


def scores_of(cat, person=0.0):
    """(4, 4, 21) of a cat at the left and a person at the right, by their probabilities."""
    shares = np.full((4, 4, 21), 1e-6, np.float32)
    shares[:, :2, CAT], shares[:, 2:, PERSON] = cat, person
    shares[..., 0] = 1 - shares[..., 1:].sum(-1)
    return np.log(shares)


def test_a_thing_is_neither_background_nor_person():
    image = np.zeros((40, 60, 3), np.uint8)
    thing = things_of(scores_of(0.8, 0.5), image, None)
    assert thing.shape == (40, 60)
    assert thing.dtype == np.float32
    np.testing.assert_allclose(thing[:, 0], 0.8, atol=0.01)
    np.testing.assert_allclose(thing[:, -1], 0, atol=0.01)


def test_photos_in_which_somebody_may_be_hidden_give_nothing():
    image = np.zeros((40, 60, 3), np.uint8)
    assert things_of(scores_of(0.8, 0.7), image, None).max() == 0
    # Where it is known who is there, what touches them is left out, as what they hold.
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 20:] = 255
    thing = things_of(scores_of(0.8, 0.7), image, mask)
    assert (thing[:, 13:] == 0).all()
    np.testing.assert_allclose(thing[:, :12], 0.8, atol=0.05)


@pytest.fixture
def config(tmp_path, write_pairs, ball, small_hourglass):
    """Two photos of people with the ball beside them, one of the ball alone, one of a room."""
    image, _ = ball

    def draw(index):
        photo, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
        photo[:, 130:] = mask[:, 130:] = 255
        return photo, mask

    write_pairs(tmp_path, {"train": 2, "val": 2}, draw)
    cv2.imwrite(str(tmp_path / "train/images/object_ball.png"), image)
    (tmp_path / "rooms").mkdir()
    cv2.imwrite(str(tmp_path / "rooms/0.png"), np.zeros_like(image))
    values = {
        "name": "balls",
        "model": small_hourglass,
        "data": {
            "root": ".",
            "validation": "val",
            "backgrounds": "rooms",
            "cutouts": "balls",
            "groups": [{"folder": "train"}],
            "augment": {"cutouts": 1.0},
        },
        "stages": [{"steps": 1, "size": [64, 64], "batch": 2, "rate": [1e-3, 1e-3]}],
    }
    return build(TrainConfig, values, where="test")


def reds(size=65):
    """A DeepLab of this size that takes what is red for a cat."""
    inputs = keras.Input((size, size, 3))
    pooled = keras.layers.AveragePooling2D(5)(inputs)
    layer = keras.layers.Dense(21)
    scores = layer(pooled)
    kernel, bias = np.zeros((3, 21)), np.zeros(21)
    kernel[0, CAT], kernel[1, CAT], bias[0] = 20, -20, 10
    layer.set_weights([kernel, bias])
    return keras.Model(inputs, scores)


def test_what_is_written_is_trained_on(config, tmp_path, ball):
    before = dataclasses.replace(config, data=dataclasses.replace(config.data, cutouts=""))
    samples = make_task(before, tmp_path).trained()
    assert len(samples) == 4
    assert write_cutouts(samples, reds(), tmp_path / "balls", console=QUIET) == 3
    assert not (tmp_path / "balls.part").exists()
    names = [f"{i:05d}-{name}.png" for i, name in enumerate(("0", "1", "object_ball"))]
    for folder in ("images", "masks"):
        assert sorted(path.name for path in (tmp_path / "balls" / folder).iterdir()) == names
    task = make_task(config, tmp_path)
    for sample in task.cutouts:
        image, mask = sample.read_pair()
        window = surroundings(255 * ball[1].astype(np.uint8))
        assert np.abs(np.subtract(mask.shape, ball[1][window].shape)).max() <= 6
        red = (image[..., 2] > 150) & (image[..., 1] < 100)
        assert iou(mask > 127, red) > 0.97
    assert len(task.trained()) == 7
    batch = task.pipeline(config.stages[0], make_network(keras, config, (64, 64))).batch(0, 8)
    assert batch.known.any((1, 2, 3)).all()
    task.leave_out({task.cutouts[0].image})
    assert len(task.cutouts) == 2
    with pytest.raises(InputError, match="remove it first"):
        write_cutouts(samples, reds(), tmp_path / "balls", console=QUIET)
    with pytest.raises(InputError, match="got no thing in any of 1 photos"):
        write_cutouts(samples[-1:], reds(), tmp_path / "none", console=QUIET)
    assert not (tmp_path / "none.part").exists()


def test_clothes_of_a_family_are_things_too(config, tmp_path, ball, monkeypatch):
    before = dataclasses.replace(config, data=dataclasses.replace(config.data, cutouts=""))
    samples = make_task(before, tmp_path).trained()
    worn = samples[1]
    assert worn.name == "1"

    def clothes(rng, image, mask):
        np.testing.assert_array_equal(mask, worn.read_mask())
        np.testing.assert_array_equal(image, worn.read_image())
        return 255 * ball[1].astype(np.uint8)

    monkeypatch.setattr(cutouts, "clothes_of", clothes)
    # Before any weights are read: there are none.
    with pytest.raises(InputError, match=r"no photo of people of a family 'ccp', expected one of"):
        main(config, tmp_path / "none.npz", root=tmp_path, size=33, clothes="ccp", console=QUIET)
    assert not list(tmp_path.glob("balls*"))
    shutil.copy(worn.image, tmp_path / "ccp_1.png")
    samples[1] = dataclasses.replace(worn, image=tmp_path / "ccp_1.png")
    of_family = wearers(samples, "ccp")
    assert of_family == [samples[1]]
    count = write_cutouts(samples, reds(), tmp_path / "balls", worn=of_family, console=QUIET)
    assert count == 4
    added = Sample(*(tmp_path / "balls" / at / "00003-ccp_1.png" for at in ("images", "masks")))
    window = surroundings(255 * ball[1].astype(np.uint8))
    np.testing.assert_array_equal(added.read_image(), worn.read_image()[window])
    np.testing.assert_array_equal(added.read_mask() > 0, ball[1][window])
    # Without any thing but them they are enough.
    alone = write_cutouts(of_family, reds(), tmp_path / "two", worn=of_family, console=QUIET)
    assert alone == 2


def test_a_teacher_is_held_to_what_is_known_of_things(config, tmp_path):
    samples = [Sample(tmp_path / "train/images/object_ball.png", None)]
    write_cutouts(samples, reds(), tmp_path / "balls", console=QUIET)
    network = keras.Sequential(
        [keras.Input((64, 64, 3)), keras.layers.Conv2D(1, 1, activation="sigmoid")]
    )
    network.layers[-1].set_weights([np.zeros((1, 1, 3, 1)), np.full(1, 2.0)])  # 0.88, everywhere
    spec = ModelSpec("teacher", height=64, width=64, labels=("person",))
    frames = [np.full((64, 64, 3), 90, np.uint8)]
    (tmp_path / "teacher.tflite").write_bytes(convert_int8(network, spec, frames))
    loss = LossConfig(distillation=1.0)
    taught = dataclasses.replace(config, teacher="teacher.tflite", loss=loss)
    trainer = Trainer(taught, tmp_path / "run", root=tmp_path)
    model, (stage,) = make_network(keras, config, (64, 64)), config.stages
    pipeline = trainer.task.pipeline(stage, model)
    steps = trainer.supply.steps(pipeline, model, trainer.objective, stage.batch, start=0, stop=1)
    ((_, (_, _, _, answers)),) = steps
    things = pipeline.batch(0, stage.batch).known
    assert (things == 255).any()
    np.testing.assert_allclose(answers, 0.88 * (1 - things / 255), atol=0.01)
    # A group's own shift of the answer, which pasted things are held against, too.
    groups = tuple(dataclasses.replace(group, shift=-2.0) for group in config.data.groups)
    data = dataclasses.replace(config.data, groups=groups)
    trainer = Trainer(dataclasses.replace(taught, data=data), tmp_path / "even", root=tmp_path)
    pipeline = trainer.task.pipeline(stage, model)
    steps = trainer.supply.steps(pipeline, model, trainer.objective, stage.batch, start=0, stop=1)
    ((_, (_, _, _, answers)),) = steps
    np.testing.assert_allclose(answers, 0.5 * (1 - things / 255), atol=0.01)
    network.save(tmp_path / "teacher.keras")
    by_network = dataclasses.replace(taught, teacher="teacher.keras")
    with pytest.raises(InputError, match=r"cutouts: got 1 with teacher.keras .* a \.tflite"):
        Trainer(by_network, tmp_path / "other", root=tmp_path)


def test_masks_are_known_beside_a_tflite_alone(config, tmp_path):
    augment = dataclasses.replace(config.data.augment, cutouts=0.0)
    for change, got in (
        ({"taught": 0.5}, r"taught = 0\.5 and shift = 0"),
        ({"shift": -0.5}, r"taught = 1 and shift = -0\.5"),
    ):
        group = dataclasses.replace(config.data.groups[0], **change)
        data = dataclasses.replace(config.data, groups=(group,), cutouts="", augment=augment)
        expected = rf"{got} for train, expected 1 and 0 without a \.tflite"
        with pytest.raises(InputError, match=expected):
            Trainer(dataclasses.replace(config, data=data), tmp_path / "run", root=tmp_path)


def test_the_command_reads_published_weights(config, tmp_path):
    with pytest.raises(InputError, match=r"write it with edgeseg\.training\.cutouts"):
        make_task(config, tmp_path)
    weights = tmp_path / "deeplab.npz"
    published = get_weights(deeplab_scores(keras=keras, size=33))
    published["semantic/kernel"] *= 0
    save_arrays(published, weights)
    # All classes alike: things everywhere, which have no outline.
    with pytest.raises(InputError, match="got no thing in any of 4 photos"):
        main(config, weights, root=tmp_path, size=33, console=QUIET)
    nowhere = dataclasses.replace(config, data=dataclasses.replace(config.data, cutouts=""))
    with pytest.raises(InputError, match=r"balls: got no data\.cutouts"):
        main(nowhere, weights, root=tmp_path, size=33, console=QUIET)


def test_a_published_network_finds_things_in_photos(data_root):
    model = deeplab_scores(keras=keras, size=321)
    load_weights(model, data_root / "pretrained/mobilenet_v2_100.npz")
    found = []
    for path in sorted((data_root / "person/val/images").glob("object_*"))[:12]:
        image = Sample(path, None).read_image()
        tensor = cv2.resize(image, (321, 321))[None, ..., ::-1].astype(np.float32) / 127.5 - 1
        scores = np.asarray(model.predict_on_batch(tensor))[0]
        alpha = cut_out(image, things_of(scores, image, None))
        found += [] if alpha is None else [(alpha > 127).mean()]
    assert 3 <= len(found) <= 11
    assert 0.05 < np.mean(found) < 0.6

"""Batches made on the device: by values against the CPU's functions, and a run that uses them."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import csv
import dataclasses
import json
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from edgeseg.converters.int8 import convert_int8
from rich.console import Console

from edgeseg.data.augment import AugmentConfig, warp
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.data.resident import Plan, composites, draw_colours, make_plan, make_store, plans
from edgeseg.errors import InputError
from edgeseg.spec import ModelSpec
from edgeseg.training.config_file import load_config
from edgeseg.training.devices import Devices
from edgeseg.training.loop import Trainer
from edgeseg.training.render import coloured, make_renderer
from edgeseg.training.supply import Supply

QUIET = Console(quiet=True)
SPEC = ModelSpec("t", height=64, width=96)
PLAIN = AugmentConfig(
    brightness=0, contrast=0, gamma=0, colour=0, saturation=0, low_light=0, noise=0, blur=0,
    jpeg=0, grey=0, composite=0, paste=0,
)  # fmt: skip
NOISE = np.random.default_rng(0).normal(0, 1, (512, 512, 3)).astype(np.float32)


@pytest.fixture
def samples(tmp_path):
    """Three smooth photos of different sizes with a disc, one of them without a mask."""
    rng = np.random.default_rng(0)
    made = []
    for index, (height, width) in enumerate(((50, 80), (72, 60), (64, 96))):
        image = cv2.resize(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8), (width, height))
        mask = np.zeros((height, width), np.uint8)
        cv2.circle(mask, (30, 30), 16, 255, -1)
        image_path, mask_path = tmp_path / f"{index}.png", tmp_path / f"{index}_mask.png"
        cv2.imwrite(str(image_path), image)
        cv2.imwrite(str(mask_path), mask)
        made.append(Sample(image_path, None if index == 2 else mask_path))
    return tuple(made)


def pipeline_of(samples, augment=PLAIN, **options):
    groups = (Group("people", samples[:2], share=0.75), Group("none", samples[2:], share=0.25))
    return Pipeline(groups, samples, SPEC, augment=augment, seed=3, **options)


def rendered(pipeline, plan, *, side=96):
    store = make_store(pipeline, side, workers=2)
    return store, [np.asarray(a) for a in make_renderer(keras, store, pipeline)(plan)]


def planned(pipeline, size=8, step=0) -> Plan:
    return make_plan(pipeline, make_store(pipeline, 96, workers=2), size, step)


def pixels(tensor):
    return (np.asarray(tensor) + 1) * 127.5


def test_views_are_those_that_the_cpu_cuts_out(samples):
    pipeline = pipeline_of(samples, dataclasses.replace(PLAIN, crop=(0.4, 1.6), spin=0.5))
    plan = planned(pipeline)
    _, (tensor, truth, weight) = rendered(pipeline, plan)
    assert tensor.shape == (8, 64, 96, 3)
    assert truth.shape == (8, 32, 48, 1)
    np.testing.assert_array_equal(weight, np.ones(8, np.float32))
    photos = list(samples)
    for row, inverse, name, view, mask in zip(
        plan.photos[:, 0], plan.inverses[:, 0], plan.names, pixels(tensor), truth
    ):
        sample = photos[row]
        assert sample.name == name
        matrix = cv2.invertAffineTransform(inverse)
        image, own = pipeline.read(sample)
        wanted = warp(image[..., ::-1], matrix, (96, 64)).astype(np.float32)
        # OpenCV rounds places to 1/32 of a pixel.
        assert np.abs(view - wanted).mean() < 1.5
        assert np.abs(view - wanted).max() < 20
        small = cv2.resize(warp(own, matrix, (96, 64)), (48, 32), interpolation=cv2.INTER_AREA)
        assert np.abs(mask[..., 0] - small / 255).mean() < 0.005


def test_mosaics_are_four_photos_that_meet_anywhere(samples):
    pipeline = pipeline_of(samples, dataclasses.replace(PLAIN, mosaic=1.0))
    plan = planned(pipeline, size=4)
    store, (tensor, _, _) = rendered(pipeline, plan)
    assert len({tuple(rows) for rows in plan.photos}) > 1
    for index, view in enumerate(pixels(tensor)):
        quarters = []
        for quarter, row in enumerate(plan.photos[index]):
            inverse = plan.inverses[index, quarter].astype(np.float64).copy()
            corner = (quarter % 2 * 48, quarter // 2 * 32)
            inverse[:, 2] += inverse[:, :2] @ corner
            image = pipeline.read(samples[row])[0][..., ::-1]
            quarters.append(warp(image, cv2.invertAffineTransform(inverse), (48, 32)))
        canvas = np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])
        x, y = plan.moved[index]
        assert np.abs(view - np.roll(canvas, (y, x), (0, 1))).mean() < 1.5


def test_the_first_are_put_onto_places(samples):
    pipeline = pipeline_of(samples, dataclasses.replace(PLAIN, composite=1.0))
    assert composites(pipeline, 8) == 6
    plan = planned(pipeline)
    assert all(samples[row].mask is not None for row in plan.photos[:6, 0])
    _, (tensor, truth, _) = rendered(pipeline, plan)
    alone = dataclasses.replace(
        plan, places=plan.places[:0], places_inverses=plan.places_inverses[:0]
    )
    _, (person, same, _) = rendered(pipeline, alone)
    np.testing.assert_array_equal(truth, same)
    rows = list(samples)
    for index in range(6):
        behind = pipeline.read(rows[plan.places[index]])[0][..., ::-1]
        matrix = cv2.invertAffineTransform(plan.places_inverses[index])
        wanted = warp(behind, matrix, (96, 64))
        outside = cv2.resize(truth[index, ..., 0], (96, 64)) == 0
        inside = cv2.resize(truth[index, ..., 0], (96, 64)) == 1
        assert np.abs(pixels(tensor)[index] - wanted)[outside].mean() < 1.5
        np.testing.assert_allclose(tensor[index][inside], person[index][inside], atol=1e-4)
    np.testing.assert_allclose(tensor[6:], person[6:], atol=1e-5)


def test_large_photos_are_kept_smaller(samples):
    pipeline = pipeline_of(samples)
    store = make_store(pipeline, 48, workers=1)
    assert store.pixels.shape == (3, 48, 48, 4)
    assert store.sizes.tolist() == [[30, 48], [48, 40], [32, 48]]


def test_colours_are_the_cpus(samples):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (4, 40, 56, 3)).astype(np.float32)
    drawn = draw_colours(rng, AugmentConfig(noise=0, blur=0, grey=0, low_light=1.0), 4)
    parts = tuple(getattr(drawn, field.name) for field in dataclasses.fields(drawn))
    made = np.asarray(coloured(keras.ops, image, parts, NOISE))
    for index in range(4):
        x = (image[index] / 255) ** drawn.gamma[index]
        x = (x - 0.5) * drawn.contrast[index] + 0.5 + drawn.brightness[index]
        x = np.clip(x * drawn.balance[index] * 255, 0, 255)
        grey = cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None]
        wanted = np.clip(x + drawn.saturation[index] * (x - grey), 0, 255)
        np.testing.assert_allclose(made[index], wanted, atol=0.05)


def test_blur_and_noise(samples):
    image = np.random.default_rng(1).integers(60, 190, (2, 40, 56, 3)).astype(np.float32)
    none, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    at = np.array([[3, 5], [600, 7]], np.int32)
    still = (one, one, none, np.ones((2, 3), np.float32), none)
    blurred = coloured(keras.ops, image, (*still, np.array([0, 1.2], np.float32), none, at), NOISE)
    blurred = np.asarray(blurred)
    np.testing.assert_allclose(blurred[0], image[0], atol=0.01)
    wanted = cv2.GaussianBlur(image[1], (9, 9), 1.2)
    np.testing.assert_allclose(blurred[1], wanted, atol=0.1)
    noisy = coloured(keras.ops, image, (*still, none, np.array([0, 9], np.float32), at), NOISE)
    added = np.asarray(noisy) - image
    np.testing.assert_allclose(added[0], 0, atol=0.01)
    np.testing.assert_allclose(added[1], 9 * NOISE[600 - 512 :][:40, 7:63], atol=0.01)


def test_plans_are_a_function_of_seed_and_step(samples):
    pipeline = pipeline_of(samples, AugmentConfig(jpeg=0, paste=0, mosaic=0.3))
    store = make_store(pipeline, 96, workers=1)
    first = list(plans(pipeline, store, 4, start=0, stop=3))[2]
    again = next(plans(pipeline, store, 4, start=2, stop=3))
    np.testing.assert_array_equal(first.inverses, again.inverses)
    np.testing.assert_array_equal(first.colours.gamma, again.colours.gamma)
    assert first.names == again.names


@pytest.mark.parametrize("name", ["paste", "jpeg", "hue", "hue_things", "cutouts", "mixup"])
def test_what_a_device_does_not_make_is_refused(samples, name):
    augment = dataclasses.replace(PLAIN, **{name: 0.2})
    pipeline = pipeline_of(samples, augment, cutouts=samples[:1])
    with pytest.raises(InputError, match=f"augment.{name}: got 0.2 with data.resident"):
        make_store(pipeline, 96, workers=1)


def test_what_a_device_does_not_know_is_refused(samples):
    pipeline = pipeline_of(samples)
    refused = r"data\.resident: got it with a group's taught or shift, expected neither"
    for change in ({"taught": 0.5}, {"shift": -0.5}):
        groups = (dataclasses.replace(pipeline.groups[0], **change),)
        with pytest.raises(InputError, match=refused):
            make_store(dataclasses.replace(pipeline, groups=groups), 96, workers=1)


def test_more_photos_than_fit_are_refused(samples):
    with pytest.raises(InputError, match="got 3 photos at 40000, expected at most 1 of this size"):
        make_store(pipeline_of(samples), 40000, workers=1)


CONFIG = """
name = "resident"
seed = 4
validate_every = 30
tensorboard = false
[model]
width = 0.35
output_stride = 4
decoder_channels = [12, 10, 8, 8]
options = {encoder = "plain", batch_norm = true}
[data]
root = "."
validation = "val"
resident = 96
groups = [{folder = "train"}]
augment = {jpeg = 0.0, paste = 0.0}
[optimizer]
warmup = 3
average = 0.9
[[stages]]
size = [64, 96]
batch = 4
rate = [1e-2, 1e-3]
steps = 60
composite = 0.0
"""


def test_a_run_learns_from_them(tmp_path, write_discs):
    write_discs(tmp_path, 96)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    trainer = Trainer(load_config(path), tmp_path / "run", root=tmp_path)
    trainer.run(console=QUIET)
    with open(tmp_path / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    assert float(rows[-1]["score"]) > 0.6


def test_a_tflite_teaches_of_them_and_others_beside_it(tmp_path, write_discs):
    write_discs(tmp_path, 96)
    spec = ModelSpec("teacher", height=64, width=96, labels=("person",))
    frames = [np.full((64, 96, 3), 90, np.uint8)]
    for name, odds in (("teacher", 0.0), ("other", 2.0)):  # one half and 0.88, everywhere
        network = keras.Sequential(
            [keras.Input((64, 96, 3)), keras.layers.Conv2D(1, 1, activation="sigmoid")]
        )
        network.layers[-1].set_weights([np.zeros((1, 1, 3, 1)), np.full(1, odds)])
        (tmp_path / f"{name}.tflite").write_bytes(convert_int8(network, spec, frames))

    def distillation(name, *others):
        second = f"[second_opinion]\nshare = 1.0\nmodels = {json.dumps(others)}\n"
        taught = CONFIG.replace("steps = 60", "steps = 3") + "[loss]\ndistillation = 1.0\n"
        path = tmp_path / f"{name}.toml"
        path.write_text('teacher = "teacher.tflite"\n' + taught + second)
        Trainer(load_config(path), tmp_path / name, root=tmp_path).run(console=QUIET)
        with open(tmp_path / name / "log.csv") as file:
            (row,) = csv.DictReader(file)
        return float(row["distillation"])

    alone = distillation("alone")
    assert alone > np.log(2) - 0.01  # the entropy of one half at least
    assert distillation("twice", "teacher.tflite") == pytest.approx(alone, abs=1e-4)
    assert abs(distillation("heard", "other.tflite") - alone) > 0.01


def test_on_jax(tmp_path, write_discs):
    pytest.importorskip("jax")
    write_discs(tmp_path, 96)
    (tmp_path / "config.toml").write_text(CONFIG.replace("steps = 60", "steps = 6"))
    code = "import sys; from edgeseg.cli import main; sys.exit(main())"
    run = subprocess.run(
        [sys.executable, "-c", code, "train", "config.toml"],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "runs" / "resident" / "weights.npz").exists()


def test_several_devices_and_readers_are_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    with pytest.raises(InputError, match="got data.resident with 2 devices, expected one"):
        Supply(keras, load_config(path), Devices(count=2))
    config = load_config(path)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, reader="folder"))
    with pytest.raises(
        InputError, match=r"got data.resident with a reader, expected binary masks$"
    ):
        Supply(keras, config, Devices())

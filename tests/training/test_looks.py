"""A teacher that looks more than once: the mean of its looks, and a run that learns from it."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import csv
import dataclasses
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from edgeseg.converters.checks import integer_reasons
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.int8 import convert_int8
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.deeplab import deeplab_scores
from edgeseg.models.weights import get_weights, save_arrays, set_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.config_file import load_config
from edgeseg.training.looks import Looks, main, make_looks
from edgeseg.training.loop import Trainer
from edgeseg.training.opinions import CUT
from edgeseg.training.relabel import deeplab_odds
from edgeseg.training.sources import make_network
from edgeseg.training.tflite_teacher import tflite_teacher

QUIET = Console(quiet=True)
ONE = Looks(scales=(1.0,), mirrored=(), deeplab=0.0)

CONFIG = """
name = "patient"
seed = 4
teacher = "looks.keras"
validate_every = 20
tensorboard = false
[model]
width = 0.35
output_stride = 4
decoder_channels = [12, 10, 8, 8]
options = {encoder = "dense_entry", expansion = 2}
[data]
root = "."
validation = "val"
groups = [{folder = "train"}]
[loss]
cross_entropy = 0.0
jaccard = 0.0
distillation = 1.0
enlarge = 2
[optimizer]
warmup = 3
average = 0.9
[[stages]]
size = [64, 96]
batch = 4
rate = [1e-2, 1e-3]
steps = 60
"""


@pytest.fixture
def config(tmp_path, write_discs):
    """A small hourglass on bright discs, and weights of one that has not learned anything."""
    write_discs(tmp_path, 96)
    (tmp_path / "patient.toml").write_text(CONFIG)
    made = load_config(tmp_path / "patient.toml")
    keras.utils.set_random_seed(11)
    save_arrays(get_weights(make_network(keras, made, (64, 96))), tmp_path / "known.npz")
    return made


@pytest.fixture
def tensor():
    """Two smooth images (2, 64, 96, 3) in [-1, 1]."""
    noise = np.random.default_rng(2).uniform(-1, 1, (2, 8, 12, 3)).astype(np.float32)
    return np.stack([cv2.resize(image, (96, 64)) for image in noise])


def odds(probabilities):
    values = np.asarray(probabilities, np.float64)
    return np.log(values / (1 - values))


def logits(config, weights, size, tensor):
    """What the network says of images of this size, on the grid of the truth (32, 48)."""
    network = make_network(keras, config, size)
    with np.load(weights) as values:
        set_weights(network, dict(values))
    model = keras.Model(network.input, network.get_layer("logits").output)
    images = np.stack([cv2.resize(image, size[::-1]) for image in tensor])
    return np.stack([cv2.resize(a[..., 0], (48, 32)) for a in np.asarray(model(images))])


def test_one_look_is_the_network_with_its_logits_enlarged(config, tensor, tmp_path):
    weights = tmp_path / "known.npz"
    answer = make_looks(keras, config, weights, ONE)(tensor)
    expected = logits(config, weights, (64, 96), tensor)
    assert answer.shape == (2, 32, 48, 1)
    np.testing.assert_allclose(odds(answer)[..., 0], expected, atol=1e-4)
    # Without a share DeepLab is not even read, and nothing of it added.
    without = dataclasses.replace(ONE, deeplab_size=320)
    same = make_looks(keras, config, weights, without, deeplab=tmp_path / "absent.npz")(tensor)
    np.testing.assert_allclose(same, answer, atol=1e-6)


def test_a_look_at_images_of_another_size(config, tensor, tmp_path):
    weights = tmp_path / "known.npz"
    looks = dataclasses.replace(ONE, scales=(0.5,))
    large = np.stack([cv2.resize(image, (192, 128)) for image in tensor])
    model = make_looks(keras, config, weights, looks, size=(128, 192))
    assert model.input_shape == (None, 128, 192, 3)
    assert model.output_shape == (None, 64, 96, 1)
    small = np.stack([cv2.resize(o, (48, 32)) for o in odds(model(large))[..., 0]])
    expected = logits(config, weights, (64, 96), tensor)
    assert np.abs(small - expected).mean() < 0.1 * expected.std()


def test_looks_are_halved_as_log_odds_and_turned_back(config, tensor, tmp_path):
    weights = tmp_path / "known.npz"
    looks = dataclasses.replace(ONE, mirrored=(4 / 3,))
    answer = make_looks(keras, config, weights, looks)(tensor)
    straight = logits(config, weights, (64, 96), tensor)
    mirrored = logits(config, weights, (96, 128), tensor[:, :, ::-1])[:, :, ::-1]
    assert np.abs(straight - mirrored).max() > 0.01
    np.testing.assert_allclose(odds(answer)[..., 0], (straight + mirrored) / 2, atol=1e-3)


def test_where_people_fill_the_image_the_near_look_takes_the_mirrored_ones_place(
    config, tensor, tmp_path
):
    far = dataclasses.replace(ONE, mirrored=(4 / 3,))
    near = dataclasses.replace(ONE, mirrored=(2 / 3,))
    either = dataclasses.replace(far, near=2 / 3)
    with np.load(tmp_path / "known.npz") as values:
        known = dict(values)

    def answer(shift, looks):
        save_arrays(known | {"logits/bias": known["logits/bias"] + shift}, tmp_path / "moved.npz")
        return np.asarray(make_looks(keras, config, tmp_path / "moved.npz", looks)(tensor))

    for shift, looks, other in ((-4.0, far, near), (4.0, near, far)):
        np.testing.assert_allclose(answer(shift, either), answer(shift, looks), atol=1e-5)
        assert np.abs(answer(shift, looks) - answer(shift, other)).max() > 1e-4
    # Three tenths of the view: half way from one to the other.
    total = odds(answer(0.0, ONE))
    middle = float(np.log(0.3 / 0.7) - total.mean())
    a, b, c = (odds(answer(middle, looks)) for looks in (far, near, either))
    share = float(((c - a) * (b - a)).sum() / ((b - a) ** 2).sum())
    assert share == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(c, a + share * (b - a), atol=1e-3)


def test_deeplab_counts_by_its_share_and_is_cut(config, tensor, tmp_path):
    keras.utils.set_random_seed(3)
    values = get_weights(deeplab_scores(keras=keras, size=33))
    values["semantic/bias"] = values["semantic/bias"] + np.eye(21, dtype=np.float32)[15] * 30
    published = tmp_path / "deeplab.npz"
    save_arrays(values, published)
    looks = dataclasses.replace(ONE, deeplab=0.5, deeplab_size=33, shift=0.25)
    weights = tmp_path / "known.npz"
    alone = odds(make_looks(keras, config, weights, ONE)(tensor))
    answer = odds(make_looks(keras, config, weights, looks, deeplab=published)(tensor))
    np.testing.assert_allclose(answer - alone, 0.5 * CUT + 0.25, atol=1e-3)
    values["semantic/bias"] -= np.eye(21, dtype=np.float32)[15] * 30
    save_arrays(values, published)
    answer = odds(make_looks(keras, config, weights, looks, deeplab=published)(tensor))
    small = np.stack(
        [cv2.resize(image, (33, 33), interpolation=cv2.INTER_AREA) for image in tensor]
    )
    seen = np.clip(deeplab_odds(keras, published, size=33)(small), -CUT, CUT).mean()
    assert (answer - alone).mean() == pytest.approx(0.5 * seen + 0.25, abs=0.02)
    with pytest.raises(InputError, match="without its weights"):
        make_looks(keras, config, weights, looks)


def test_looks_and_deeplab_can_be_quantized(config, tensor, tmp_path):
    keras.utils.set_random_seed(3)
    save_arrays(get_weights(deeplab_scores(keras=keras, size=97)), tmp_path / "deeplab.npz")
    looks = Looks(scales=(0.5,), mirrored=(4 / 3,), near=0.75, deeplab=0.2, deeplab_size=97)
    model = make_looks(
        keras,
        config,
        tmp_path / "known.npz",
        looks,
        size=(128, 192),
        deeplab=tmp_path / "deeplab.npz",
    )
    images = np.stack([cv2.resize(image, (192, 128)) for image in tensor])
    spec = ModelSpec(name="teacher", height=128, width=192)
    frames = [np.rint((image[..., ::-1] + 1) * 127.5).astype(np.uint8) for image in images]
    data = convert_int8(model, spec, frames)
    assert integer_reasons(read_graph(data)) == []
    (tmp_path / "teacher.tflite").write_bytes(data)
    expected = np.asarray(model(images))
    answers = tflite_teacher(tmp_path / "teacher.tflite", spec, expected.shape[1:3])(images)
    assert expected.std() > 0.01
    np.testing.assert_allclose(answers, expected, atol=0.02)


def test_a_run_learns_to_answer_in_one_look(config, tmp_path):
    keras.utils.set_random_seed(5)
    teacher = make_network(keras, config, (64, 96))
    save_arrays(get_weights(teacher), tmp_path / "known.npz")
    looks = dataclasses.replace(ONE, scales=(1.0, 4 / 3))
    assert main(config, tmp_path / "known.npz", tmp_path / "looks.keras", looks) == 0
    assert [p.name for p in tmp_path.glob("*.keras")] == ["looks.keras"]
    start = dataclasses.replace(config.model, init="known.npz")
    for name, model in (("fresh", config.model), ("known", start)):
        run = dataclasses.replace(config, model=model)
        Trainer(run, tmp_path / name, root=tmp_path).run(console=QUIET)
    columns = {}
    for name in ("fresh", "known"):
        with open(tmp_path / name / "log.csv", newline="") as file:
            columns[name] = list(csv.DictReader(file))
    for row in columns["fresh"] + columns["known"]:
        assert float(row["loss"]) == pytest.approx(float(row["distillation"]), rel=1e-4)
    first, last = (float(columns["fresh"][i]["distillation"]) for i in (0, -1))
    assert last < first
    # What answers almost so already is closer from the beginning on.
    assert float(columns["known"][0]["distillation"]) < first


def test_mixed_precision_is_the_teachers_alone(config, tensor, tmp_path):
    mixed = dataclasses.replace(config, mixed_precision=True)
    looks = dataclasses.replace(ONE, scales=(1.0, 1.0))  # two looks alike are one
    assert main(mixed, tmp_path / "known.npz", tmp_path / "looks.keras", looks) == 0
    assert keras.config.dtype_policy().name == "float32"
    model = keras.saving.load_model(tmp_path / "looks.keras", compile=False)
    answer = np.asarray(model(tensor))
    assert answer.dtype == np.float32
    expected = np.asarray(make_looks(keras, config, tmp_path / "known.npz", ONE)(tensor))
    np.testing.assert_allclose(answer, expected, atol=0.02)
    assert np.abs(answer - expected).max() > 1e-6  # fewer digits


def test_the_program_takes_the_looks_that_are_given(config, tmp_path):
    words = [sys.executable, "-m", "edgeseg.training.looks", "patient.toml", "known.npz"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    near = ["--mirrored", "1", "--near", "0.5"]
    for given, said in (([], "2"), (near, "2"), (near[:2], "1")):
        done = subprocess.run([*words, *given, "-o", "made/looks.keras"], **options)
        assert done.returncode == 0, done.stderr
        assert f"made/looks.keras: looks at 96x64: {said}" in done.stderr
    made = keras.saving.load_model(tmp_path / "made/looks.keras", compile=False)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 96, 3)).astype(np.float32)
    straight = make_looks(keras, config, tmp_path / "known.npz", ONE)
    turned = np.asarray(straight(image[:, :, ::-1]))[:, :, ::-1]
    np.testing.assert_allclose(made(image), turned, atol=1e-5)
    assert made.get_layer("mirrored0").compute_dtype == "float32"
    half = [*near[:2], "--mixed-precision", "-o", "made/half.keras"]
    done = subprocess.run([*words, *half], **options)
    assert done.returncode == 0, done.stderr
    made = keras.saving.load_model(tmp_path / "made/half.keras", compile=False)
    kinds = {layer.compute_dtype for layer in made.get_layer("mirrored0").layers if layer.weights}
    assert kinds == {"bfloat16"}
    assert made.output.dtype == "float32"
    np.testing.assert_allclose(made(image), turned, atol=0.02)
    done = subprocess.run([*words, "-o", "looks.npz"], **options)
    assert done.returncode == 2
    assert "expected a name that ends with .keras" in done.stderr


def test_bad_looks(config, tmp_path):
    weights = tmp_path / "known.npz"
    classes = dataclasses.replace(config, data=dataclasses.replace(config.data, reader="coco"))
    with pytest.raises(InputError, match="got data with classes, expected binary masks"):
        make_looks(keras, classes, weights, ONE)
    wrong = dataclasses.replace(ONE, deeplab=0.2, deeplab_size=320)
    with pytest.raises(InputError, match="DeepLab's size: got 320, expected 16 n"):
        make_looks(keras, config, weights, wrong, deeplab=weights)
    with pytest.raises(InputError, match="got near without mirrored"):
        make_looks(keras, config, weights, dataclasses.replace(ONE, near=0.5))
    with pytest.raises(InputError, match="looks: got none"):
        make_looks(keras, config, weights, dataclasses.replace(ONE, scales=()))
    with pytest.raises(InputError, match=r"ends with \.keras"):
        main(config, weights, tmp_path / "looks.npz", ONE)
    with np.load(weights) as values:
        kept = {name: value for name, value in values.items() if not name.startswith("logits")}
    save_arrays(kept, tmp_path / "part.npz")
    with pytest.raises(InputError, match="got no logits"):
        make_looks(keras, config, tmp_path / "part.npz", ONE)

"""Scores of model files, by hand and through the command."""

import json

import cv2
import keras
import numpy as np
import pytest
import typer
from edgeseg.converters.int8 import convert_int8
from typer.testing import CliRunner

from edgeseg.commands import evaluate as command
from edgeseg.data.dataset import IGNORE
from edgeseg.data.folder import read_pairs
from edgeseg.data.readers import read_dataset
from edgeseg.errors import InputError, ModelError
from edgeseg.models import build
from edgeseg.models.weights import save_weights
from edgeseg.spec import ModelSpec
from edgeseg.training.confusion import Confusion
from edgeseg.training.evaluation import best_threshold, evaluate
from edgeseg.training.validation import validate

app = typer.Typer()
app.callback()(lambda: None)
command.register(app)


def test_confusion_by_hand():
    confusion = Confusion(4)
    truth = np.uint8([[0, 0, 0, 1], [1, 1, IGNORE, IGNORE]])
    confusion.add(truth, np.array([[0, 0, 1, 1], [1, 2, 3, 0]]))
    np.testing.assert_allclose(confusion.iou[:3], [2 / 3, 2 / 4, 0])
    assert np.isnan(confusion.iou[3])
    # Class 2 is predicted, but nowhere in the truth: it is not in the mean.
    assert confusion.mean_iou == pytest.approx((2 / 3 + 1 / 2) / 2)
    np.testing.assert_allclose(confusion.precision[:3], [1, 2 / 3, 0])
    np.testing.assert_allclose(confusion.recall[:2], [2 / 3, 2 / 3])
    assert np.isnan(confusion.recall[2:]).all()
    assert confusion.accuracy == pytest.approx(4 / 6)


def test_a_perfect_model_scores_one(shapes):
    dataset = read_val(shapes)
    answers = iter([sample.read_labels() for sample in dataset.samples])
    spec = ModelSpec("t", 40, 40, labels=dataset.labels, palette=dataset.palette)

    def oracle(tensor):
        return np.eye(3, dtype=np.float32)[next(answers)][None]

    result = evaluate(oracle, spec, dataset.samples, dataset.labels)
    assert result.iou == result.precision == result.recall == (1, 1, 1)
    assert (result.mean_iou, result.accuracy, result.boundary_f) == (1, 1, 1)
    with pytest.raises(InputError, match="classes: got 2 in the data"):
        evaluate(oracle, spec, dataset.samples, ("a", "b"))


def test_binary_masks_that_all_are_numbers_are_refused(tmp_path):
    for folder, value in (("images", 90), ("masks", 2)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.full((8, 8), value, np.uint8))
    dataset = read_dataset("folder", tmp_path)

    def nothing(tensor):
        return np.zeros((1, 8, 8, 1), np.float32)

    with pytest.raises(InputError, match="values are 2 at most, expected 0 for the background"):
        evaluate(nothing, ModelSpec("t", 8, 8), dataset.samples, dataset.labels)
    # Of nobody at all a score can be had.
    cv2.imwrite(str(tmp_path / "masks/a.png"), np.zeros((8, 8), np.uint8))
    result = evaluate(nothing, ModelSpec("t", 8, 8), dataset.samples, dataset.labels)
    assert result.accuracy == 1


def read_val(shapes):
    return read_dataset("folder", shapes, split="val")


def test_best_threshold_finds_the_bright_class(shapes):
    samples = read_val(shapes).samples
    value, below, iou = best_threshold(samples, 0)
    assert below
    images = [sample.read_image().mean(-1).astype(np.uint8) for sample in samples]
    hits = sum(((i <= value) & (s.read_labels() == 0)).sum() for i, s in zip(images, samples))
    union = sum(((i <= value) | (s.read_labels() == 0)).sum() for i, s in zip(images, samples))
    assert iou == pytest.approx(hits / union)


@pytest.fixture
def files(shapes, tmp_path):
    """The same little network as a run's folder, a Keras file and a .tflite."""
    keras.utils.set_random_seed(1)
    options = {"channels": 4, "depth": 1, "padding": "same"}
    model = build("unet", keras=keras, input_shape=(32, 32, 3), classes=3, **options)
    spec = ModelSpec("t", 32, 32, labels=("ground", "disc", "square"), palette=((0, 0, 0),) * 3)
    run = tmp_path / "run"
    save_weights(model, run / "weights.npz")
    model.save(run / "model.keras")
    (run / "spec.json").write_text(spec.to_json())
    (run / "config.json").write_text(
        json.dumps(
            {
                "name": "t",
                "data": {"root": "", "groups": [], "validation": ""},
                "stages": [],
                "model": {"name": "unet", "classes": 3, "options": options},
            }
        )
    )
    frames = [sample.read_image() for sample in read_val(shapes).samples]
    (run / "model.tflite").write_bytes(convert_int8(model, spec, frames))
    return run


def test_command_scores_every_kind_of_file_alike(files, shapes, tmp_path):
    results = []
    for index, model in enumerate((files, files / "model.keras", files / "model.tflite")):
        out = tmp_path / f"{index}.json"
        words = ["evaluate", str(model), "--data", str(shapes), "--format", "folder"]
        result = CliRunner().invoke(app, [*words, "--split", "val", "--threshold", "-o", str(out)])
        assert result.exit_code == 0, result.output
        assert "mean IoU" in result.output
        assert "best global threshold for disc" in result.output
        results.append(json.loads(out.read_text()))
    assert results[0] == results[1]
    assert results[2]["mean_iou"] == pytest.approx(results[0]["mean_iou"], abs=0.05)


def test_command_refuses_data_that_it_cannot_score(files, shapes, tmp_path):
    words = ["evaluate", str(files), "--data", str(shapes), "--format", "folder", "--split", "val"]
    result = CliRunner().invoke(app, [*words, "--last", "0"])
    assert "last: got 0, which is none of 4 samples" in str(result.exception)
    result = CliRunner().invoke(app, [*words, "-o", str(shapes / "val/images/0.png/x.json")])
    assert "0.png is a file" in str(result.exception)
    mask = shapes / "val/masks/1.png"
    kept = mask.read_bytes()
    cv2.imwrite(str(mask), np.zeros((40, 30), np.uint8))
    result = CliRunner().invoke(app, words)
    assert "1.png: got a mask of 30x40, expected its image's 40x40" in str(result.exception)
    mask.unlink()
    result = CliRunner().invoke(app, words)
    assert "got 1 bad samples" in str(result.exception)
    mask.write_bytes(kept)
    assert CliRunner().invoke(app, words).exit_code == 0


def test_ids_that_no_class_has_and_broken_weights_are_named(files, shapes):
    words = ["evaluate", str(files), "--data", str(shapes), "--format", "folder", "--split", "val"]
    (shapes / "labels.txt").write_text("ground 0 0 0\ndisc 255 0 0\nsquare 0 0 255\n")
    cv2.imwrite(str(shapes / "val/masks/1.png"), np.full((40, 40), 7, np.uint8))
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, InputError)
    assert "1.png: got unknown class ids [254], expected 3 classes" in str(result.exception)
    weights = files / "weights.npz"
    for size in (weights.stat().st_size // 2, 0):
        weights.write_bytes(weights.read_bytes()[:size])
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, InputError)
        assert "weights.npz: got damaged weights" in str(result.exception)


@pytest.mark.parametrize(("side", "output"), [(60, 20), (52, 12)])
def test_an_answer_without_the_borders_is_not_stretched(shapes, side, output):
    spec = ModelSpec("t", side, side, labels=("ground", "disc", "square"), palette=((0, 0, 0),) * 3)
    samples = read_val(shapes).samples
    margin = (side - output) // 2

    def middle(tensor):
        # The images' colours tell the classes: blue discs, red squares.
        red, _, blue = np.moveaxis(tensor[:, margin:-margin, margin:-margin], -1, 0)
        return np.stack([red * 0, blue, red], -1)

    with pytest.raises(InputError, match=f"got an output of {output}x{output}.*--tile"):
        evaluate(middle, spec, samples, spec.labels)
    assert evaluate(middle, spec, samples, spec.labels, tile=True).mean_iou > 0.95


def test_nothing_found_where_nothing_is_is_right(tmp_path):
    for folder, value in (("images", 90), ("masks", 0)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a_1.png"), np.full((8, 8), value, np.uint8))
    samples = read_pairs(tmp_path)
    spec = ModelSpec("t", 8, 8)
    scores = [
        validate(lambda x, p=p: np.full((len(x), 8, 8, 1), p, np.float32), spec, samples)["a"]
        for p in (0.0, 1.0)
    ]
    assert scores == [1.0, 0.0]


def test_answers_that_are_no_numbers_are_no_scores(shapes):
    spec = ModelSpec("t", 40, 40, labels=("ground", "disc", "square"), palette=((0, 0, 0),) * 3)
    samples = read_val(shapes).samples

    def nothing(tensor):
        return np.full((len(tensor), 40, 40, 3), np.nan, np.float32)

    with pytest.raises(ModelError, match="got NaN or infinite answers"):
        evaluate(nothing, spec, samples, spec.labels)


def test_command_refuses_what_is_no_model(shapes, tmp_path):
    words = ["evaluate", str(shapes), "--data", str(shapes), "--format", "folder", "--split", "val"]
    result = CliRunner().invoke(app, words)
    assert "config.json: got no readable file" in str(result.exception)
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    spec = ModelSpec("t", 40, 40, labels=("ground", "disc", "square"), palette=((0, 0, 0),) * 3)
    (tmp_path / "spec.json").write_text(spec.to_json())
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path / "broken.keras"), *words[2:]])
    assert "broken.keras: got no Keras model that can be loaded" in str(result.exception)
    (tmp_path / "config.json").write_text("{")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path), *words[2:]])
    assert "config.json: got invalid JSON" in str(result.exception)

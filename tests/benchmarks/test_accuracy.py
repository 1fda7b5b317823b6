"""Scores of images and their summary, by hand; MediaPipe's published model on real photos."""

from __future__ import annotations

import zipfile
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from edgeseg.benchmarks import accuracy, subjects
from edgeseg.benchmarks.peers import cache_folder, mediapipe_subjects
from edgeseg.benchmarks.subjects import Subject

from edgeseg.errors import InputError, ModelError
from edgeseg.runtime import assets
from edgeseg.spec import ModelSpec


def red(frame: np.ndarray) -> np.ndarray:
    return frame[..., 2] > 128


def measured(data, segment):
    samples = accuracy.read_folders([data])
    return accuracy.measure(Subject("s", "peer", segment=segment), samples, lambda: None).scores


def test_a_perfect_subject(data):
    summary = accuracy.summarise(measured(data, red))
    assert summary["mean"]["images"] == 4
    assert summary["mean"]["iou"] == summary["mean"]["boundary_f"] == 1.0
    assert summary["families"]["neg"]["false_positive_area"] == 0.0
    assert set(summary["families"]) == {"a", "b", "neg"}
    assert "iou" not in summary["families"]["neg"]


def test_everything_called_foreground(data):
    summary = accuracy.summarise(measured(data, lambda frame: np.ones(frame.shape[:2], bool)))
    areas = [32 * 24, 33 * 24, 34 * 24]
    assert summary["families"]["a"]["iou"] == pytest.approx(sum(areas[:2]) / 2 / 64**2)
    assert summary["families"]["b"]["precision"] == pytest.approx(areas[2] / 64**2)
    assert summary["mean"]["recall"] == 1.0
    assert summary["mean"]["set_iou"] == pytest.approx(sum(areas) / (3 * 64**2))
    assert summary["families"]["neg"]["false_positive_area"] == 1.0


def test_nothing_called_foreground(data):
    summary = accuracy.summarise(measured(data, lambda frame: np.zeros(frame.shape[:2], bool)))
    assert summary["mean"]["iou"] == summary["mean"]["precision"] == 0.0


def test_a_summary_by_hand():
    """Two images with somebody, two without: the means are of one kind each."""

    def one(name, family="f", **values):
        return accuracy.ImageScore(name, family, **values)

    rates = {"boundary_f": 0.5, "precision": 0.75, "recall": 0.25}
    found = accuracy.summarise(
        [
            one("a", iou=0.5, intersection=10, union=20, **rates),
            one("b", iou=0.9, intersection=90, union=100, **dict.fromkeys(rates, 1.0)),
            one("c", false_area=0.1),
            one("d", false_area=0.3),
            one("e", "none", false_area=0.2),
        ]
    )
    family, none = found["families"]["f"], found["families"]["none"]
    assert family["images"] == 4
    assert family["iou"] == pytest.approx(0.7)
    assert family["set_iou"] == pytest.approx(100 / 120)
    means = {key: family[key] for key in rates}
    assert means == pytest.approx({"boundary_f": 0.75, "precision": 0.875, "recall": 0.625})
    assert family["false_positive_area"] == pytest.approx(0.2)
    assert family["ci"] == pytest.approx([0.5, 0.9])
    assert family["false_positive_ci"] == pytest.approx([0.1, 0.3])
    assert none["ci"] == pytest.approx([0.2, 0.2])
    assert "iou" not in none


def test_subsample_is_even_in_each_family(data):
    samples = accuracy.read_folders([data])
    assert [s.name for s in accuracy.subsample(samples, 1)] == ["a_0", "b_2", "neg_0"]
    assert len(accuracy.subsample(samples, 0)) == 4


def test_masks_that_do_not_fit_are_named(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    image, mask = tmp_path / "images/a_0.png", tmp_path / "masks/a_0.png"
    cv2.imwrite(str(image), np.full((16, 16, 3), 90, np.uint8))
    for values, message in (
        (np.full((16, 12), 255, np.uint8), "got a mask of 12x16, expected its image's 16x16"),
        (np.ones((16, 16), np.uint8), "got a mask of 0 and 1, expected 0 for the background"),
    ):
        cv2.imwrite(str(mask), values)
        with pytest.raises(InputError, match=message):
            measured(tmp_path, red)


def test_a_mask_without_borders_is_refused(monkeypatch):
    output = SimpleNamespace(shape=(1, 388, 388, 1))
    monkeypatch.setattr(subjects, "Interpreter", lambda *_, **__: SimpleNamespace(outputs=[output]))
    path = assets.resolve("person")
    subject = Subject("s", "model", path, ModelSpec("unet", 572, 572))
    with pytest.raises(ModelError, match="output of 388x388 for an input of 572x572, without its"):
        subject.predictor()


def test_a_name_in_two_folders_is_refused(data):
    with pytest.raises(InputError, match="a_0"):
        accuracy.read_folders([data, data])


def test_selfie_model_on_real_photos(data_root):
    """The figures of 20 photos a family lie within the intervals of all of them."""
    if not any(cache_folder().glob("selfie_segmentation.tflite")):
        pytest.skip("MediaPipe's model is not in the cache: run a benchmark with --peer mediapipe")
    try:
        selfie = mediapipe_subjects()[0]
    except (InputError, zipfile.BadZipFile) as error:
        pytest.skip(f"MediaPipe's model is not usable: {error}")
    samples = accuracy.read_folders([data_root / "person" / "val"])
    scores = accuracy.measure(selfie, accuracy.subsample(samples, 20), lambda: None).scores
    families = accuracy.summarise(scores)["families"]
    for family, expected in {"ccp": 0.907, "coco": 0.597, "vikram": 0.874}.items():
        low, high = families[family]["ci"]
        assert low < expected < high

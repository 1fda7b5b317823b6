"""Better masks from three opinions: what each counts, where they are written, who reads them."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import cv2
import keras
import numpy as np
import pytest
from rich.console import Console

from edgeseg.data.folder import Sample, read_pairs
from edgeseg.errors import InputError
from edgeseg.models.deeplab import deeplab_scores
from edgeseg.models.weights import get_weights, save_arrays
from edgeseg.training import relabel
from edgeseg.training.config import TrainConfig
from edgeseg.training.config_file import build
from edgeseg.training.relabel import Opinions, deeplab_odds, main, mirrored_mean, together
from edgeseg.training.sources import make_network
from edgeseg.training.tasks import make_task

QUIET = Console(quiet=True)
PLAIN = Opinions(sizes=((64, 64),), deeplab=0.25, mask=1.0, shift=0.0)


def opinion(network, deeplab, mask):
    """The mask of one pixel, 0 to 1."""
    arrays = np.float32([[network]]), np.float32([[deeplab]]), np.uint8([[mask]])
    return together(*arrays, PLAIN)[0, 0] / 255


def test_three_opinions_are_added_as_log_odds():
    assert opinion(0, 0, 255) == pytest.approx(0.9, abs=0.002)
    assert opinion(0, 0, 0) == pytest.approx(0.1, abs=0.002)
    # Somebody whom the mask leaves out, and something in a hand that it holds for a person.
    assert opinion(5, 4, 0) > 0.95
    assert opinion(-4, -8, 255) < 0.05
    # Where the network does not know, the mask's border decides, and soft stays soft.
    assert opinion(0, 0, 128) == pytest.approx(0.5, abs=0.01)
    # DeepLab is cut at 8 : its confidence does not outvote everybody.
    assert opinion(2, -50, 255) == opinion(2, -8, 255) > 0.85
    shifted = dataclasses.replace(PLAIN, shift=1.0)
    nothing = np.zeros((1, 1), np.float32)
    assert together(nothing, nothing, np.uint8([[128]]), shifted)[0, 0] == pytest.approx(187, abs=2)


def test_a_mirrored_answer_is_turned_back():
    tensor = np.random.default_rng(0).random((2, 4, 6, 3), np.float32)
    np.testing.assert_allclose(mirrored_mean(lambda x: x[..., 0], tensor), tensor[..., 0])
    # What prefers one side is evened out.
    ramp = np.arange(6, dtype=np.float32)
    halved = mirrored_mean(lambda x: np.broadcast_to(ramp, x.shape[:3]), tensor)
    np.testing.assert_allclose(halved, 2.5)


@pytest.fixture
def config(tmp_path, write_pairs, small_hourglass):
    """Six photos of a bright square, whose masks are empty, and two that validate."""
    rng = np.random.default_rng(0)

    def draw(index):
        image = rng.integers(0, 90, (48, 64, 3), dtype=np.uint8)
        image[10:34, 8 : 8 + 8 * index + 8] += 120
        return image, np.zeros((48, 64), np.uint8)

    write_pairs(tmp_path, {"train": 6, "val": 2}, draw)
    values = {
        "name": "square",
        "model": small_hourglass,
        "data": {
            "root": ".",
            "validation": "val",
            "leave_out": ["3"],
            "groups": [
                {"folder": "train", "labels": "mended", "families": ["0", "1"]},
                {"folder": "train", "labels": "mended", "families": ["1", "2", "3"]},
            ],
        },
        "stages": [{"steps": 1, "size": [64, 64], "batch": 2, "rate": [1e-3, 1e-3]}],
    }
    return build(TrainConfig, values, where="test")


def test_the_masks_are_written_and_trained_on(config, tmp_path, monkeypatch):
    monkeypatch.setattr(relabel, "SIZE", 33)
    network, deeplab = tmp_path / "network.npz", tmp_path / "deeplab.npz"
    values = get_weights(make_network(keras, config, (64, 64)))
    values["logits/kernel"] *= 0
    values["logits/bias"] += 3.0
    save_arrays(values, network)
    published = get_weights(deeplab_scores(keras=keras, size=33))
    published["semantic/kernel"] *= 0
    save_arrays(published, deeplab)
    with pytest.raises(InputError, match="edgeseg.training.relabel"):
        make_task(config, tmp_path)
    assert main(config, network, deeplab, root=tmp_path, console=QUIET, opinions=PLAIN) == 0
    assert sorted(p.name for p in (tmp_path / "mended").iterdir()) == ["0.png", "1.png", "2.png"]
    # Equal scores of 21 classes are log odds of -ln 20 for one of them.
    odds = 3.0 - 0.25 * np.log(20) - np.log(9)
    expected = 255 / (1 + np.exp(-odds))
    for sample in make_task(config, tmp_path).trained():
        assert sample.mask == tmp_path / "mended" / f"{sample.name}.png"
        mask = sample.read_mask()
        assert mask.shape == (48, 64)
        np.testing.assert_allclose(mask, expected, atol=1)
    with pytest.raises(InputError, match="remove it first"):
        main(config, network, deeplab, root=tmp_path, console=QUIET, opinions=PLAIN)


def test_what_a_network_is_shown_and_its_answer_at_the_images_size():
    seen = []

    def red(tensor):
        seen.append(tensor)
        return tensor[..., 0]

    image = np.zeros((8, 12, 3), np.uint8)
    image[:, 6:, 2] = 255  # red, on the right half
    (answer,) = relabel._enlarged([image], red, (4, 6))
    shown, mirrored = seen[0][:1], seen[0][1:]
    assert shown.shape == mirrored.shape == (1, 4, 6, 3)
    # RGB, -1 for black and 1 for white.
    np.testing.assert_allclose(shown[0, 0, :, 0], [-1, -1, -1, 1, 1, 1])
    np.testing.assert_allclose(shown[..., 1:], -1)
    np.testing.assert_allclose(mirrored, shown[:, :, ::-1])
    assert answer.shape == (8, 12)
    np.testing.assert_allclose(answer[:, [0, -1]], [[-1, 1]] * 8)


def test_a_run_that_fails_leaves_no_masks_behind(tmp_path):
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((8, 8, 3), np.uint8))

    def broken(tensor):
        raise ValueError("no memory")

    with pytest.raises(ValueError, match="no memory"):
        relabel.relabel(
            [Sample(image, None)],
            {(64, 64): broken},
            (33, broken),
            tmp_path / "mended",
            opinions=PLAIN,
            console=QUIET,
        )
    assert not (tmp_path / "mended").exists()


def test_masks_of_numbers_are_refused_before_anything_is_loaded(config, tmp_path):
    masks = tmp_path / "train/masks"
    for path in masks.iterdir():
        cv2.imwrite(str(path), np.full((48, 64), 2, np.uint8))
    with pytest.raises(InputError, match="values are 2 at most, expected 0"):
        main(config, tmp_path, tmp_path, root=tmp_path, console=QUIET)
    cv2.imwrite(str(masks / "0.png"), np.full((48, 64), 255, np.uint8))
    cv2.imwrite(str(masks / "1.png"), np.full((8, 8), 255, np.uint8))
    with pytest.raises(InputError, match=r"got 1 bad files, the first .*1\.png: got a mask of 8x8"):
        main(config, tmp_path, tmp_path, root=tmp_path, console=QUIET)


def test_a_configuration_without_labels_is_refused(config, tmp_path):
    groups = tuple(dataclasses.replace(g, labels="") for g in config.data.groups)
    plain = dataclasses.replace(config, data=dataclasses.replace(config.data, groups=groups))
    with pytest.raises(InputError, match="no group with labels"):
        main(plain, tmp_path, tmp_path, root=tmp_path, console=QUIET)


def test_a_person_against_everything_else(tmp_path):
    values = get_weights(deeplab_scores(keras=keras, size=33))
    values["semantic/kernel"] *= 0
    values["semantic/bias"] += np.log(np.arange(1, 22, dtype=np.float32))
    save_arrays(values, tmp_path / "deeplab.npz")
    model = deeplab_odds(keras, tmp_path / "deeplab.npz", size=33)
    answer = model(np.zeros((1, 33, 33, 3), np.float32))
    assert answer.shape == (1, 3, 3)
    np.testing.assert_allclose(answer, np.log(16 / (231 - 16)), atol=1e-4)


def test_images_are_left_out_by_name(tmp_path, write_pairs):
    write_pairs(tmp_path, {"train": 3}, lambda index: (np.zeros((8, 8, 3), np.uint8),) * 2)
    names = [sample.name for sample in read_pairs(tmp_path / "train", leave_out=["1"])]
    assert names == ["0", "2"]

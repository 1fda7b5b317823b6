"""Fixtures of the converter tests: the data folder, a tiny network, its frames."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.spec import ModelSpec

# Before anything imports keras: the models are built with Keras 3 on TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIDE = 64


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data is absent: no folder {root}; set EDGESEG_DATA")
    return root


@pytest.fixture(scope="session")
def frames() -> list[np.ndarray]:
    """Twelve real pictures, uint8 (96, 128, 3) BGR: parts of a photograph."""
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    photo = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    corners = [(y, x) for y in (0, 120, 240) for x in (0, 100, 200, 300)]
    return [cv2.resize(photo[y : y + 200, x : x + 200], (128, 96)) for y, x in corners]


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return ModelSpec("tiny", SIDE, SIDE)


@pytest.fixture(scope="session")
def video_spec() -> ModelSpec:
    return ModelSpec("tiny", SIDE, SIDE, previous_mask=True)


def build(channels: int):
    """A tiny hourglass with untrained weights, scaled so that its masks have contrast."""
    keras = pytest.importorskip("keras", reason="needs the extra convert")
    from edgeseg.models.hourglass import hourglass

    keras.utils.set_random_seed(3)
    model = hourglass(
        keras=keras,
        input_shape=(SIDE, SIDE, channels),
        encoder="plain",
        width=0.25,
        decoder_channels=(16, 16, 8, 8, 8),
    )
    kernel, bias = model.get_layer("logits").get_weights()
    probe = keras.Model(model.inputs, model.get_layer("logits").input)
    rng = np.random.default_rng(0)
    features = np.asarray(probe([rng.uniform(-1, 1, (4, SIDE, SIDE, channels)).astype(np.float32)]))
    flat = features.reshape(-1, features.shape[-1]) @ kernel[0, 0]
    gain = 2 / max(flat.std(), 1e-6)
    model.get_layer("logits").set_weights([kernel * gain, bias - gain * flat.mean()])
    return model


@pytest.fixture(scope="session")
def model():
    return build(3)


@pytest.fixture(scope="session")
def video_model():
    return build(4)


@pytest.fixture(scope="session")
def photos(tmp_path_factory, frames) -> Path:
    """A folder with `images` and `masks`: the upper half of each picture is the object."""
    root = tmp_path_factory.mktemp("photos")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for index, frame in enumerate(frames):
        mask = np.zeros(frame.shape[:2], np.uint8)
        mask[: mask.shape[0] // 2] = 255
        cv2.imwrite(str(root / "images" / f"{index:05d}.png"), frame)
        cv2.imwrite(str(root / "masks" / f"{index:05d}.png"), mask)
    return root


@pytest.fixture(scope="session")
def saved(tmp_path_factory, model, spec) -> Path:
    """A saved .keras with its spec.json beside."""
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "model.keras")
    (folder / "spec.json").write_text(spec.to_json())
    return folder / "model.keras"

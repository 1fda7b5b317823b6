"""Where the real samples lie."""

import os
from pathlib import Path

import pytest

DENSE_ENTRY = """
name = "dense"
[model]
name = "hourglass"
width = {width}
output_stride = 4
decoder_channels = [8, 8, 8, 8]
[model.options]
encoder = "dense_entry"
{options}
[data]
root = "{root}/person"
validation = "val"
[[data.groups]]
folder = "train"
families = ["vikram"]
[[stages]]
steps = 10
size = [64, 64]
batch = 4
"""


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the sample data; tests that read it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "../shared/data"
    root = Path(os.environ.get("EDGESEG_DATA", default)).resolve()
    if not root.is_dir():
        pytest.skip(f"no sample data at {root}; set EDGESEG_DATA to its folder")
    return root


@pytest.fixture
def small_hourglass():
    """The `[model]` of a network for images of 64x64."""
    return {
        "name": "hourglass",
        "decoder_channels": [8, 8, 8, 8],
        "output_stride": 4,
        "options": {"encoder": "plain"},
    }


@pytest.fixture
def write_pairs():
    """Writes `images/N.png` and `masks/N.png` of each split, as `draw(index)` gives them."""
    import cv2

    def write(root, counts, draw):
        for split, count in counts.items():
            for folder in ("images", "masks"):
                (root / split / folder).mkdir(parents=True)
            for index in range(count):
                image, mask = draw(index)
                cv2.imwrite(str(root / split / f"images/{index}.png"), image)
                cv2.imwrite(str(root / split / f"masks/{index}.png"), mask)

    return write


@pytest.fixture
def write_discs(write_pairs):
    """Writes eight images of a bright disc to train on and two that validate, 64 pixels high."""
    import cv2
    import numpy as np

    def write(root, width):
        rng = np.random.default_rng(0)

        def draw(_):
            image = rng.integers(0, 90, (64, width, 3), dtype=np.uint8)
            mask = np.zeros((64, width), np.uint8)
            cv2.circle(mask, tuple(int(v) for v in rng.integers(16, 48, 2)), 14, 255, -1)
            image[mask > 0] += 120
            return image, mask

        write_pairs(root, {"train": 8, "val": 2}, draw)

    return write


@pytest.fixture
def shapes(tmp_path, write_pairs):
    """A tiny data set in `images/` + `masks/` with three classes: discs and squares on noise."""
    import cv2
    import numpy as np

    root = tmp_path / "data"
    rng = np.random.default_rng(0)

    def draw(_):
        image = rng.integers(0, 90, (40, 40, 3), dtype=np.uint8)
        mask = np.zeros((40, 40), np.uint8)
        cv2.circle(mask, tuple(int(v) for v in rng.integers(8, 32, 2)), 7, 1, -1)
        x, y = (int(v) for v in rng.integers(0, 26, 2))
        cv2.rectangle(mask, (x, y), (x + 10, y + 10), 2, -1)
        image[mask == 1, 0] += 150
        image[mask == 2, 2] += 150
        return image, mask

    write_pairs(root, {"train": 10, "val": 4}, draw)
    (root / "labels.txt").write_text("ground 0 0 0\ndisc 255 0 0\nsquare 0 0 255\n")
    return root


@pytest.fixture
def config(shapes):
    """A run of a tiny U-Net with dropout on `shapes`: 24 steps in two stages."""
    from edgeseg.training.config import TrainConfig
    from edgeseg.training.config_file import build

    values = {
        "name": "shapes",
        "seed": 3,
        "validate_every": 8,
        "checkpoint_every": 5,
        "tensorboard": False,
        "model": {
            "name": "unet",
            "options": {"channels": 4, "depth": 2, "padding": "same", "dropout": 0.2},
        },
        "data": {
            "root": str(shapes),
            "reader": "folder",
            "validation": "val",
            "groups": [{"folder": "train"}],
        },
        "stages": [
            {"steps": 14, "size": [32, 32], "batch": 4, "rate": [1e-2, 5e-3]},
            {"steps": 10, "size": [40, 40], "batch": 2, "rate": [5e-3, 1e-3]},
        ],
        "optimizer": {"warmup": 3, "average": 0.9},
    }
    return build(TrainConfig, values, where="test")


@pytest.fixture
def dense_entry_config(data_root, tmp_path):
    """Writes the configuration of a small hourglass on portraits; returns its path."""

    def write(*, width, options=""):
        path = tmp_path / "dense.toml"
        path.write_text(
            DENSE_ENTRY.format(root=data_root, width=width, options=options), encoding="utf-8"
        )
        return path

    return write


@pytest.fixture
def images():
    """Three smooth images in [-1, 1] (3, 16, 24, 3) and their brightness, 0 to 1 (3, 16, 24, 1)."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).uniform(-1, 1, (3, 4, 6, 3)).astype(np.float32)
    tensor = np.stack([cv2.resize(image, (24, 16)) for image in noise])
    return tensor, tensor.mean(-1, keepdims=True) / 2 + 0.5

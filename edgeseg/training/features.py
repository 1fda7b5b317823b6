"""Write the feature maps of a published DeepLab for the training images of a configuration.

They are a second target of training (`[features]` in CONFIG): a network that learns a
few hundred photos of things may forget what its encoder knew about all others, unless
it has to go on answering as that encoder did (Li and Hoiem 2016, "Learning without
forgetting"; Romero et al. 2015, "FitNets").

    python -m edgeseg.training.features CONFIG WEIGHTS.npz
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from ..data.feature_maps import CLASSES, INDEX, MAPS
from ..data.folder import Sample
from ..errors import InputError, require
from ..models.deeplab import FEATURES, deeplab_features
from ..models.initialise import read_values
from ..models.weights import load_weights, save_arrays
from ..preprocess import resize
from ..runtime.console import exit_code_of
from .binary_task import BinaryTask
from .config import TrainConfig
from .config_file import load_config
from .feed import made_ahead
from .record import write_text

SIZE = 513
BATCH = 16
LAST_LAYER = "semantic"
SCALE = 6 / 255


def thinned(features: np.ndarray) -> np.ndarray:
    """Every second value along both sides, after [1, 2, 1] / 4.

    (N, 2n+1, 2n+1, C) -> (N, n+1, n+1, C). The first and the last value stay at the
    borders of the photo.
    """
    for axis in (1, 2):
        padded = np.pad(features, [(1, 1) if a == axis else (0, 0) for a in range(4)], "reflect")
        count = features.shape[axis]
        before, here, after = (
            np.take(padded, np.arange(start, start + count, 2), axis) for start in range(3)
        )
        features = (before + 2 * here + after) / 4
    return features


def write_features(
    samples: list[Sample], model: Any, folder: Path, *, root: Path, console: Console
) -> float:
    """Maps of every sample's whole photo, beside and renamed; returns their variance.

    model: from `deeplab_features`. root: what the images' paths in the index are relative to.
    """
    size = model.input_shape[1]
    side = (model.output_shape[1] + 1) // 2
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{MAPS}.part"
    shape = (len(samples), side, side, FEATURES)
    maps = np.lib.format.open_memmap(beside, "w+", np.uint8, shape)
    total, squares = np.zeros(FEATURES), np.zeros(FEATURES)
    parts = [slice(first, first + BATCH) for first in range(0, len(samples), BATCH)]

    def tensor_of(sample: Sample) -> np.ndarray:
        image = resize(sample.read_image(), size, size)
        return image[..., ::-1].astype(np.float32) / 127.5 - 1

    def read(part: slice) -> np.ndarray:
        return np.stack(list(pool.map(tensor_of, samples[part])))

    with Progress(console=console) as progress, ThreadPoolExecutor() as pool:
        task = progress.add_task("feature maps", total=len(samples))
        for part, tensor in made_ahead(iter(parts), read):
            answers = thinned(np.asarray(model.predict_on_batch(tensor), np.float32))
            maps[part] = np.rint(answers / SCALE)
            total += answers.mean((1, 2)).sum(0)
            squares += np.square(answers).mean((1, 2)).sum(0)
            progress.advance(task, len(tensor))
    maps.flush()
    del maps  # Windows renames no file that is open
    variance = float(np.sum(squares / len(samples) - np.square(total / len(samples))))
    images = [os.path.relpath(sample.image, root) for sample in samples]
    os.replace(beside, folder / MAPS)
    index = {"scale": SCALE, "variance": variance, "images": images}
    write_text(folder / INDEX, json.dumps(index))
    return variance


def write_classes(values: dict[str, np.ndarray], folder: Path) -> None:
    """The published network's last layer, beside the maps; nothing where `values` lacks it."""
    if f"{LAST_LAYER}/kernel" in values:
        kernel, bias = values[f"{LAST_LAYER}/kernel"][0, 0], values[f"{LAST_LAYER}/bias"]
        save_arrays({"kernel": kernel, "bias": bias}, folder / CLASSES)


def main(config: TrainConfig, weights: Path, *, root: Path, console: Console) -> int:
    """Write the maps that `config` names; returns the exit code."""
    if not config.features.folder:
        raise InputError(
            f"{config.name}: got no features.folder, expected where the maps shall lie"
        )
    keras = require("keras", extra="train")
    task = BinaryTask(config, root / config.data.root, labels=root)
    samples = task.trained()
    model = deeplab_features(keras=keras, size=SIZE)
    load_weights(model, weights)
    folder = root / config.features.folder
    write_features(samples, model, folder, root=root / config.data.root, console=console)
    write_classes(read_values(weights), folder)
    console.print(f"{folder}: {len(samples)} feature maps")
    return 0


def _command(
    # Escaped for Rich, which would take it for a style.
    config: Path = typer.Argument(..., help=r"Training configuration with \[features]."),  # noqa: B008
    weights: Path = typer.Argument(..., help="The published DeepLab's weights, width 1.0."),  # noqa: B008
) -> None:
    console = Console(stderr=True)
    raise typer.Exit(
        exit_code_of(
            lambda: main(load_config(config), weights, root=config.parent, console=console)
        )
    )


if __name__ == "__main__":
    typer.run(_command)

"""Fit the dense entry of the hourglass to the first blocks of published MobileNetV2 weights.

The network of CONFIG has `encoder = "dense_entry"`. Its first layers learn by regression
what block 2 of the MobileNetV2 in WEIGHTS answers to the augmented training images of
CONFIG. FILE gets WEIGHTS with the entry's beside them, to be the `init` of CONFIG. Where
WEIGHTS are a whole hourglass's, its decoder is fitted to the other features as well.

    python -m edgeseg.training.entry CONFIG WEIGHTS -o FILE.npz
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..errors import InputError, require
from ..models import build
from ..models.dense_encoders import ENTRY_END, ENTRY_TARGET
from ..models.folding import fold
from ..models.initialise import fill, read_values
from ..models.weights import get_weights, save_arrays
from ..output import check_file
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .progress import noted_progress
from .spread import examples
from .target_config import FeaturesConfig
from .tasks import make_task

STEPS, BATCH, RATE = 1500, 24, 5e-3
LAST = 100


def fit_entry(
    config: TrainConfig, weights: Path, *, root: Path, console: Console, steps: int = STEPS
) -> tuple[dict[str, np.ndarray], float]:
    """The weights in `weights` with a fitted entry's beside them, and what it leaves unexplained.

    config: of the training that follows; its images, size and crop of the first stage,
        its seed. root: folder that the configuration's paths are relative to.
    Returns weights by name, and the squared error over the variance of what was to be
    answered, mean over channels and the last 100 steps.
    Raises InputError for another network, and for weights without one of its blocks.
    """
    keras = require("keras", extra="train")
    # A second target of the training that follows is none of this one's.
    config = dataclasses.replace(config, features=FeaturesConfig())
    target, entry, network = _networks(keras, config, weights)
    stage = dataclasses.replace(config.stages[0], batch=BATCH)
    pipeline = make_task(config, root).pipeline(stage, network)
    [example] = examples(keras, target, pipeline)
    _compile(keras, entry, example, steps)
    errors = []
    with noted_progress(console) as progress:
        task = progress.add_task("fitting the entry", total=steps, note="")
        for batch in pipeline.batches(BATCH, start=0, stop=steps, workers=config.data.workers):
            entry.reset_metrics()  # Keras would give the mean since the start
            answer = target.predict_on_batch(batch.tensor)
            errors.append(float(entry.train_on_batch(batch.tensor, answer)))
            progress.update(task, advance=1, note=f"unexplained {errors[-1]:.3f}")
    fitted = {k: v for k, v in get_weights(network).items() if k.startswith("entry")}
    return merge({**fold(read_values(weights)), **fitted}), float(np.mean(errors[-LAST:]))


def _networks(keras: Any, config: TrainConfig, weights: Path) -> tuple[Any, Any, Any]:
    """What is to be answered, the entry that shall, and the hourglass that it is the entry of."""
    encoder = config.model.options.get("encoder", "mobilenet_v2")
    if encoder != "dense_entry":
        raise InputError(f"{config.name}: got the encoder {encoder!r}, expected 'dense_entry'")
    keras.utils.set_random_seed(config.seed)
    options = {"input_shape": (*config.stages[0].size, 3), "width": config.model.width}
    source = build("hourglass", keras=keras, **options)
    fill(
        source,
        weights,
        purpose=f"width {config.model.width}",
        optional=lambda name: not name.startswith(("stem", "block")),
    )
    network = build("hourglass", keras=keras, encoder=encoder, **options)
    target = keras.Model(source.input, source.get_layer(ENTRY_TARGET).output)
    entry = keras.Model(network.input, network.get_layer(ENTRY_END).output)
    return target, entry, network


def merge(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A hourglass's weights with those of an entry, for the features that a dense entry gives.

    Two 1x1 convolutions in a row without an activation are one: the decoder takes block
    16 before its projection, and the skip at 1/4 the entry before its own. Weights
    without a decoder are returned as they are.
    """
    merged = dict(values)
    for first, second in (("block16_project", "decoder32_reduce"), (ENTRY_END, "decoder4_skip")):
        if f"{second}/kernel" in values:
            kernel = values[f"{second}/kernel"]
            merged[f"{second}/kernel"] = values[f"{first}/kernel"] @ kernel
            shift = values[f"{first}/bias"] @ kernel[0, 0]
            merged[f"{second}/bias"] = values[f"{second}/bias"] + shift
    return merged


def _compile(keras: Any, entry: Any, example: np.ndarray, steps: int) -> None:
    """Adam down a cosine, on squared errors in which each channel of `example` weighs alike."""
    scale = 1 / example.std((0, 1, 2))

    def unexplained(truth, answer):
        return keras.ops.mean(keras.ops.square((answer - truth) * scale))

    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.01)
    entry.compile(keras.optimizers.Adam(rate), loss=unexplained)


def main(config: Path, weights: Path, output: Path, steps: int = STEPS) -> int:
    """Fit the entry for `config` to `weights` and write `output`; returns the exit code."""
    check_file(output)
    console = Console(stderr=True)
    fitted, left = fit_entry(
        load_config(config), weights, root=config.parent, console=console, steps=steps
    )
    save_arrays(fitted, output)
    console.print(f"{output}: the entry leaves {left:.3f} of the variance unexplained")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Weights of a MobileNetV2 or an hourglass."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    steps: int = typer.Option(STEPS, help="Steps of the regression."),
) -> None:
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, steps)))


if __name__ == "__main__":
    typer.run(_command)

"""Another beginning for a trained hourglass: new first layers, fitted to what the old ones gave.

The network of CONFIG shares its deeper layers with the trained hourglass whose weights WEIGHTS
are and whose encoder is OTHER; its first layers are new. They learn by regression, on the augmented
training images of CONFIG, to make the first shared layers (`TAPS`) answer as they do in the trained
network, one part after the other being replaced without the rest noticing much (Hinton et al. 2015;
Romero et al. 2015, "FitNets"). FILE gets the weights of the whole, to be the `init` of CONFIG.

    python -m edgeseg.training.graft CONFIG WEIGHTS -o FILE.npz
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..errors import InputError, require
from ..models.folding import fold
from ..models.initialise import initialise, read_values
from ..models.weights import get_weights, save_arrays
from ..runtime.console import exit_code_of
from .config import FeaturesConfig, TrainConfig, load_config
from .progress import noted_progress
from .sources import make_network
from .tasks import make_task

# Layers of both networks that read what is new: their answers before any activation.
TAPS = ("decoder4_skip", "decoder8_skip", "block06_expand")
# What learns, and what of it has no weights to begin with and is normalized until it is folded.
LEARNING, NEW = ("entry", "decoder4_skip"), "entry8"
STEPS, BATCH, RATE = 1500, 32, 4e-3
MEASURED_IMAGES = 48
LAST = 100


def graft(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    console: Console,
    other: str = "dense_entry",
    steps: int = STEPS,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Weights of the whole network by name, folded, and what each tap leaves unexplained.

    config: of the training that follows; its images, size and crop of the first stage,
        its seed. root: folder that the configuration's paths are relative to. other: the
        encoder that `weights` are of.
    Returns the weights, and by tap the squared error as a share of the variance of what was
    to be answered, mean over the last 100 steps.
    Raises InputError where `weights` lack a layer of their own network or a shared one.
    """
    keras = require("keras", extra="train")
    # A second target of the training that follows is none of this one's.
    config = dataclasses.replace(config, features=FeaturesConfig())
    keras.utils.set_random_seed(config.seed)
    values = fold(read_values(weights))
    target = _tapped(keras, _network(keras, config, encoder=other, batch_norm=False))
    _fill(target, values, weights, new=())
    network = _network(keras, config, batch_norm=(NEW,))
    grafted = _tapped(keras, network)
    _fill(network, values, weights, new=(NEW,))
    for layer in grafted.layers:
        layer.trainable = layer.name.startswith(LEARNING)
    pipeline = make_task(config, root).pipeline(
        dataclasses.replace(config.stages[0], batch=BATCH), network
    )
    answers = target.predict_on_batch(pipeline.batch(0, MEASURED_IMAGES).tensor)
    _compile(keras, grafted, answers, steps)
    left: list[list[float]] = []
    with noted_progress(console) as progress:
        task = progress.add_task("fitting the beginning", total=steps, note="")
        for batch in pipeline.batches(BATCH, start=0, stop=steps, workers=config.data.workers):
            grafted.reset_metrics()  # Keras would give the mean since the start
            answer = target.predict_on_batch(batch.tensor)
            total, *parts = grafted.train_on_batch(batch.tensor, answer)
            left.append([float(part) for part in parts])
            shown = " ".join(f"{part:.3f}" for part in left[-1])
            progress.update(task, advance=1, note=f"unexplained {shown}")
    means = np.mean(left[-LAST:], axis=0)
    return fold(get_weights(network)), dict(zip(TAPS, map(float, means)))


def _network(keras: Any, config: TrainConfig, *, batch_norm: Any, encoder: str = "") -> Any:
    options = {**config.model.options, "batch_norm": batch_norm, "dropout": 0.0}
    if encoder:
        options["encoder"] = encoder
    model = dataclasses.replace(config.model, options=options)
    return make_network(keras, dataclasses.replace(config, model=model), config.stages[0].size)


def _tapped(keras: Any, network: Any) -> Any:
    return keras.Model(network.input, [network.get_layer(name).output for name in TAPS])


def _fill(network: Any, values: dict[str, np.ndarray], weights: Path, *, new: tuple) -> None:
    for name, reason in initialise(network, values).fresh:
        if not (new and name.startswith(new)):
            raise InputError(f"{weights}: got no {name} for the network ({reason})")


def _compile(keras: Any, grafted: Any, answers: list[np.ndarray], steps: int) -> None:
    """Adam down a cosine, on squared errors as shares of the variance of each of `answers`."""

    def unexplained(scale: float) -> Any:
        return lambda truth, answer: keras.ops.mean(keras.ops.square(answer - truth)) * scale

    rate = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.01)
    losses = [unexplained(float(1 / answer.var((0, 1, 2)).mean())) for answer in answers]
    grafted.compile(keras.optimizers.Adam(rate), loss=losses)


def main(
    config: Path,
    weights: Path,
    output: Path,
    *,
    other: str = "dense_entry",
    steps: int = STEPS,
) -> int:
    """Graft `config`'s beginning onto `weights` and write `output`; returns the exit code."""
    console = Console(stderr=True)
    values, left = graft(
        load_config(config),
        weights,
        root=config.parent,
        console=console,
        other=other,
        steps=steps,
    )
    save_arrays(values, output)
    shares = ", ".join(f"{share:.3f} at {name}" for name, share in left.items())
    console.print(f"{output}: of the variance is left unexplained {shares}")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Weights of a trained hourglass."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    other: str = typer.Option("dense_entry", help="Encoder that WEIGHTS are of."),
    steps: int = typer.Option(STEPS, min=1, help="Steps of the regression."),
) -> None:
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, other=other, steps=steps)))


if __name__ == "__main__":
    typer.run(_command)

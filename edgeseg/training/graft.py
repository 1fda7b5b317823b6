"""Other layers for a part of a trained hourglass, fitted to what the old ones gave.

The network of CONFIG shares most layers with the trained hourglass whose weights WEIGHTS are and
whose encoder is `--other`; a part of its encoder is new (`PARTS`). It learns by regression, on the
augmented training images of CONFIG, to make the layers that it is compared at answer as they do in
the trained network (Romero et al. 2015, "FitNets"). No mask is needed for that. FILE gets the
weights of the whole, to be the `init` of CONFIG, whose `[hints]` then teach all layers alike.

    python -m edgeseg.training.graft CONFIG WEIGHTS -o FILE.npz
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..errors import InputError, require
from ..models.folding import fold
from ..models.initialise import fill, read_values
from ..models.weights import get_weights, save_arrays
from ..output import check_file
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .encoder_loss import scaled_errors
from .regression import fit_to
from .sources import make_network
from .spread import examples, spread_of
from .step import answers_of
from .target_config import FeaturesConfig
from .tasks import make_task


@dataclass(frozen=True)
class Part:
    """What of an encoder is new against the one that it is grafted onto.

    taps: layers of both networks whose answers are compared, before any activation. learns:
    beginnings of the names of what is trained; fresh: of what has no values to begin with and
    is normalized until it is folded.
    """

    taps: tuple[str, ...]
    learns: tuple[str, ...]
    fresh: tuple[str, ...]


_BLOCKS = tuple(f"block{index:02d}" for index in range(7, 13))
# By the encoder of the network that learns.
PARTS = {
    "fused_entry": Part(
        taps=("decoder4_skip", "decoder8_skip", "block06_expand"),
        learns=("entry", "decoder4_skip"),
        fresh=("entry8",),
    ),
    "fused": Part(
        taps=(
            *("block07_add", "block08_add", "block09_add"),
            *("block10_project", "block11_add", "block12_add"),
            *("decoder16_skip", "block13_expand"),
        ),
        learns=_BLOCKS,
        fresh=_BLOCKS,
    ),
}
RATES = (4e-3, 1e-5)
LAST = 100


@dataclass(frozen=True)
class Grafting:
    """How long is fitted, and what.

    other: encoder of the trained network. batch: images of a step.
    """

    other: str = "dense_entry"
    steps: int = 900
    batch: int = 32


def graft(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    console: Console,
    grafting: Grafting = Grafting(),  # noqa: B008
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Weights of the whole network by name, folded, and what each tap leaves unexplained.

    config: of the training that follows; its images, size and crop of the first stage,
        its seed. root: folder that the configuration's paths are relative to.
    Returns the weights, and by tap the squared error as a share of the variance of what was
    to be answered, mean over the last 100 steps.
    Raises InputError for an encoder that is not grafted, and where `weights` lack a layer of their
    own network or a shared one.
    """
    keras = require("keras", extra="train")
    # A second target of the training that follows is none of this one's.
    config = dataclasses.replace(config, features=FeaturesConfig())
    keras.utils.set_random_seed(config.seed)
    values = fold(read_values(weights))
    part = _part(config)
    target = _tapped(keras, _network(keras, config, encoder=grafting.other), part)
    fill(target, values, origin=weights)
    network = _network(keras, config, batch_norm=part.fresh)
    learner = _tapped(keras, network, part)
    fill(network, values, origin=weights, optional=lambda name: name.startswith(part.fresh))
    for layer in learner.layers:
        layer.trainable = layer.name.startswith(part.learns)
    stage = dataclasses.replace(
        config.stages[0], batch=grafting.batch, steps=grafting.steps, rate=RATES
    )
    pipeline = make_task(config, root).pipeline(stage, network)
    scales = [1 / spread_of(example) for example in examples(keras, target, pipeline)]
    said = fit_to(
        keras,
        learner,
        target,
        scaled_errors(keras, part.taps, scales),
        pipeline,
        stage,
        slow=set(),
        workers=config.data.workers,
        title="fitting what is new",
        console=console,
    )
    left = {name: float(np.mean([parts[name] for parts in said[-LAST:]])) for name in part.taps}
    return fold(get_weights(network)), left


def _part(config: TrainConfig) -> Part:
    encoder = config.model.options.get("encoder", "")
    if encoder not in PARTS:
        raise InputError(f"encoder: got {encoder!r}, expected one of {sorted(PARTS)} to graft")
    return PARTS[encoder]


def _network(
    keras: Any, config: TrainConfig, *, encoder: str = "", batch_norm: tuple[str, ...] = ()
) -> Any:
    options = {**config.model.options, "batch_norm": batch_norm, "dropout": 0.0}
    if encoder:
        options["encoder"] = encoder
    model = dataclasses.replace(config.model, options=options)
    return make_network(keras, dataclasses.replace(config, model=model), config.stages[0].size)


def _tapped(keras: Any, network: Any, part: Part) -> Any:
    return keras.Model(network.input, answers_of(network, part.taps, option="graft"))


def main(
    config: Path,
    weights: Path,
    output: Path,
    grafting: Grafting = Grafting(),  # noqa: B008
) -> int:
    """Graft what is new in `config` onto `weights` and write `output`; returns the exit code."""
    check_file(output)
    console = Console(stderr=True)
    values, left = graft(
        load_config(config), weights, root=config.parent, console=console, grafting=grafting
    )
    save_arrays(values, output)
    shares = ", ".join(f"{share:.3f} at {name}" for name, share in left.items())
    console.print(f"{output}: of the variance is left unexplained {shares}")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Weights of a trained hourglass."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    other: str = typer.Option(Grafting.other, help="Encoder that WEIGHTS are of."),
    steps: int = typer.Option(Grafting.steps, min=1, help="Steps of the regression."),
    batch: int = typer.Option(Grafting.batch, min=1, help="Images of a step."),
) -> None:
    grafting = Grafting(other=other, steps=steps, batch=batch)
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, grafting)))


if __name__ == "__main__":
    typer.run(_command)

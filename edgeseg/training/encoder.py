"""Teach the encoder of an hourglass to answer as a published MobileNetV2.

The network of CONFIG has `encoder = "dense_entry"` and perhaps a smaller `expansion` than
the MobileNetV2 in WEIGHTS; these are what `edgeseg.training.entry` wrote, with an entry that
is fitted to block 2 alone. The bottlenecks get the channels that `edgeseg.training.thin`
would keep. Then the whole encoder learns by regression what the published one answers at
1/4, 1/8, 1/16 and 1/32 to the augmented training images of CONFIG (Romero et al. 2015,
"FitNets"). No mask is needed for that. Behind the fitted entry alone the published blocks
answer far from what they did, and most of what they know about things that are no person is
lost; taught like this the encoder gets it back. FILE gets the weights, to be the `init` of
CONFIG.

    python -m edgeseg.training.encoder CONFIG WEIGHTS -o FILE.npz
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..data.pipeline import Pipeline
from ..errors import InputError, require
from ..models.dense_encoders import ENTRY_END, ENTRY_TARGET
from ..models.folding import fold, unfold
from ..models.initialise import fill, read_values
from ..models.mobilenet_v2 import mobilenet_v2_encoder
from ..models.weights import get_weights, save_arrays
from ..output import check_file
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .encoder_loss import STRIDES, published_head, unexplained, with_classes
from .regression import fit_to
from .sources import make_network
from .spread import examples
from .target_config import FeaturesConfig
from .tasks import make_task
from .thin import Bottleneck, narrowed, refit, sampled_features

LAST_RATE = 1e-5
# The layers that get normalization while they learn.
NORMALIZED = "entry"
BATCH, UNFOLD_BATCHES = 24, 8
LAST = 100
# Where both are compared: of the published encoder and of the hourglass's.
TARGETS = (ENTRY_TARGET, "block05_add", "block12_add", "block16_project")
ANSWERS = (ENTRY_END, *TARGETS[1:])


@dataclass(frozen=True)
class Teaching:
    """How long an encoder is taught, and by what.

    batch: images of a step. rate: of the entry after the warm-up. classes: weight of the
    classes' divergence beside the errors, 0 for none. start: weights to go on from, without
    normalization, instead of the narrowed published ones.
    """

    steps: int = 2600
    batch: int = 24
    rate: float = 2e-3
    classes: float = 0.0
    start: Path | None = None


def teach_encoder(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    console: Console,
    teaching: Teaching = Teaching(),  # noqa: B008
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The encoder's weights by name, folded, and what it leaves unexplained.

    config: of the training that follows; its images, size and crop of the first stage,
        its seed. root: folder that the configuration's paths are relative to.
    Returns the weights, and means over the last 100 steps: by "1/4", "1/8", "1/16", "1/32" the
    squared error as a share of the variance of what was to be answered; by "classes", where
    they have a weight, the Kullback-Leibler divergence in nats.
    Raises InputError for another network, and for weights without one of its blocks.
    """
    keras = require("keras", extra="train")
    if config.model.options.get("encoder") != "dense_entry":
        raise InputError(
            f"{config.name}: got the encoder {config.model.options.get('encoder')!r}, "
            "expected 'dense_entry'"
        )
    # A second target of the training that follows is none of this one's.
    config = dataclasses.replace(config, features=FeaturesConfig())
    keras.utils.set_random_seed(config.seed)
    size = config.stages[0].size
    published = _published(keras, config, weights)
    normalized = () if teaching.start else (NORMALIZED,)
    options = {**config.model.options, "batch_norm": normalized}
    model = dataclasses.replace(config.model, options=options)
    network = make_network(keras, dataclasses.replace(config, model=model), size)
    rates = (teaching.rate, LAST_RATE)
    stage = dataclasses.replace(
        config.stages[0], batch=teaching.batch, steps=teaching.steps, rate=rates
    )
    pipeline = make_task(config, root).pipeline(stage, network)
    encoder = _encoder(keras, network, published)
    _fill(keras, encoder, published, pipeline, weights, teaching.start, config.seed)
    target = keras.Model(published.input, [published.get_layer(n).output for n in TARGETS])
    compared = unexplained(keras, examples(keras, target, pipeline))
    if teaching.classes:
        head = published_head(keras, published, weights)
        compared = with_classes(keras, compared, head, teaching.classes)
    parts = fit_to(
        keras,
        encoder,
        target,
        compared,
        pipeline,
        stage,
        slow={variable.path for variable in _blocks(encoder)},
        workers=config.data.workers,
        title="teaching the encoder",
        console=console,
    )
    left = {name: float(np.mean([p[name] for p in parts[-LAST:]])) for name in parts[0]}
    return fold(get_weights(encoder)), left


def _published(keras: Any, config: TrainConfig, weights: Path) -> Any:
    """MobileNetV2 up to block 16, from `weights`."""
    inputs = keras.Input((*config.stages[0].size, 3))
    encoder = mobilenet_v2_encoder(keras, inputs, width=config.model.width, batch_norm=False)
    model = keras.Model(inputs, encoder[STRIDES[-1]])
    fill(model, weights, purpose=f"width {config.model.width}")
    return model


def _encoder(keras: Any, network: Any, published: Any) -> Any:
    """The network up to what is compared, with the projection that its decoder replaces."""
    deepest = network.get_layer("decoder32_reduce").input
    channels = published.output.shape[-1]
    projected = keras.layers.Conv2D(channels, 1, name=TARGETS[-1])(deepest)
    outputs = [network.get_layer(name).output for name in ANSWERS[:-1]]
    return keras.Model(network.input, [*outputs, projected])


def _fill(
    keras: Any,
    encoder: Any,
    published: Any,
    pipeline: Pipeline,
    weights: Path,
    start: Path | None,
    seed: int,
) -> None:
    """What `encoder` begins with: `start`, and what that lacks narrowed from the published one."""
    values = fold(read_values(weights))
    values |= _narrowed(keras, published, encoder, pipeline, seed)
    started = fold(read_values(start)) if start else {}
    values |= started
    fill(
        encoder,
        values,
        origin=start or weights,
        purpose="the encoder",
        optional=lambda name: name.startswith(NORMALIZED) and "_bn/" in name,
    )
    tensors = (pipeline.batch(i, BATCH).tensor for i in range(UNFOLD_BATCHES))
    if start is None:
        unfold(encoder, values, tensors)
    elif f"{TARGETS[-1]}/kernel" not in started:
        _fit_projection(keras, encoder, published, tensors)


def _narrowed(
    keras: Any, published: Any, encoder: Any, pipeline: Pipeline, seed: int
) -> dict[str, np.ndarray]:
    """The published weights with only as many channels inside the blocks as `encoder` has."""
    values, kept = get_weights(published), {}
    for name, value in get_weights(encoder).items():
        block, _, part = name.partition("_")
        if part == "expand/kernel" and value.shape[-1] < values[name].shape[-1]:
            kept[block] = value.shape[-1]
    if not kept:
        return values
    readers = {block: f"{block}_project" for block in kept}
    features = sampled_features(keras, published, readers, pipeline, seed)
    answers = {b: features[b] @ values[f"{r}/kernel"][0, 0] for b, r in readers.items()}
    blocks = {b: Bottleneck(readers[b], kept[b], features[b], answers[b]) for b in kept}
    return narrowed(values, blocks, blocks, Console(quiet=True))


def _fit_projection(keras: Any, encoder: Any, published: Any, tensors: Iterator[Any]) -> None:
    """Give the last projection, which trained weights have not, the values that answer best."""
    layer = encoder.get_layer(TARGETS[-1])
    deepest = keras.Model(encoder.input, layer.input)
    pairs = [(deepest.predict_on_batch(t), published.predict_on_batch(t)) for t in tensors]
    given, wanted = (np.concatenate(p).reshape(-1, p[0].shape[-1]) for p in zip(*pairs))
    kernel, bias, _ = refit(given, wanted)
    layer.kernel.assign(kernel[np.newaxis, np.newaxis])
    layer.bias.assign(bias)


def _blocks(encoder: Any) -> list[Any]:
    """The variables that start from published ones."""
    layers = [layer for layer in encoder.layers if layer.name.startswith("block")]
    return [variable for layer in layers for variable in layer.trainable_variables]


def main(
    config: Path,
    weights: Path,
    output: Path,
    teaching: Teaching = Teaching(),  # noqa: B008
) -> int:
    """Teach the encoder of `config` by `weights` and write `output`; returns the exit code."""
    check_file(output)
    console = Console(stderr=True)
    values, left = teach_encoder(
        load_config(config), weights, root=config.parent, console=console, teaching=teaching
    )
    save_arrays(values, output)
    shares = ", ".join(f"{left[name]:.3f} at {name}" for name in left if name != "classes")
    console.print(f"{output}: of the variance is left unexplained {shares}")
    if teaching.classes:
        console.print(f"{output}: the classes are {left['classes']:.3f} nats apart")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="What edgeseg.training.entry wrote."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    steps: int = typer.Option(Teaching.steps, min=1, help="Steps of the regression."),
    batch: int = typer.Option(Teaching.batch, min=1, help="Images of a step."),
    rate: float = typer.Option(Teaching.rate, min=1e-6, help="Rate of the entry at first."),
    classes: float = typer.Option(0.0, min=0.0, help="Weight of the classes' divergence."),
    start: Path = typer.Option(None, help="Weights of the network to go on from."),  # noqa: B008
) -> None:
    teaching = Teaching(steps=steps, batch=batch, rate=rate, classes=classes, start=start)
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, teaching)))


if __name__ == "__main__":
    typer.run(_command)

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
import functools
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..data.pipeline import Pipeline
from ..errors import InputError, require
from ..models.folding import fold, unfold
from ..models.hourglass import ENTRY_END, ENTRY_TARGET
from ..models.initialise import initialise, read_values
from ..models.mobilenet_v2 import mobilenet_v2_encoder
from ..models.weights import get_weights, save_arrays
from ..runtime.console import exit_code_of
from .config import FeaturesConfig, OptimizerConfig, StageConfig, TrainConfig, load_config
from .devices import Devices
from .feed import made_ahead
from .progress import noted_progress
from .schedule import learning_rate
from .sources import make_network
from .step import LossFunction, make_optimizer, make_step
from .tasks import make_task
from .thin import Bottleneck, narrowed, sampled_features

STEPS, BATCH = 2600, 24
# The blocks, which are nearly right, learn at a quarter of the entry's rate.
RATES = (2e-3, 1e-5)
OPTIMIZER = OptimizerConfig(warmup=100, encoder_scale=0.25, clip_norm=5.0)
# The layers that get normalization while they learn.
NORMALIZED = "entry"
MEASURED_IMAGES, UNFOLD_BATCHES = 48, 8
LAST = 100
# Where both are compared: of the published encoder and of the hourglass's.
TARGETS = (ENTRY_TARGET, "block05_add", "block12_add", "block16_project")
ANSWERS = (ENTRY_END, *TARGETS[1:])
STRIDES = (4, 8, 16, 32)


def teach_encoder(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    console: Console,
    steps: int = STEPS,
    batch: int = BATCH,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The encoder's weights by name, folded, and what it leaves unexplained.

    config: of the training that follows; its images, size and crop of the first stage,
        its seed. root: folder that the configuration's paths are relative to. batch: images
        of a step.
    Returns the weights, and at each of `STRIDES` the squared error as a share of the
    variance of what was to be answered, mean over the last 100 steps, float64 (4,).
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
    options = {**config.model.options, "batch_norm": (NORMALIZED,)}
    model = dataclasses.replace(config.model, options=options)
    network = make_network(keras, dataclasses.replace(config, model=model), size)
    stage = dataclasses.replace(config.stages[0], batch=batch, steps=steps, rate=RATES)
    pipeline = make_task(config, root).pipeline(stage, network)
    encoder = _encoder(keras, network, published)
    values = fold(read_values(weights))
    values |= _narrowed(keras, published, encoder, pipeline, config.seed)
    for name, reason in initialise(encoder, values).fresh:
        if not name.startswith(NORMALIZED) or "_bn/" not in name:
            raise InputError(f"{weights}: got no {name} for the encoder ({reason})")
    unfold(encoder, values, (pipeline.batch(i, BATCH).tensor for i in range(UNFOLD_BATCHES)))
    target = keras.Model(published.input, [published.get_layer(n).output for n in TARGETS])
    errors = _fit(keras, encoder, target, pipeline, stage, config.data.workers, console)
    return fold(get_weights(encoder)), np.mean(errors[-LAST:], axis=0)


def _published(keras: Any, config: TrainConfig, weights: Path) -> Any:
    """MobileNetV2 up to block 16, from `weights`."""
    inputs = keras.Input((*config.stages[0].size, 3))
    encoder = mobilenet_v2_encoder(keras, inputs, width=config.model.width, batch_norm=False)
    model = keras.Model(inputs, encoder[STRIDES[-1]])
    for name, reason in initialise(model, weights).fresh:
        raise InputError(f"{weights}: got no {name} for width {config.model.width} ({reason})")
    return model


def _encoder(keras: Any, network: Any, published: Any) -> Any:
    """The network up to what is compared, with the projection that its decoder replaces."""
    deepest = network.get_layer("decoder32_reduce").input
    channels = published.output.shape[-1]
    projected = keras.layers.Conv2D(channels, 1, name=TARGETS[-1])(deepest)
    outputs = [network.get_layer(name).output for name in ANSWERS[:-1]]
    return keras.Model(network.input, [*outputs, projected])


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


def _fit(
    keras: Any,
    encoder: Any,
    target: Any,
    pipeline: Pipeline,
    stage: StageConfig,
    workers: int,
    console: Console,
) -> list[list[float]]:
    """Train `encoder`; returns the errors at each of `STRIDES` after each step."""
    optimizer = make_optimizer(keras, OPTIMIZER, encoder, slow={v.path for v in _blocks(encoder)})
    examples = target.predict_on_batch(pipeline.batch(0, MEASURED_IMAGES).tensor)
    unexplained = _unexplained(keras, examples)

    def loss(answers: Any, tensor: Any) -> dict[str, Any]:
        # What is to be answered never leaves the device.
        return unexplained(answers, *target(tensor, training=False))

    step = make_step(keras, encoder, optimizer, loss)
    place = functools.partial(Devices().place, keras)
    batches = pipeline.batches(stage.batch, start=0, stop=stage.steps, workers=workers)
    errors = []
    with noted_progress(console) as progress:
        task = progress.add_task("teaching the encoder", total=stage.steps, note="")
        for index, (_, (tensor, *_)) in enumerate(made_ahead(batches, place)):
            optimizer.learning_rate.assign(learning_rate((stage,), index, OPTIMIZER))
            parts = step(tensor, tensor)
            errors.append([float(parts[f"1/{stride}"]) for stride in STRIDES])
            shown = " ".join(f"{error:.3f}" for error in errors[-1])
            progress.update(task, advance=1, note=f"unexplained {shown}")
    return errors


def _blocks(encoder: Any) -> list[Any]:
    """The variables that start from published ones."""
    layers = [layer for layer in encoder.layers if layer.name.startswith("block")]
    return [variable for layer in layers for variable in layer.trainable_variables]


def _unexplained(keras: Any, examples: list[np.ndarray]) -> LossFunction:
    """Squared errors at each stride as shares of the variance of `examples`, and their sum.

    At 1/4 each channel weighs alike: the entry is new, and what the deeper blocks read need
    not vary much.
    """
    ops = keras.ops
    alike = 1 / examples[0].var((0, 1, 2))
    scales = [alike, *(1 / example.var((0, 1, 2)).mean() for example in examples[1:])]

    def loss(answers, *truths):
        errors = [
            ops.mean(ops.square(answer - truth) * scale)
            for answer, truth, scale in zip(answers, truths, scales)
        ]
        return {"loss": sum(errors), **{f"1/{s}": e for s, e in zip(STRIDES, errors)}}

    return loss


def main(config: Path, weights: Path, output: Path, steps: int = STEPS, batch: int = BATCH) -> int:
    """Teach the encoder of `config` by `weights` and write `output`; returns the exit code."""
    console = Console(stderr=True)
    values, left = teach_encoder(
        load_config(config), weights, root=config.parent, console=console, steps=steps, batch=batch
    )
    save_arrays(values, output)
    shares = ", ".join(f"{error:.3f} at 1/{stride}" for error, stride in zip(left, STRIDES))
    console.print(f"{output}: of the variance is left unexplained {shares}")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="What edgeseg.training.entry wrote."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    steps: int = typer.Option(STEPS, min=1, help="Steps of the regression."),
    batch: int = typer.Option(BATCH, min=1, help="Images of a step."),
) -> None:
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, steps, batch)))


if __name__ == "__main__":
    typer.run(_command)

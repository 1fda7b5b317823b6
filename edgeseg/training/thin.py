"""Fewer channels inside the bottlenecks of a trained hourglass.

The network of CONFIG has a smaller `expansion` under `[model.options]` than the one whose
weights WEIGHTS are. Of each bottleneck's channels those are kept from which a linear map
comes nearest to what all of them gave the layer behind, and that layer's kernel becomes this map
(channel pruning by reconstruction: He, Zhang and Sun 2017; the choice is greedy, as in
orthogonal matching pursuit). FILE gets the weights, to be the `init` of CONFIG: the network
answers roughly as before and has to be trained on.

    python -m edgeseg.training.thin CONFIG WEIGHTS -o FILE.npz

Weights of one ancestor can be blended (`edgeseg.training.release`) only where they kept the
same channels: `--as-for OTHER` keeps those that OTHER would keep, and fits the kernels to WEIGHTS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from ..data.pipeline import Pipeline
from ..errors import InputError, require
from ..models.blocks import divisible
from ..models.folding import fold
from ..models.initialise import fill, read_values
from ..models.weights import named_variables, save_arrays
from ..output import check_file
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .sources import make_network
from .tasks import make_task

IMAGES, BATCH = 192, 24
PIXELS = 20_000  # of each feature map that are looked at, at most: several for each channel
RIDGE = 1e-4


@dataclass(frozen=True)
class Bottleneck:
    """What there is to choose from and for.

    reader: name of the 1x1 convolution behind. kept: how many channels stay. features:
    float32 (N, C), the channels on training images. answers: float32 (N, O), what the
    reader makes of them.
    """

    reader: str
    kept: int
    features: np.ndarray
    answers: np.ndarray


def thin(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    console: Console,
    as_for: Path | None = None,
) -> dict[str, np.ndarray]:
    """The values of `weights`, folded, for the narrower bottlenecks of `config`'s network.

    config: of the training that follows; its images, size and crop of the first stage, its
        seed. root: folder that the configuration's paths are relative to.
    as_for: weights of the same network whose channels are chosen instead, so that both
        can be blended afterwards.
    Raises InputError where `config` does not ask for fewer channels than `weights` has,
    and where weights are missing.
    """
    values, bottlenecks = _bottlenecks(config, weights, root)
    choosing = _bottlenecks(config, as_for, root)[1] if as_for else bottlenecks
    return narrowed(values, bottlenecks, choosing, console)


def narrowed(
    values: dict[str, np.ndarray],
    bottlenecks: dict[str, Bottleneck],
    choosing: dict[str, Bottleneck],
    console: Console,
) -> dict[str, np.ndarray]:
    """`values` with as many channels inside each bottleneck as it keeps, its reader fitted.

    choosing: what the channels are chosen by, `bottlenecks` or those of other weights.
    """
    values = dict(values)
    for block, inside in bottlenecks.items():
        chosen = choose_channels(choosing[block].features, choosing[block].answers, inside.kept)
        kernel, shift, left = refit(inside.features[:, chosen], inside.answers)
        reader, width = inside.reader, inside.features.shape[1]
        values |= {
            f"{block}_expand/kernel": values[f"{block}_expand/kernel"][..., chosen],
            f"{block}_expand/bias": values[f"{block}_expand/bias"][chosen],
            f"{block}_depthwise/kernel": values[f"{block}_depthwise/kernel"][:, :, chosen],
            f"{block}_depthwise/bias": values[f"{block}_depthwise/bias"][chosen],
            f"{reader}/kernel": kernel[np.newaxis, np.newaxis],
            f"{reader}/bias": values[f"{reader}/bias"] + shift,
        }
        console.print(f"{block}: {inside.kept} of {width}, {left:.3f} of the variance is lost")
    return values


def _bottlenecks(
    config: TrainConfig, weights: Path, root: Path
) -> tuple[dict[str, np.ndarray], dict[str, Bottleneck]]:
    """The folded values of `weights`, and its bottlenecks by name, such as "block03"."""
    keras = require("keras", extra="train")
    values = fold(read_values(weights))
    whole = _whole_network(keras, config, values, weights)
    kept = _kept_channels(make_network(keras, config, config.stages[0].size), values, weights)
    readers = _readers(whole, kept)
    stage = dataclasses.replace(config.stages[0], batch=BATCH)
    pipeline = make_task(config, root).pipeline(stage, whole)
    features = sampled_features(keras, whole, readers, pipeline, config.seed)
    answers = {b: features[b] @ values[f"{readers[b]}/kernel"][0, 0] for b in kept}
    return values, {b: Bottleneck(readers[b], kept[b], features[b], answers[b]) for b in kept}


def choose_channels(features: np.ndarray, answers: np.ndarray, count: int) -> np.ndarray:
    """The `count` columns, ascending, from which a linear map comes nearest to `answers`.

    features: (N, C). answers: (N, O). Greedy: each time the channel that explains most of
    what is left; the others are then made orthogonal to it.
    """
    centred = features - features.mean(0, dtype=np.float64)
    gram = centred.T @ centred
    shared = centred.T @ (answers - answers.mean(0, dtype=np.float64))
    floor = 1e-6 * gram.diagonal().max() + 1e-12
    chosen: list[int] = []
    for _ in range(count):
        explained = (shared**2).sum(1) / np.maximum(gram.diagonal(), floor)
        explained[chosen] = -1.0
        best = int(explained.argmax())
        chosen.append(best)
        scale = np.sqrt(max(gram[best, best], floor))
        direction, answer = gram[:, best] / scale, shared[best] / scale
        gram = gram - np.outer(direction, direction)
        shared = shared - np.outer(direction, answer)
    return np.sort(chosen)


def refit(features: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares: kernel (C, O), shift (O,), and the share of the variance that is left.

    features: (N, C). answers: (N, O). A little ridge keeps the kernel small where channels
    are alike.
    """
    mean, target = features.mean(0, dtype=np.float64), answers.mean(0, dtype=np.float64)
    centred, wanted = features - mean, answers - target
    gram = centred.T @ centred
    gram += RIDGE * gram.diagonal().mean() * np.eye(len(gram))
    kernel = np.linalg.solve(gram, centred.T @ wanted)
    left = ((wanted - centred @ kernel) ** 2).sum() / max((wanted**2).sum(), 1e-12)
    return kernel.astype(np.float32), (target - mean @ kernel).astype(np.float32), float(left)


def _whole_network(keras: Any, config: TrainConfig, values: dict, weights: Path) -> Any:
    """The network that `weights` are of: with the bottlenecks as wide as they have them."""
    shapes = [values[f"{block}_expand/kernel"].shape[-2:] for block in _bottleneck_names(values)]
    # Channels inside are rounded to multiples of 4: what rounds to all of them is in between.
    least = max(((width - 2) / c for c, width in shapes), default=0.0)
    most = min(((width + 2) / c for c, width in shapes), default=0.0)
    expansion = (least + most) / 2
    if not shapes or any(divisible(c * expansion) != width for c, width in shapes):
        found = sorted({round(width / c, 2) for c, width in shapes})
        raise InputError(f"{weights}: got expansions {found}, expected a hourglass's one")
    options = {k: v for k, v in config.model.options.items() if k != "batch_norm"}
    model = dataclasses.replace(config.model, options={**options, "expansion": expansion})
    network = make_network(keras, dataclasses.replace(config, model=model), config.stages[0].size)
    fill(network, values, origin=weights)
    return network


def _kept_channels(network: Any, values: dict, weights: Path) -> dict[str, int]:
    """How many channels each bottleneck keeps, by its name, such as "block03"."""
    named = named_variables(network)
    widths = {
        block: int(named[f"{block}_expand/kernel"].shape[-1]) for block in _bottleneck_names(named)
    }
    for block, width in widths.items():
        found = values[f"{block}_expand/kernel"].shape[-1]
        if width >= found:
            raise InputError(
                f"{weights}: got {found} channels inside {block}, expected more than the "
                f"{width} of the configuration; set a smaller model.options.expansion there"
            )
    return widths


def _bottleneck_names(names: Iterable[str]) -> list[str]:
    """Blocks such as "block03" that expand to channels which meet behind them alone.

    names: of a network's weights. Fused bottlenecks, whose convolution is dense, are none.
    """
    there = set(names)
    blocks = sorted(n.split("_")[0] for n in there if n.endswith("_expand/kernel"))
    return [b for b in blocks if b.startswith("block") and f"{b}_depthwise/kernel" in there]


def _readers(network: Any, blocks: Iterable[str]) -> dict[str, str]:
    """The 1x1 convolution behind each bottleneck's depthwise one: its own, or the decoder's."""
    layers = {layer.name for layer in network.layers}
    return {b: f"{b}_project" if f"{b}_project" in layers else "decoder32_reduce" for b in blocks}


def sampled_features(
    keras: Any, network: Any, readers: dict[str, str], pipeline: Pipeline, seed: int
) -> dict[str, np.ndarray]:
    """float32 (N, C) of what each layer of `readers` is given on augmented training images."""
    inputs = [network.get_layer(name).input for name in readers.values()]
    inner = keras.Model(network.input, inputs)
    rng = np.random.default_rng(seed)
    batches = IMAGES // BATCH
    parts: dict[str, list[np.ndarray]] = {block: [] for block in readers}
    for index in range(batches):
        outputs = inner.predict_on_batch(pipeline.batch(index, BATCH).tensor)
        for block, output in zip(readers, outputs):
            pixels = np.asarray(output).reshape(-1, output.shape[-1])
            count = min(len(pixels), PIXELS // batches)
            parts[block].append(pixels[rng.choice(len(pixels), count, replace=False)])
    return {block: np.concatenate(part) for block, part in parts.items()}


def main(config: Path, weights: Path, output: Path, as_for: Path | None = None) -> int:
    """Thin `weights` for `config` and write `output`; returns the exit code."""
    check_file(output)
    console = Console(stderr=True)
    loaded = load_config(config)
    values = thin(loaded, weights, root=config.parent, console=console, as_for=as_for)
    save_arrays(values, output)
    console.print(f"{output}: written")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Weights of the wider hourglass."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    as_for: Path | None = typer.Option(None, help="Keep the channels that these would keep."),  # noqa: B008
) -> None:
    raise typer.Exit(exit_code_of(lambda: main(config, weights, output, as_for)))


if __name__ == "__main__":
    typer.run(_command)

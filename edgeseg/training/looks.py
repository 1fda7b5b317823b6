"""A network that looks more than once, as a teacher: `python -m edgeseg.training.looks`.

The mean of what a network answers to an image enlarged, and to its mirror image, is clearly better
than what it answers at once, though no pixel has been added (Radosavovic et al. 2018, "Data
distillation"); and a published DeepLab hardly ever takes a thing for a person. Neither costs
anything in use when the network learns to answer in one look what they answer together, to the
very images that it sees, varied as they are: "a good teacher is patient and consistent" (Beyer et
al. 2022). The file that is written is the `teacher` of a training configuration whose loss has
`distillation`.

    python -m edgeseg.training.looks CONFIG WEIGHTS.npz --scale 1 --mirrored 1.45 -o teacher.keras
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from ..errors import InputError, require
from ..output import check_file
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .objective import truth_grid
from .opinions import CUT, check_deeplab_size, deeplab_person_odds, mask_odds
from .sources import make_network

STRIDE = 32  # of the encoder: what sides are multiples of
NEAR = (0.2, 0.4)  # mean probabilities from which and up to which people come to fill an image


@dataclass(frozen=True)
class Looks:
    """What the looks are, and how much DeepLab's counts.

    scales: of the image's sides, rounded to multiples of 32.
    mirrored: the same for looks at the mirror image. near: a scale for a look at it that
    takes the place of those where people fill the image, since a network misses parts of whoever
    is larger than what it was trained on; 0 for none. deeplab: factor of DeepLab's log odds;
    0 for none. deeplab_size: side of its square input, 16 n + 1. shift: added where DeepLab
    counts, since it misses more than it invents.
    """

    scales: tuple[float, ...] = (1.0,)
    mirrored: tuple[float, ...] = (1.45,)
    near: float = 0.0
    deeplab: float = 0.2
    deeplab_size: int = 321
    shift: float = 0.3


def make_looks(
    keras: Any,
    config: TrainConfig,
    weights: Path,
    looks: Looks,
    *,
    size: tuple[int, int] | None = None,
    deeplab: Path | None = None,
) -> Any:
    """From images, float32 (N, H, W, 3) in [-1, 1], to probabilities (N, h, w, 1).

    h and w are the truth's of the configuration's network with such an input. weights: of this
    network. size: (H, W), by default its last stage's. deeplab: the published weights, where they
    are asked for.
    Raises InputError for no looks, data with classes, weights that lack a layer, DeepLab without
    its weights and a size that it does not take.
    """
    _check(config, looks, deeplab)
    height, width = size or config.stages[-1].size
    grid = truth_grid(make_network(keras, config, (height, width)), config)
    inputs = keras.Input((height, width, 3))

    def look(scale: float, mirror: bool, name: str) -> Any:
        return _look(keras, config, weights, inputs, scale, grid, mirror=mirror, name=name)

    straight = [look(s, False, f"look{i}") for i, s in enumerate(looks.scales)]
    mirrored = [look(s, True, f"mirrored{i}") for i, s in enumerate(looks.mirrored)]
    if looks.near:
        near = look(looks.near, True, "near")
        share = _nearness(keras, _mean([*straight, near]))
        mirrored = [far + share * (near - far) for far in mirrored]
    total = _mean(straight + mirrored)
    if deeplab is not None and looks.deeplab:
        coarse = _deeplab_odds(keras, deeplab, inputs, looks.deeplab_size, grid)
        total = total + looks.deeplab * coarse + looks.shift
    return keras.Model(inputs, keras.ops.sigmoid(total), name="looks", trainable=False)


def _mean(odds: list[Any]) -> Any:
    return sum(odds[1:], odds[0]) / len(odds)


def _nearness(keras: Any, odds: Any) -> Any:
    """How far people fill the images (N, 1, 1, 1): 0 up to a fifth, 1 from two fifths."""
    low, high = NEAR
    area = keras.ops.mean(keras.ops.sigmoid(odds), axis=(1, 2), keepdims=True)
    return keras.ops.clip((area - low) / (high - low), 0.0, 1.0)


def _check(config: TrainConfig, looks: Looks, deeplab: Path | None) -> None:
    if looks.near and not looks.mirrored:
        raise InputError("looks: got near without mirrored ones, whose place it takes")
    if not looks.scales + looks.mirrored:
        raise InputError("looks: got none, expected at least one scale")
    if config.data.reader:
        raise InputError(f"{config.name}: got data with classes, expected binary masks")
    if looks.deeplab and deeplab is None:
        raise InputError("looks: got a share of DeepLab without its weights, expected both")
    if looks.deeplab:
        check_deeplab_size(looks.deeplab_size)


def _look(
    keras: Any,
    config: TrainConfig,
    weights: Path,
    inputs: Any,
    scale: float,
    grid: tuple[int, int],
    *,
    mirror: bool,
    name: str,
) -> Any:
    """Log odds (N, *grid, 1) of the network's look at the image, or at its mirror image."""
    height, width = (max(1, round(scale * side / STRIDE)) * STRIDE for side in inputs.shape[1:3])
    logits = mask_odds(keras, config, weights, (height, width))
    logits.name = name
    image = keras.ops.flip(inputs, axis=2) if mirror else inputs
    answer = keras.ops.cast(logits(_resized(keras, image, (height, width))), "float32")
    answer = _resized(keras, answer, grid)
    return keras.ops.flip(answer, axis=2) if mirror else answer


def _deeplab_odds(keras: Any, weights: Path, inputs: Any, size: int, grid: tuple[int, int]) -> Any:
    """Log odds (N, *grid, 1) of a person against everything else."""
    network = deeplab_person_odds(keras, weights, size=size)
    network.name = "deeplab"
    odds = network(_resized(keras, inputs, (size, size)))
    return keras.ops.clip(_resized(keras, odds, grid), -CUT, CUT)


def _resized(keras: Any, values: Any, size: tuple[int, int]) -> Any:
    before = tuple(values.shape[1:3])
    if before == tuple(size):
        return values
    # Down to half, bilinear weights reach every pixel; and TFLite knows no antialiasing.
    smooth = any(2 * after < side for after, side in zip(size, before))
    return keras.ops.image.resize(values, size, interpolation="bilinear", antialias=smooth)


def main(
    config: TrainConfig,
    weights: Path,
    output: Path,
    looks: Looks,
    *,
    size: tuple[int, int] | None = None,
    deeplab: Path | None = None,
) -> int:
    """Write the teacher to `output`, beside it first; returns the exit code."""
    if output.suffix != ".keras":
        raise InputError(f"{output}: got another suffix, expected a name that ends with .keras")
    check_file(output)
    keras = require("keras", extra="train")
    policy = keras.config.dtype_policy()
    try:
        if config.mixed_precision:
            keras.config.set_dtype_policy("mixed_bfloat16")
        model = make_looks(keras, config, weights, looks, size=size, deeplab=deeplab)
    finally:
        keras.config.set_dtype_policy(policy)
    beside = output.with_name(f"{output.stem}.part.keras")
    output.parent.mkdir(parents=True, exist_ok=True)
    model.save(beside)
    os.replace(beside, output)
    height, width = model.input_shape[1:3]
    count = len(looks.scales + looks.mirrored) + bool(looks.near)
    added = " and DeepLab's" if looks.deeplab else ""
    Console(stderr=True).print(f"{output}: looks at {width}x{height}: {count}{added}")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration of the network."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Its weights, temperature 1."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="The teacher, a .keras file."),  # noqa: B008
    size: tuple[int, int] | None = typer.Option(  # noqa: B008
        None, help="Height and width of the student's input; by default as in CONFIG."
    ),
    scale: list[float] = typer.Option(  # noqa: B008
        [], help="Of the image, for a look at it; once for each look."
    ),
    mirrored: list[float] = typer.Option(  # noqa: B008
        [], help="The same for a look at its mirror image. Without either: 1, and 1.45 mirrored."
    ),
    near: float = typer.Option(
        Looks.near, min=0.0, help="Instead of the mirrored ones where people fill the image."
    ),
    deeplab: Path | None = typer.Option(  # noqa: B008
        None, help="The published DeepLab's weights, width 1.0; without it, none."
    ),
    share: float = typer.Option(Looks.deeplab, min=0.0, help="Of DeepLab's log odds."),
    deeplab_size: int = typer.Option(Looks.deeplab_size, help="Side of its input, 16 n + 1."),
    shift: float = typer.Option(Looks.shift, help="Added to the log odds, with DeepLab."),
    mixed_precision: bool | None = typer.Option(
        None, help="Compute in bfloat16, for a GPU; by default as in CONFIG."
    ),
) -> None:
    given = bool(scale or mirrored)
    looks = Looks(
        scales=tuple(scale) if given else Looks.scales,
        mirrored=tuple(mirrored) if given else Looks.mirrored,
        near=near,
        deeplab=share if deeplab else 0.0,
        deeplab_size=deeplab_size,
        shift=shift,
    )

    def run() -> int:
        network = load_config(config)
        if mixed_precision is not None:
            network = replace(network, mixed_precision=mixed_precision)
        return main(network, weights, output, looks, size=size, deeplab=deeplab)

    raise typer.Exit(exit_code_of(run))


if __name__ == "__main__":
    typer.run(_command)

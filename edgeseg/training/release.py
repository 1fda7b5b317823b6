"""From the weights of a run to those that are released: a blend, a threshold, a temperature.

Averaging the weights of two points of one run often lies above both (Wortsman
et al. 2022, "Model soups"); batch normalization is folded into its convolutions
before that. Networks trained with few positives call too little at 0.5: a shift of
the logits moves the threshold without a word to users. Networks that were trained to overlap
as well as possible are too sure of themselves: a temperature divides their logits, and a
mask that is enlarged by others than this runtime gains too, see `ModelSpec.temperature`.
The spec beside the weights has to state it; a temperature of 0.5 takes one of 2 back.

An encoder that was trained on masks has forgotten part of what it knew; part of that comes back
where its deep layers are blended with what they were (Wortsman et al. 2022, "Robust fine-tuning
of zero-shot models"): `--only block13 --only block14`, for layers whose names begin so.

    python -m edgeseg.training.release A.npz=0.2 B.npz=0.8 --threshold 0.45 -o weights.npz
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

from ..errors import InputError
from ..models.folding import fold
from ..models.weights import save_arrays
from ..output import check_file
from ..runtime.console import exit_code_of
from .feature_head import PREFIX

Arrays = dict[str, np.ndarray]

KERNEL, BIAS = "logits/kernel", "logits/bias"


def blend(
    weights: Sequence[Arrays], shares: Sequence[float], *, only: Sequence[str] = ()
) -> Arrays:
    """Weighted mean of weights by name; shares are divided by their sum.

    only: beginnings of the names of layers. These alone are blended, the first weights have
        all else. Of the others, which may be another network's, nothing else is read.
    Raises InputError where names or shapes differ, shares do not add up to anything, or no
    layer's name begins so.
    """
    total = float(sum(shares))
    if len(weights) != len(shares) or not weights or total <= 0:
        raise InputError(f"shares: got {list(shares)}, expected a positive one for each file")
    parts = _parts(weights, only) if only else list(weights)
    shapes = [{name: value.shape for name, value in arrays.items()} for arrays in parts]
    if any(other != shapes[0] for other in shapes):
        raise InputError("weights: got different names or shapes, expected one architecture")
    factors = [np.float32(share / total) for share in shares]
    blended = {
        name: np.sum([arrays[name] * f for arrays, f in zip(parts, factors)], axis=0)
        for name in parts[0]
    }
    return {**weights[0], **blended}


def _parts(weights: Sequence[Arrays], only: Sequence[str]) -> list[Arrays]:
    """Of each, what the first has in layers whose names begin so."""
    for name in only:
        if not any(key.startswith(name) for key in weights[0]):
            raise InputError(f"only: got {name!r}, expected how a layer's name in the first begins")
    wanted = {key for key in weights[0] if key.startswith(tuple(only))}
    return [{key: value for key, value in w.items() if key in wanted} for w in weights]


def calibrate(weights: Arrays, threshold: float) -> Arrays:
    """Shift the logits of a binary network so that `threshold` becomes 0.5.

    Raises InputError for a threshold outside (0, 1) or a network of several classes.
    """
    if not 0 < threshold < 1:
        raise InputError(f"threshold: got {threshold}, expected more than 0 and less than 1")
    shift = np.float32(math.log((1 - threshold) / threshold))
    return {**weights, BIAS: _bias(weights) + shift}


def soften(weights: Arrays, temperature: float) -> Arrays:
    """Divide the logits of a binary network by `temperature`; 0.5 stays where it is.

    Raises InputError for one that is not positive, and for a network of several classes.
    """
    if not temperature > 0:
        raise InputError(f"temperature: got {temperature}, expected a positive number")
    factor = np.float32(1 / temperature)
    return {**weights, BIAS: _bias(weights) * factor, KERNEL: weights[KERNEL] * factor}


def _bias(weights: Arrays) -> np.ndarray:
    bias = weights.get(BIAS)
    if bias is None or bias.shape != (1,) or KERNEL not in weights:
        raise InputError("weights: got no logits of one class, expected a binary network")
    return bias


def _read(argument: str) -> tuple[Arrays, float]:
    path, _, share = argument.partition("=")
    try:
        with np.load(path) as archive:
            # A head for training alone is not released.
            values = {n: v for n, v in archive.items() if not n.startswith(PREFIX)}
            return fold(values), float(share or 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{argument}: got no FILE.npz=SHARE that can be read ({error})") from None


def main(
    files: list[str],
    output: Path,
    threshold: float = 0.5,
    temperature: float = 1.0,
    only: Sequence[str] = (),
) -> int:
    """Blend FILE.npz=SHARE ..., calibrate, soften, write `output`; returns the exit code."""
    check_file(Path(output))
    parts = [_read(argument) for argument in files]
    weights = blend([arrays for arrays, _ in parts], [share for _, share in parts], only=only)
    save_arrays(soften(calibrate(weights, threshold), temperature), output)
    return 0


def _command(
    files: list[str] = typer.Argument(..., help="FILE.npz=SHARE, any number."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="Weights to write."),  # noqa: B008
    threshold: float = typer.Option(0.5, help="Probability that shall become 0.5."),
    temperature: float = typer.Option(1.0, help="What the logits are divided by."),
    only: list[str] = typer.Option(  # noqa: B008
        [], help="How the names of the layers begin that are blended, all else being the first's."
    ),
) -> None:
    raise typer.Exit(exit_code_of(lambda: main(files, output, threshold, temperature, only)))


if __name__ == "__main__":
    typer.run(_command)

"""The weights that a run starts from: those of `model.init`, and of `model.init_others` beside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..data.pipeline import Pipeline
from ..errors import InputError
from ..models.folding import fold, unfold
from ..models.initialise import InitialiseReport, initialise, read_values
from ..models.weights import get_weights, set_weights
from .config import ModelConfig

UNFOLD_BATCHES = 8


def initial_values(model: ModelConfig, root: Path) -> dict[str, np.ndarray]:
    """What the weights of `init` hold and, folded, those of `init_others` beyond them.

    root: folder that all are relative to.
    """
    values = read_values(root / model.init)
    for others in model.init_others:
        # Folded, so that each layer comes from one of them as a whole.
        values = {**fold(read_values(root / others)), **fold(values)}
    return values


def start_network(network: Any, model: ModelConfig, root: Path) -> InitialiseReport | None:
    """Fill `network`; None where the configuration asks for random weights.

    Raises InputError for `init_others` without `init`, and as `initialise` does.
    """
    if not model.init:
        if model.init_others:
            raise InputError(
                f"model.init_others: got {list(model.init_others)} without init, expected both"
            )
        return None
    names = [str(root / name) for name in (model.init, *model.init_others)]
    return initialise(network, initial_values(model, root), origin=" and ".join(names))


def is_normalized(names: Iterable[str]) -> bool:
    """Whether some of a network's weights, by name, are batch normalization's."""
    return any(name.endswith("_bn/gamma") for name in names)


def unfolded(
    network: Any,
    model: ModelConfig,
    root: Path,
    weights: dict[str, np.ndarray],
    pipeline: Pipeline,
    batch: int,
) -> dict[str, np.ndarray]:
    """Weights with which normalization that those of `init` have folded in changes nothing.

    network: of `model`; gets `weights` and is changed. Where something is to be unfolded the
    first 8 batches of the pipeline, of `batch` images, give the statistics.
    """
    set_weights(network, weights)
    # Drawn only where there is something to unfold.
    tensors = (pipeline.batch(step, batch).tensor for step in range(UNFOLD_BATCHES))
    unfold(network, initial_values(model, root), tensors)
    return get_weights(network)

"""The weights that a run starts from: those of `model.init`, and of `model.init_others` beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..models.folding import fold
from ..models.initialise import InitialiseReport, initialise, read_values
from .config import ModelConfig


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

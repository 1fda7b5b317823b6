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

    root: folder that both are relative to.
    """
    values = read_values(root / model.init)
    if not model.init_others:
        return values
    # Folded, so that each layer comes from one of them as a whole.
    return {**fold(read_values(root / model.init_others)), **fold(values)}


def start_network(network: Any, model: ModelConfig, root: Path) -> InitialiseReport | None:
    """Fill `network`; None where the configuration asks for random weights.

    Raises InputError for `init_others` without `init`, and as `initialise` does.
    """
    if not model.init:
        if model.init_others:
            raise InputError(
                f"model.init_others: got {model.init_others!r} without init, expected both, or init"
            )
        return None
    names = [str(root / name) for name in (model.init, model.init_others) if name]
    return initialise(network, initial_values(model, root), origin=" and ".join(names))

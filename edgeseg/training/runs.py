"""A run's folder as a model: configuration, spec and averaged weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models.weights import load_weights
from ..spec import ModelSpec
from .config import TrainConfig, build
from .sources import make_network


def load_run(keras: Any, folder: Path) -> tuple[Any, ModelSpec, TrainConfig]:
    """The network of a run with its averaged weights, built in `keras` or tf_keras.

    Raises InputError for a folder without configuration, spec or weights.
    """
    config, spec = read_config(folder), read_spec(folder)
    model = make_network(keras, config, (spec.height, spec.width))
    path = folder / "weights.npz"
    if not path.exists():
        raise InputError(f"{path}: got no weights, expected a run that has been trained")
    load_weights(model, path)
    return model, spec, config


def read_config(folder: Path) -> TrainConfig:
    """config.json of a run."""
    return build(TrainConfig, json.loads(_text(folder / "config.json")), where=str(folder))


def read_spec(folder: Path) -> ModelSpec:
    """spec.json of a run."""
    path = folder / "spec.json"
    return ModelSpec.from_json(_text(path), origin=str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"{path}: got no readable file ({error.strerror})") from None

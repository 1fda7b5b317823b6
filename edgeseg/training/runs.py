"""A run's folder as a model: configuration, spec and final weights, written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..models.weights import get_weights, load_weights, save_arrays, set_weights
from ..spec import ModelSpec
from .average import copied
from .config import TrainConfig
from .config_file import build
from .sources import make_network
from .statistics import refresh_statistics

if TYPE_CHECKING:
    from .task import Task


def load_run(keras: Any, folder: Path) -> tuple[Any, ModelSpec, TrainConfig]:
    """The network of a run with its averaged weights, built in `keras` or tf_keras.

    Raises InputError for a folder without configuration, spec or weights.
    """
    config, spec = read_config(folder), ModelSpec.from_file(folder / "spec.json")
    model = make_network(keras, config, (spec.height, spec.width))
    path = folder / "weights.npz"
    if not path.exists():
        raise InputError(f"{path}: got no weights, expected a run that has been trained")
    load_weights(model, path)
    return model, spec, config


def read_config(folder: Path) -> TrainConfig:
    """config.json of a run."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: got no readable file ({error.strerror})") from None
    except ValueError as error:  # of JSON, and of UTF-8
        raise InputError(f"{path}: got invalid JSON ({error})") from None
    return build(TrainConfig, values, where=str(folder))


def write_network(
    keras: Any, folder: Path, config: TrainConfig, task: Task, average: dict[str, Any]
) -> None:
    """Write weights.npz and model.keras of a run at its end.

    The weights are `average`, or best.npz where the run may end early and has one.
    """
    stage = config.stages[-1]
    model = make_network(keras, config, stage.size)
    best = folder / "best.npz"
    if config.patience and best.exists():
        with np.load(best) as archive:
            set_weights(model, dict(archive))
    else:
        set_weights(model, copied(average))
        pipeline = task.pipeline(stage, model)
        refresh_statistics(model, pipeline, batch=stage.batch, steps=stage.steps)
    save_arrays(get_weights(model), folder / "weights.npz")
    model.save(folder / "model.keras")

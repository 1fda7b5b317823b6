"""Weights by name, as .npz: the form in which they move between Keras 3, tf_keras and runs.

A key is "layer/variable", such as "stem/kernel". Depthwise kernels are called
`kernel` here and in Keras 3, and `depthwise_kernel` in tf_keras: the one
renaming that is needed.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ModelError


def named_variables(model: Any) -> dict[str, Any]:
    """All variables of a Keras 3 or tf_keras model by "layer/variable"."""
    named = {}
    for layer in model.layers:
        for variable in layer.weights:
            short = variable.name.split("/")[-1].split(":")[0]
            named[f"{layer.name}/{short.replace('depthwise_kernel', 'kernel')}"] = variable
    return named


def get_weights(model: Any) -> dict[str, np.ndarray]:
    """Values of `named_variables`, as numpy arrays."""
    return {name: np.asarray(variable) for name, variable in named_variables(model).items()}


def set_weights(model: Any, values: Mapping[str, np.ndarray]) -> list[str]:
    """Assign the values whose name and shape fit; returns the names that did."""
    fitted = []
    for name, variable in named_variables(model).items():
        if name in values and tuple(values[name].shape) == tuple(variable.shape):
            variable.assign(values[name])
            fitted.append(name)
    return fitted


def save_weights(model: Any, path: str | Path) -> None:
    """Write all weights of `model` to an .npz, beside and renamed."""
    save_arrays(get_weights(model), path)


def save_arrays(arrays: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write arrays to an .npz so that an interruption never leaves half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]
    os.replace(beside, path)


def load_weights(model: Any, path: str | Path) -> None:
    """Load a complete .npz of ours.

    Raises ModelError for a damaged one, InputError where a variable is missing or differs.
    """
    try:
        with np.load(path) as archive:
            values = dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: got damaged weights ({error})") from None
    wanted = named_variables(model)
    missing = sorted(set(wanted) - set(set_weights(model, values)))
    if missing:
        raise InputError(
            f"{path}: got no fitting values for {len(missing)} of {len(wanted)} variables "
            f"({', '.join(missing[:5])}), expected the weights of this very architecture"
        )

"""Start a network from weights that exist: what fits by name and shape is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, require
from .folding import fold
from .tflite_weights import read_tflite_weights
from .weights import get_weights, named_variables, set_weights

SOURCES = (".npz", ".keras", ".h5", ".tflite")


@dataclass(frozen=True)
class InitialiseReport:
    """What happened to each variable.

    loaded: names that got the source's values. fresh: names that keep their
    random ones, with the reason. unused: names of the source that nothing took.
    """

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]

    def table(self) -> Any:
        """A rich table with a row per layer."""
        from rich.table import Table

        table = Table(title=f"weights from {self.source}")
        for column in ("layer", "variables", "start"):
            table.add_column(column)
        rows: dict[tuple[str, str], list[str]] = {}
        states = [(name, "loaded") for name in self.loaded]
        states += [(name, f"fresh: {reason}") for name, reason in self.fresh]
        for name, state in states:
            layer, variable = name.rsplit("/", 1)
            rows.setdefault((layer, state), []).append(variable)
        for (layer, state), variables in rows.items():
            table.add_row(layer, ", ".join(variables), state)
        return table


def initialise(
    model: Any, source: str | Path | Mapping[str, np.ndarray], *, origin: str = ""
) -> InitialiseReport:
    """Fill `model`, Keras 3 or tf_keras, with what fits from `source`.

    source: an .npz by "layer/variable" names (ours or published), a Keras file
        (.keras or legacy .h5), a MobileNetV2-based .tflite, or the values themselves.
    origin: where `source` comes from, for messages; by default its path, or "values".

    A kernel of the first layer that has one input channel less than the model's, as
    when the network gets a previous-mask channel, is filled up with zeros: the
    network answers as before until it is trained.
    Raises InputError for an unreadable source and where nothing fits.
    """
    origin = origin or ("values" if isinstance(source, Mapping) else str(source))
    values = dict(source) if isinstance(source, Mapping) else read_values(Path(source))
    wanted = {name: tuple(v.shape) for name, v in named_variables(model).items()}
    values = fold(values, kept=wanted)
    channels = int(model.inputs[0].shape[-1])
    values = {name: _widened(value, wanted.get(name), channels) for name, value in values.items()}
    loaded = tuple(set_weights(model, values))
    if not loaded:
        raise InputError(
            f"{origin}: got no weights that fit {model.name} by name and shape; it has "
            f"{', '.join(sorted(values)[:4])}, ..., expected {', '.join(sorted(wanted)[:4])}, ..."
        )
    fresh = tuple((n, _reason(n, s, values)) for n, s in wanted.items() if n not in set(loaded))
    return InitialiseReport(origin, loaded, fresh, tuple(sorted(set(values) - set(loaded))))


def fill(
    model: Any,
    source: str | Path | Mapping[str, np.ndarray],
    *,
    origin: str | Path = "",
    purpose: str = "the network",
    optional: Callable[[str], bool] = lambda name: False,
) -> None:
    """`initialise` where nothing may be missing.

    optional: of a variable's name, whether it may stay as it is.
    Raises InputError, with `origin` and `purpose`, for the first other that does.
    """
    report = initialise(model, source, origin=str(origin))
    for name, reason in report.fresh:
        if not optional(name):
            raise InputError(f"{report.source}: got no {name} for {purpose} ({reason})")


def read_values(path: Path) -> dict[str, np.ndarray]:
    """Arrays by "layer/variable" name from any file of `SOURCES`."""
    if not path.is_file():
        raise InputError(f"{path}: got no such file, expected weights ({', '.join(SOURCES)})")
    suffix = path.suffix.lower()
    if suffix not in SOURCES:
        raise InputError(f"{path}: got {suffix!r}, expected one of {', '.join(SOURCES)}")
    if suffix == ".tflite":
        return read_tflite_weights(path)
    try:
        return _read_npz(path) if suffix == ".npz" else _read_keras(path)
    except InputError:
        raise
    except Exception as error:  # whatever zip, h5 and Keras raise for a broken file
        line = str(error).strip().splitlines()
        raise InputError(
            f"{path}: got no readable weights ({line[0] if line else error!r})"
        ) from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return dict(archive)


def _read_keras(path: Path) -> dict[str, np.ndarray]:
    """A whole model saved by Keras 3 or, for .h5, by Keras 2."""
    if path.suffix == ".keras":
        keras = require("keras", extra="train")
        return get_weights(keras.saving.load_model(path, compile=False))
    tf_keras = require("tf_keras", extra="train")
    return get_weights(tf_keras.models.load_model(path, compile=False))


def _widened(value: np.ndarray, shape: tuple[int, ...] | None, channels: int) -> np.ndarray:
    if shape is None or value.ndim != 4 or len(shape) != 4:
        return value
    narrower = (*value.shape[:2], value.shape[2] + 1, value.shape[3])
    if shape == narrower and shape[2] == channels:
        return np.pad(value, ((0, 0), (0, 0), (0, 1), (0, 0)))
    return value


def _reason(name: str, shape: tuple[int, ...], values: Mapping[str, np.ndarray]) -> str:
    layer = name.rsplit("/", 1)[0]
    if layer.endswith("_bn") and f"{layer.removesuffix('_bn')}/bias" in values:
        return "folded into its convolution"  # training unfolds it
    if name not in values:
        return "not in the source"
    return f"shape {tuple(values[name].shape)}, expected {shape}"

"""Which layers lose most when a model is quantized: TensorFlow's quantization debugger."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.errors import require

from .graph import Model, tflite_converter
from .int8 import quantizing_converter

DEBUG_TENSORS = 16


@dataclass(frozen=True)
class LayerError:
    """A layer's own error: its integer result against the float one from the same input.

    steps: root mean square in quantization steps of its output; 0.29 is rounding
    alone, much more means that values were clipped.
    """

    layer: str
    operator: str
    steps: float

    def __str__(self) -> str:
        return f"{self.layer} ({self.operator}, {self.steps:.1f} steps)"


def worst_layers(
    model: Model,
    function: Any,
    calibration: Sequence[np.ndarray],
    tensors: Sequence[np.ndarray],
    *,
    count: int = 5,
) -> list[LayerError]:
    """The layers of a Keras model with the largest error, largest first.

    function: the model as a concrete function. calibration: tensors from which the
    ranges are read. tensors: real inputs on which the error is measured.
    """
    tf = require("tensorflow", extra="convert")
    converter = quantizing_converter(tflite_converter(function), list(calibration), io="float32")
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=lambda: ([tensor] for tensor in tensors[:DEBUG_TENSORS])
    )
    debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    names = {layer.name: bool(layer.weights) for layer in model.layers}
    errors = [_error(row, names) for row in csv.DictReader(io.StringIO(table.getvalue()))]
    finite = [error for error in errors if np.isfinite(error.steps)]
    return sorted(finite, key=lambda error: -error.steps)[:count]


def _error(row: Mapping[str, str], names: Mapping[str, bool]) -> LayerError:
    steps = float(row["mean_squared_error"]) ** 0.5 / float(row["scale"])
    return LayerError(_layer(row["tensor_name"], names), row["op_name"], steps)


def _layer(tensor: str, names: Mapping[str, bool]) -> str:
    """The Keras layer of a fused tensor's name: one with weights before its activation."""
    # Keras 3 numbers the scopes of a repeated call: "stem_1" is the layer "stem".
    parts = [part for name in tensor.split(";") for part in name.split("/")]
    known = [name for part in parts for name in (part, re.sub(r"_\d+$", "", part)) if name in names]
    weighted = [name for name in known if names[name]]
    return (weighted or known or [tensor])[0]

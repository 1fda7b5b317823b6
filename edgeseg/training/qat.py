"""Quantization-aware training: ranges from calibration, then fine-tuning through rounded values.

After Jacob et al. 2018, with tensorflow-model-optimization, which takes tf_keras
models alone: the network is built anew there and its weights move by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, require
from ..models.weights import get_weights, save_arrays
from .quantize_scheme import quantize

PREFIX = "quant_"
# What the package calls the range of a layer's output.
RANGES = ("output", "post_activation", "pre_activation")


def layer_ranges(model: Any, tensors: Iterable[np.ndarray]) -> dict[str, tuple[float, float]]:
    """Smallest and largest output of each layer of a tf_keras model over some batches.

    tensors: float32 (N, h, w, channels).
    """
    tf_keras = require("tf_keras", extra="train")
    names = [layer.name for layer in model.layers]
    probe = tf_keras.Model(model.inputs, [layer.output for layer in model.layers])
    lows, highs = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for tensor in tensors:
        for index, output in enumerate(probe(tensor, training=False)):
            values = np.asarray(output)
            lows[index] = min(lows[index], values.min())
            highs[index] = max(highs[index], values.max())
    if not np.isfinite(lows).all():
        raise InputError("calibration: got no batches or values that are not finite")
    return {name: (float(low), float(high)) for name, low, high in zip(names, lows, highs)}


def quantized_copy(model: Any, ranges: dict[str, tuple[float, float]], *, weights: bool) -> Any:
    """A quantization-aware copy of a tf_keras model whose ranges start where they should.

    The package starts them at +-6 and moves them by a thousandth a step: without
    calibration thousands of steps pass before they mean anything. weights: see `quantize`.
    """
    copy = quantize(model, weights=weights)
    values = get_weights(model)
    for layer in copy.layers:
        source = _float_name(copy, layer)
        if source in ranges:
            low, high = ranges[source]
            for end, variable in _range_variables(layer).items():
                # Zero stays inside, so that it has an exact code.
                variable.assign(min(low, 0.0) if end == "min" else max(high, 0.0))
        _set_kernel_range(layer, values)
    return copy


def _set_kernel_range(layer: Any, weights: dict[str, np.ndarray]) -> None:
    """The range of a kernel's rounding, where the package keeps one: it starts at +-6, too."""
    for variable in layer.weights:
        name, _, end = variable.name.split("/")[-1].split(":")[0].rpartition("_")
        if end in ("min", "max") and name.endswith("kernel"):
            kernel = np.abs(weights[f"{layer.layer.name}/kernel"])
            axes = tuple(range(kernel.ndim - 1)) if variable.shape.rank else None
            limit = np.maximum(kernel.max(axis=axes), 1e-12)
            variable.assign(-limit if end == "min" else limit)


def _float_name(copy: Any, layer: Any) -> str:
    """The name of the float layer whose output a layer of the copy quantizes."""
    if type(layer).__name__ == "QuantizeLayer":
        return copy.layers[0].name
    return layer.name.removeprefix(PREFIX)


def _range_variables(layer: Any) -> dict[str, Any]:
    """ "min" and "max" of a layer's output where it quantizes it, else nothing."""
    own = "quantize_layer" if type(layer).__name__ == "QuantizeLayer" else None
    found = {}
    for variable in layer.weights:
        name = variable.name.split("/")[-1].split(":")[0]
        kind, _, end = name.rpartition("_")
        if end in ("min", "max") and (kind in RANGES or (own and kind.startswith(own))):
            found[end] = variable
    return found


def read_ranges(copy: Any) -> dict[str, tuple[float, float]]:
    """The ranges that a quantization-aware model has come to, by the float layers' names."""
    ranges = {}
    for layer in copy.layers:
        ends = _range_variables(layer)
        if len(ends) == 2:
            values = (float(ends["min"].numpy()), float(ends["max"].numpy()))
            ranges[_float_name(copy, layer)] = values
    return ranges


def float_weights(copy: Any) -> dict[str, np.ndarray]:
    """Weights of a quantization-aware model by the float model's names."""
    values = {}
    for layer in copy.layers:
        inner = getattr(layer, "layer", None)
        if inner is None:
            continue
        for variable in (*inner.trainable_weights, *inner.non_trainable_weights, *layer.weights):
            short = variable.name.split("/")[-1].split(":")[0]
            if not short.endswith(("_min", "_max", "optimizer_step")):
                key = f"{inner.name}/{short.replace('depthwise_kernel', 'kernel')}"
                values[key] = np.asarray(variable)
    return values


def for_conversion(model: Any, copy: Any) -> Any:
    """A stock quantization-aware model with what `copy` has learned, ready for the converter.

    model: the float tf_keras model; its weights become those of `copy`.
    """
    from ..models.weights import set_weights

    wanted = get_weights(model)
    missing = set(wanted) - set(set_weights(model, float_weights(copy)))
    if missing:
        raise InputError(f"{copy.name}: got no weights for {sorted(missing)[:4]}")
    return quantized_copy(model, read_ranges(copy), weights=False)


def save_quantized(copy: Any, folder: Path) -> None:
    """Write qat.weights.h5, which loads again, and the float weights by name as weights.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.save_weights(folder / "qat.weights.h5")
    save_arrays(float_weights(copy), folder / "weights.npz")


def load_quantized(model: Any, folder: Path) -> Any:
    """The quantization-aware model of a folder, rebuilt over the float tf_keras `model`."""
    path = folder / "qat.weights.h5"
    if not path.exists():
        raise InputError(f"{path}: got no such file, expected quantization-aware weights")
    copy = quantize(model, weights=True)
    copy.load_weights(path)
    return copy

"""Taking out the shift that rounding weights to 8 bit gives to a layer's mean output.

Rounding errors of a channel's weights do not cancel where the inputs have a mean:
behind ReLU they all do. The expected shift, error times mean input, is
subtracted from the bias (Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", 2019, with means measured on the calibration
images instead of derived).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgeseg.errors import require

from .graph import Model, all_layers, keras_of

LEVELS = 127
CORRECTED = ("Conv2D", "DepthwiseConv2D")


def bias_corrected(model: Model, tensors: Sequence[np.ndarray]) -> Model:
    """A copy of a Keras model, ready to be quantized with per-channel weights.

    tensors: calibration inputs, float32 (1, height, width, channels). Convolutions
    with a bias or with batch normalization behind them are corrected, those of networks that
    are themselves layers, such as a backbone, among them.
    """
    keras = keras_of(model)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = [layer for layer in all_layers(copy) if type(layer).__name__ in CORRECTED]
    for layer, mean in _mean_inputs(copy, layers, tensors):
        _correct(layer, _shift(layer, mean))
    return copy


def _mean_inputs(
    model: Model, layers: list[Any], tensors: Sequence[np.ndarray]
) -> list[tuple[Any, np.ndarray]]:
    """The layers that are used, each with the mean of its input by channel, over all tensors."""
    tf = require("tensorflow", extra="convert")

    @tf.function(autograph=False)
    def means(tensor: Any) -> dict[int, Any]:
        with _heard(layers) as heard:
            model(tensor, training=False)
        by_use = {
            index: [tf.reduce_mean(x, axis=(0, 1, 2)) for x in inputs]
            for index, inputs in enumerate(heard)
            if inputs
        }
        return {index: tf.add_n(values) / len(values) for index, values in by_use.items()}

    sums: dict[int, np.ndarray] = {}
    for tensor in tensors:
        for index, mean in means(tf.constant(tensor)).items():
            sums[index] = sums.get(index, 0.0) + np.asarray(mean, np.float64)
    return [(layers[index], total / len(tensors)) for index, total in sums.items()]


@contextlib.contextmanager
def _heard(layers: list[Any]) -> Iterator[list[list[Any]]]:
    """What each of the layers is called with meanwhile, however deep in a network it lies."""
    heard: list[list[Any]] = [[] for _ in layers]

    def listening(call: Callable[[Any], Any], inputs: list[Any]) -> Callable[[Any], Any]:
        def answer(x: Any) -> Any:
            inputs.append(x)
            return call(x)

        return answer

    for layer, inputs in zip(layers, heard):
        layer.call = listening(layer.call, inputs)
    try:
        yield heard
    finally:
        for layer in layers:
            del layer.call


def _shift(layer: Any, mean: np.ndarray) -> np.ndarray:
    """What rounding adds to the layer's mean output, by output channel."""
    kernel = np.asarray(layer.weights[0])
    depthwise = "Depthwise" in type(layer).__name__
    # (h, w, in, out), or (h, w, in, multiplier) whose channels are the inputs'.
    axes = (0, 1) if depthwise else (0, 1, 2)
    step = np.abs(kernel).max(axis=axes, keepdims=True) / LEVELS
    error = np.rint(kernel / np.where(step > 0, step, 1)) * step - kernel
    by_tap = error.sum(axis=(0, 1))
    if depthwise:
        return (by_tap * mean[:, np.newaxis]).reshape(-1)
    # Each group of output channels sees its own part of the input's: usually there is one group.
    groups = len(mean) // len(by_tap)
    parts = zip(np.split(mean, groups), np.split(by_tap, groups, axis=1))
    return np.concatenate([part @ taps for part, taps in parts])


def _correct(layer: Any, shift: np.ndarray) -> None:
    if layer.use_bias:
        bias = layer.weights[1]
        bias.assign(np.asarray(bias) - shift.astype(np.float32))
        return
    behind = [
        getattr(node, "operation", None) or node.outbound_layer for node in layer._outbound_nodes
    ]
    # Of a layer that is used twice the same may follow twice.
    for follower in {id(one): one for one in behind}.values():
        if type(follower).__name__ == "BatchNormalization":
            moving = follower.moving_mean
            moving.assign(np.asarray(moving) + shift.astype(np.float32))

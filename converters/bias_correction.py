"""Taking out the shift that rounding weights to 8 bit gives to a layer's mean output.

Rounding errors of a channel's weights do not cancel where the inputs have a mean:
behind ReLU they all do. The expected shift, error times mean input, is
subtracted from the bias (Nagel et al., "Data-Free Quantization Through Weight
Equalization and Bias Correction", 2019, with means measured on the calibration
images instead of derived).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from edgeseg.errors import require

from .graph import Model

LEVELS = 127
CORRECTED = ("Conv2D", "DepthwiseConv2D")


def bias_corrected(model: Model, tensors: Sequence[np.ndarray]) -> Model:
    """A copy of a Keras model, ready to be quantized with per-channel weights.

    tensors: calibration inputs, float32 (1, height, width, channels). Convolutions
    with a bias or with batch normalization behind them are corrected, but not those of a
    network that is itself a layer.
    """
    keras = _keras_of(model)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = [layer for layer in copy.layers if type(layer).__name__ in CORRECTED]
    if not layers:
        return copy
    for layer, mean in zip(layers, _mean_inputs(keras, copy, layers, tensors)):
        _correct(layer, _shift(layer, mean))
    return copy


def _keras_of(model: Model) -> ModuleType:
    return require(type(model).__module__.split(".")[0], extra="convert")


def _mean_inputs(
    keras: Any, model: Model, layers: list[Any], tensors: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Mean of each layer's input by channel, over all tensors."""
    tf = require("tensorflow", extra="convert")
    taps = keras.Model(model.inputs, [layer.input for layer in layers])

    @tf.function
    def means(tensor: Any) -> list[Any]:
        answers = tf.nest.flatten(taps([tensor], training=False))  # of one layer, no list
        return [tf.reduce_mean(x, axis=(0, 1, 2)) for x in answers]

    sums = [np.zeros(layer.input.shape[-1]) for layer in layers]
    for tensor in tensors:
        sums = [a + np.asarray(b) for a, b in zip(sums, means(tf.constant(tensor)))]
    return [total / len(tensors) for total in sums]


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
    for node in layer._outbound_nodes:
        follower = getattr(node, "operation", None) or node.outbound_layer
        if type(follower).__name__ == "BatchNormalization":
            moving = follower.moving_mean
            moving.assign(np.asarray(moving) + shift.astype(np.float32))

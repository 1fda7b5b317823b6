"""Batch normalization folded into the weights before it, and put back.

Folding (Jacob et al. 2018, section 3.2) multiplies a normalization, which in
inference is a scale and a shift per channel, into its convolution. Published weights
come like this. Trained from there a network learns slowly at first: nothing keeps the
scale of its features. Unfolding starts each normalization from the mean and variance
of what its convolution gives on real images, with the scale and shift that undo it.
Either way the network answers as before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from .blocks import BATCH_NORM_EPSILON

PARAMETERS = ("gamma", "beta", "moving_mean", "moving_variance")


def normalisations(model: Any) -> list[Any]:
    """The batch normalization layers of a Keras 3 model."""
    return [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]


def fold(values: Mapping[str, np.ndarray], *, kept: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Weights by name without normalization: the same network with a bias instead.

    values: weights with "X/kernel" and, where it is normalized, "X_bn/gamma", "beta",
        "moving_mean" and "moving_variance" of the layer X. Others are passed through, and
        so is a normalization that has not all of that.
    kept: names of weights; a normalization that is among them stays.
    """
    gammas = {name for name in values if name.endswith("_bn/gamma")} - set(kept)
    names = {name.removesuffix("_bn/gamma") for name in gammas}
    names = {name for name in names if _is_foldable(name, values)}
    result = {k: v for k, v in values.items() if k.split("/")[0].removesuffix("_bn") not in names}
    for name in names:
        kernel = values[f"{name}/kernel"]
        gamma, beta, mean, variance = (values[f"{name}_bn/{part}"] for part in PARAMETERS)
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        depthwise = kernel.shape[-2:] == (len(scale), 1)
        result[f"{name}/kernel"] = kernel * (scale[:, np.newaxis] if depthwise else scale)
        result[f"{name}/bias"] = beta + (values.get(f"{name}/bias", 0) - mean) * scale
    return result


def _is_foldable(name: str, values: Mapping[str, np.ndarray]) -> bool:
    parts = (f"{name}/kernel", *(f"{name}_bn/{part}" for part in PARAMETERS))
    if not all(part in values for part in parts):
        return False
    channels, shape = len(values[f"{name}_bn/gamma"]), values[f"{name}/kernel"].shape
    # A depthwise kernel is (height, width, channels, 1).
    return shape[-1] == channels or shape[-2:] == (channels, 1)


def folded(model: Any, values: Mapping[str, np.ndarray]) -> list[Any]:
    """The normalization layers of a Keras 3 `model` whose convolution has a bias in `values`.

    A layer is called after its convolution, with "_bn" behind; a source that has the
    normalization itself needs no unfolding.
    """
    return [
        layer
        for layer in normalisations(model)
        if f"{_convolution(layer)}/bias" in values and f"{layer.name}/gamma" not in values
    ]


def unfold(model: Any, values: Mapping[str, np.ndarray], tensors: Iterable[np.ndarray]) -> int:
    """Fill the normalization layers of `model`, whose kernels are those of `values` already.

    values: weights by name, the biases among them. tensors: batches to measure on,
    float32 (N, h, w, channels). Returns the number of layers filled.
    """
    import keras

    layers = folded(model, values)
    if not layers:
        return 0
    for layer in layers:
        layer.gamma.assign(np.ones(layer.gamma.shape, np.float32))
        layer.beta.assign(values[f"{_convolution(layer)}/bias"])
        layer.moving_mean.assign(np.zeros(layer.gamma.shape, np.float32))
        # Together with epsilon a variance of one: in inference the layer only adds the bias.
        layer.moving_variance.assign(np.full(layer.gamma.shape, 1 - layer.epsilon, np.float32))
    inner = keras.Model(model.inputs, [layer.input for layer in layers])
    sums = [np.zeros((2, layer.gamma.shape[0])) for layer in layers]
    count = 0
    for tensor in tensors:
        count += 1
        for total, output in zip(sums, inner.predict_on_batch(tensor)):
            pixels = np.asarray(output, np.float64).reshape(-1, output.shape[-1])
            total += [pixels.mean(0), (pixels**2).mean(0)]
    for layer, total in zip(layers, sums):
        mean, square = total / count
        variance = np.maximum(square - mean**2, 0)
        layer.gamma.assign(np.sqrt(variance + layer.epsilon))
        layer.beta.assign(mean + values[f"{_convolution(layer)}/bias"])
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return len(layers)


def _convolution(layer: Any) -> str:
    return layer.name.removesuffix("_bn")

"""Put batch normalization back into a network whose weights have it folded in.

Published weights for inference, and ours, hold convolutions with the normalization
multiplied into them. Trained further like this a network learns slowly: nothing
keeps the scale of its features. Here each normalization starts from the mean and
variance of what its convolution gives on real images, with the scale and shift that
undo it, so that the network answers as before (the inverse of the folding in Jacob
et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def folded(model: Any, values: Mapping[str, np.ndarray]) -> list[Any]:
    """The normalization layers of a Keras 3 `model` whose convolution has a bias in `values`.

    A layer is called after its convolution, with "_bn" behind; a source that has the
    normalization itself needs no unfolding.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    return [
        layer
        for layer in layers
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

"""Building blocks shared by the architectures.

Every function takes the Keras module as its first argument, so that one
definition builds the same network in Keras 3 (training) and in tf_keras
(quantization-aware training, which tensorflow-model-optimization offers for
Keras 2 only). Every layer is named: weights travel between the two by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tensor = Any
Keras = Any
# All layers, none, or those whose name has one of these parts, such as ("decoder", "_project").
Normalized = bool | Sequence[str]
BATCH_NORM_EPSILON = 1e-3


def is_normalized(name: str, batch_norm: Normalized) -> bool:
    """Whether the convolution `name` is followed by batch normalization."""
    if isinstance(batch_norm, bool):
        return batch_norm
    return any(part in name for part in batch_norm)


def divisible(channels: float, divisor: int = 4) -> int:
    """Round a channel count to a multiple of `divisor`, never down by over 10 %.

    The rule is MobileNetV2's; a divisor of 4 gives the channel counts of Coral's
    published DeepLab at width 0.5 (12 where a divisor of 8 would give 16).
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def convolution(
    keras: Keras,
    x: Tensor,
    channels: int,
    kernel: int = 1,
    *,
    name: str,
    strides: int = 1,
    activate: bool = True,
    batch_norm: Normalized = False,
) -> Tensor:
    """Convolution, then batch normalization and ReLU6 where asked for.

    x: float (N, H, W, C) -> float (N, H / strides, W / strides, channels).
    """
    batch_norm = is_normalized(name, batch_norm)
    x = keras.layers.Conv2D(
        channels,
        kernel,
        strides=strides,
        padding="same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return _normalise_and_activate(keras, x, name=name, activate=activate, batch_norm=batch_norm)


def depthwise(
    keras: Keras,
    x: Tensor,
    kernel: int = 3,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    activate: bool = True,
    batch_norm: Normalized = False,
) -> Tensor:
    """Depthwise convolution, then batch normalization and ReLU6 where asked for.

    x: float (N, H, W, C) -> float (N, H / strides, W / strides, C).
    """
    batch_norm = is_normalized(name, batch_norm)
    x = keras.layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        use_bias=not batch_norm,
        depthwise_initializer="he_normal",
        name=name,
    )(x)
    return _normalise_and_activate(keras, x, name=name, activate=activate, batch_norm=batch_norm)


def _normalise_and_activate(
    keras: Keras, x: Tensor, *, name: str, activate: bool, batch_norm: bool
) -> Tensor:
    if batch_norm:
        x = keras.layers.BatchNormalization(
            momentum=0.97, epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn"
        )(x)
    if activate:
        x = keras.layers.ReLU(max_value=6.0, name=f"{name}_relu6")(x)
    return x


def inverted_residual(
    keras: Keras,
    x: Tensor,
    channels: int,
    *,
    name: str,
    strides: int = 1,
    expansion: float = 6,
    dilation: int = 1,
    batch_norm: Normalized = False,
) -> Tensor:
    """Inverted residual with linear bottleneck (Sandler et al. 2018, figure 4).

    x: float (N, H, W, C) -> float (N, H / strides, W / strides, channels). The
    input is added when stride and channel count allow it.
    """
    inputs = x
    if expansion > 1:
        inside = divisible(x.shape[-1] * expansion)
        x = convolution(keras, x, inside, name=f"{name}_expand", batch_norm=batch_norm)
    x = depthwise(
        keras,
        x,
        name=f"{name}_depthwise",
        strides=strides,
        dilation=dilation,
        batch_norm=batch_norm,
    )
    x = convolution(
        keras, x, channels, name=f"{name}_project", activate=False, batch_norm=batch_norm
    )
    if strides == 1 and inputs.shape[-1] == channels:
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x


def upsample(keras: Keras, x: Tensor, *, name: str) -> Tensor:
    """Bilinear x2: float (N, H, W, C) -> (N, 2 H, 2 W, C). Quantizes to one operator."""
    return keras.layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)

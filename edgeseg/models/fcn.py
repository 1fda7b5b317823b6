"""Fully convolutional networks, FCN-32s and FCN-8s (Long, Shelhamer and Darrell, 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .backbones import encode
from .blocks import Keras, Tensor
from .classic import check_multiple, conv_relu, probabilities

# Layers -----------------------------------------------------------------------


def bilinear_kernel(factor: int, classes: int) -> np.ndarray:
    """Weights with which a transposed convolution enlarges bilinearly, each class alone.

    Returns float32 (2 factor, 2 factor, classes, classes).
    """
    size = 2 * factor
    centre = factor - 0.5
    line = 1 - np.abs(np.arange(size) - centre) / factor
    kernel = np.zeros((size, size, classes, classes), np.float32)
    kernel[:, :, range(classes), range(classes)] = np.outer(line, line)[..., np.newaxis]
    return kernel


def enlarge(keras: Keras, x: Tensor, factor: int, *, name: str) -> Tensor:
    """Learned upsampling that starts as a bilinear one: (N, H, W, C) -> (N, fH, fW, C)."""
    classes = x.shape[-1]
    return keras.layers.Conv2DTranspose(
        classes,
        2 * factor,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(bilinear_kernel(factor, classes)),
        name=name,
    )(x)


def head(
    keras: Keras, x: Tensor, classes: int, *, channels: int, kernel: int, dropout: float
) -> Tensor:
    """The classifier made convolutional: fc6, fc7 and class scores at stride 32."""
    for name, size in (("fc6", kernel), ("fc7", 1)):
        x = conv_relu(keras, x, channels, size, name=name)
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return keras.layers.Conv2D(classes, 1, name="score32")(x)


# Functional models ------------------------------------------------------------


def fcn32(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 2,
    encoder: str = "plain",
    encoder_weights: str | None = None,
    widths: Sequence[int] = (64, 128, 256, 256, 256),
    head_channels: int = 4096,
    head_kernel: int = 7,
    dropout: float = 0.5,
) -> Tensor:
    """Build FCN-32s (Long et al., 2015): scores at stride 32, enlarged at once.

    input_shape: (height, width, channels), multiples of 32.
    encoder, encoder_weights: see `backbones.encode`; the paper's is "vgg16".
    widths: channels of the plain encoder's five levels.
    head_channels, head_kernel: of fc6 and fc7; 4096 and 7 are the paper's.

    Returns a Keras model, float32 (N, H, W, C) -> float32 (N, H, W, classes) of
    probabilities; the layer before the activation is called "logits".
    """
    check_multiple("fcn32", input_shape, 32)
    inputs = keras.Input(shape=tuple(input_shape), name="image")
    features = encode(keras, inputs, encoder=encoder, weights=encoder_weights, widths=widths)
    x = head(
        keras, features[32], classes, channels=head_channels, kernel=head_kernel, dropout=dropout
    )
    logits = enlarge(keras, x, 32, name="logits")
    return keras.Model(inputs, probabilities(keras, logits, classes), name="fcn32")


def fcn8(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 2,
    encoder: str = "plain",
    encoder_weights: str | None = None,
    widths: Sequence[int] = (64, 128, 256, 256, 256),
    head_channels: int = 4096,
    head_kernel: int = 7,
    dropout: float = 0.5,
) -> Tensor:
    """Build FCN-8s (Long et al., 2015): scores at stride 32, 16 and 8 added up.

    Arguments and result as of `fcn32`.
    """
    check_multiple("fcn8", input_shape, 32)
    inputs = keras.Input(shape=tuple(input_shape), name="image")
    features = encode(keras, inputs, encoder=encoder, weights=encoder_weights, widths=widths)
    x = head(
        keras, features[32], classes, channels=head_channels, kernel=head_kernel, dropout=dropout
    )
    for stride in (16, 8):
        x = enlarge(keras, x, 2, name=f"enlarge{stride}")
        skip = keras.layers.Conv2D(classes, 1, name=f"score{stride}")(features[stride])
        x = keras.layers.Add(name=f"add{stride}")([x, skip])
    logits = enlarge(keras, x, 8, name="logits")
    return keras.Model(inputs, probabilities(keras, logits, classes), name="fcn8")

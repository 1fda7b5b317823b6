"""Layers shared by the classic architectures: plain ReLU, unrolled to single named layers.

The mobile blocks of `blocks` use ReLU6 and bottlenecks; the papers before them
use a 3x3 convolution, now and then batch normalization, and ReLU.
"""

from __future__ import annotations

from .blocks import Keras, Tensor


def conv_relu(
    keras: Keras,
    x: Tensor,
    channels: int,
    kernel: int = 3,
    *,
    name: str,
    padding: str = "same",
    batch_norm: bool = False,
    activate: bool = True,
) -> Tensor:
    """Convolution, then batch normalization and ReLU where asked for.

    x: float (N, H, W, C) -> float (N, H', W', channels); H' is H with "same"
    padding and H - kernel + 1 with "valid".
    """
    x = keras.layers.Conv2D(
        channels,
        kernel,
        padding=padding,
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if batch_norm:
        x = keras.layers.BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if activate else x


def probabilities(keras: Keras, logits: Tensor, classes: int) -> Tensor:
    """Sigmoid for one class, softmax over more, in float32 also under mixed precision."""
    activation = "sigmoid" if classes == 1 else "softmax"
    return keras.layers.Activation(activation, dtype="float32", name="mask")(logits)


def class_scores(keras: Keras, x: Tensor, classes: int, *, scale: int = 1) -> Tensor:
    """1x1 convolution to the classes, bilinear upsampling by `scale`, probabilities.

    The layer whose output the loss takes is called "logits".
    """
    if scale == 1:
        logits = keras.layers.Conv2D(classes, 1, name="logits")(x)
    else:
        x = keras.layers.Conv2D(classes, 1, name="score")(x)
        logits = keras.layers.UpSampling2D(scale, interpolation="bilinear", name="logits")(x)
    return probabilities(keras, logits, classes)


def check_multiple(name: str, input_shape: tuple[int, int, int], multiple: int) -> None:
    """Raise ValueError unless height and width are positive multiples of `multiple`."""
    height, width, _ = input_shape
    if height < multiple or width < multiple or height % multiple or width % multiple:
        raise ValueError(
            f"{name} input size: got {height}x{width}, expected multiples of {multiple}"
        )

"""Encoders for the classic architectures: a plain one, and those of keras.applications.

All give the last feature map at every stride, so that a decoder does not care
which encoder it sits on.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from .blocks import Keras, Tensor
from .classic import conv_relu

APPLICATIONS = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3": "MobileNetV3Small",
}
ENCODERS = ("plain", *APPLICATIONS)
STRIDES = (2, 4, 8, 16, 32)


def encode(
    keras: Keras,
    inputs: Tensor,
    *,
    encoder: str,
    weights: str | None,
    widths: Sequence[int],
    batch_norm: bool = True,
) -> dict[int, Tensor]:
    """Features by stride, 2 to 32.

    inputs: float (N, H, W, C), H and W multiples of the largest stride that is used.
    encoder: "plain", "vgg16", "resnet50", "mobilenet_v2" or "mobilenet_v3" (the
        small one).
    weights: None for random ones, or what keras.applications takes: "imagenet"
        (downloaded by Keras) or a file. The plain encoder takes None alone.
    widths: channels of the plain encoder's levels.

    Returns {stride: float (N, H / stride, W / stride, channels)}.
    Raises ValueError for an unknown encoder or weights that it cannot have.
    """
    if encoder == "plain":
        if weights is not None:
            raise ValueError(f"encoder_weights: got {weights!r}, expected None for plain")
        return plain(keras, inputs, widths=widths, batch_norm=batch_norm)
    if encoder not in APPLICATIONS:
        raise ValueError(f"encoder: got {encoder!r}, expected one of {', '.join(ENCODERS)}")
    return application(keras, inputs, APPLICATIONS[encoder], weights=weights)


def plain(keras: Keras, x: Tensor, *, widths: Sequence[int], batch_norm: bool) -> dict[int, Tensor]:
    """A 3x3 convolution and a 2x2 max pooling per level, as many levels as `widths`."""
    features = {}
    for level, channels in enumerate(widths, start=1):
        x = conv_relu(keras, x, channels, name=f"encoder{level}_conv", batch_norm=batch_norm)
        x = keras.layers.MaxPooling2D(2, name=f"encoder{level}_pool")(x)
        features[2**level] = x
    return features


def application(
    keras: Keras, inputs: Tensor, name: str, *, weights: str | None
) -> dict[int, Tensor]:
    """The last layer's output at every stride of a network of keras.applications."""
    height, width = inputs.shape[1], inputs.shape[2]
    if min(height, width) < 64:
        raise ValueError(f"{name} input size: got {height}x{width}, expected at least 64x64")
    constructor = getattr(keras.applications, name)
    options = {"include_top": False, "weights": weights, "input_tensor": inputs}
    if "include_preprocessing" in inspect.signature(constructor).parameters:
        # Scaling is the job of ModelSpec, and Rescaling does not quantize.
        options["include_preprocessing"] = False
    network = constructor(**options)
    sizes = {(height // stride, width // stride): stride for stride in STRIDES}
    features = {}
    for layer in network.layers:
        shape = layer.output.shape
        stride = sizes.get((shape[1], shape[2])) if len(shape) == 4 else None
        if stride is not None:
            features[stride] = layer.output
    return features

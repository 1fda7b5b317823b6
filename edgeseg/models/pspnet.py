"""PSPNet (Zhao et al., 2017): context from average pooling over a pyramid of regions."""

from __future__ import annotations

from collections.abc import Sequence

from .backbones import encode
from .blocks import Keras, Tensor
from .classic import check_multiple, class_scores, conv_relu

BINS = (1, 2, 3, 6)


def pyramid(keras: Keras, x: Tensor) -> Tensor:
    """The pyramid pooling module (figure 3): x beside its averages over 1, 4, 9, 36 regions.

    x: float (N, H, W, C), H and W multiples of 6 -> float (N, H, W, 2 C).
    """
    height, width, channels = x.shape[1:]
    levels = [x]
    for bins in BINS:
        region = (height // bins, width // bins)
        y = keras.layers.AveragePooling2D(region, name=f"pyramid{bins}_pool")(x)
        y = conv_relu(
            keras, y, max(channels // len(BINS), 1), 1, name=f"pyramid{bins}_conv", batch_norm=True
        )
        y = keras.layers.UpSampling2D(
            region, interpolation="bilinear", name=f"pyramid{bins}_upsample"
        )(y)
        levels.append(y)
    return keras.layers.Concatenate(name="pyramid_concat")(levels)


def pspnet(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (384, 384, 3),
    classes: int = 2,
    encoder: str = "plain",
    encoder_weights: str | None = None,
    widths: Sequence[int] = (64, 128, 256, 256, 256),
    feature_stride: int = 32,
    head_channels: int = 512,
    dropout: float = 0.1,
) -> Tensor:
    """Build PSPNet.

    input_shape: (height, width, channels), multiples of 6 * feature_stride.
    encoder, encoder_weights: see `backbones.encode`; the paper's is a dilated ResNet.
    widths: channels of the plain encoder's five levels.
    feature_stride: 8, 16 or 32, where the pyramid sits; the paper's is 8.
    head_channels: of the convolution after the pyramid, 512 in the paper.

    Returns a Keras model, float32 (N, H, W, C) -> float32 of probabilities at an
    eighth of the feature stride (1/4 of the size for 32, the full size for 8); the
    layer before the activation is called "logits".
    """
    if feature_stride not in (8, 16, 32):
        raise ValueError(f"pspnet feature_stride: got {feature_stride}, expected 8, 16 or 32")
    check_multiple("pspnet", input_shape, 6 * feature_stride)
    inputs = keras.Input(shape=tuple(input_shape), name="image")
    features = encode(keras, inputs, encoder=encoder, weights=encoder_weights, widths=widths)
    x = pyramid(keras, features[feature_stride])
    x = conv_relu(keras, x, head_channels, name="head", batch_norm=True)
    if dropout:
        x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    return keras.Model(inputs, class_scores(keras, x, classes, scale=8), name="pspnet")

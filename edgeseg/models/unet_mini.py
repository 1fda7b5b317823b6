"""A small U-Net: the encoder of choice, skips concatenated into a narrow decoder."""

from __future__ import annotations

from collections.abc import Sequence

from .backbones import encode
from .blocks import Keras, Tensor
from .classic import check_multiple, class_scores, conv_relu


def unet_mini(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 2,
    encoder: str = "plain",
    encoder_weights: str | None = None,
    channels: int = 16,
    depth: int = 3,
    batch_norm: bool = True,
) -> Tensor:
    """Build the small U-Net.

    input_shape: (height, width, channels), multiples of 2 ** depth with the plain
        encoder and of 32 with a backbone.
    encoder, encoder_weights: see `backbones.encode`.
    channels: of the first level; doubled at each level of the plain encoder and of
        the decoder.
    depth: halvings of the size that are used, 1 to 5.

    Returns a Keras model, float32 (N, H, W, C) -> float32 (N, H, W, classes) of
    probabilities; the layer before the activation is called "logits".
    """
    if not 1 <= depth <= 5:
        raise ValueError(f"unet_mini depth: got {depth}, expected 1 to 5")
    check_multiple("unet_mini", input_shape, 2**depth if encoder == "plain" else 32)
    inputs = keras.Input(shape=tuple(input_shape), name="image")
    features = encode(
        keras,
        inputs,
        encoder=encoder,
        weights=encoder_weights,
        widths=_widths(channels, depth),
        batch_norm=batch_norm,
    )
    x = features[2**depth]
    for level in reversed(range(depth)):
        x = keras.layers.UpSampling2D(2, name=f"up{level}_upsample")(x)
        if level:
            x = keras.layers.Concatenate(name=f"up{level}_concat")([x, features[2**level]])
        for index in (1, 2):
            x = conv_relu(
                keras, x, channels << level, name=f"up{level}_conv{index}", batch_norm=batch_norm
            )
    return keras.Model(inputs, class_scores(keras, x, classes), name="unet_mini")


def _widths(channels: int, depth: int) -> Sequence[int]:
    return [channels << level for level in range(1, depth + 1)]

"""SegNet (Badrinarayanan, Kendall and Cipolla, 2017): a decoder that mirrors the encoder.

The paper hands the positions of the pooled maxima to the decoder. No mobile
runtime has that operator; nearest-neighbour upsampling stands in its place, as
in most ports.
"""

from __future__ import annotations

from collections.abc import Sequence

from .backbones import encode
from .blocks import Keras, Tensor
from .classic import check_multiple, class_scores, conv_relu


def segnet(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 2,
    encoder: str = "plain",
    encoder_weights: str | None = None,
    widths: Sequence[int] = (64, 128, 256, 256),
) -> Tensor:
    """Build SegNet.

    input_shape: (height, width, channels), multiples of 16, of 32 with a backbone.
    encoder, encoder_weights: see `backbones.encode`.
    widths: channels of the four levels, from fine to coarse.

    Returns a Keras model, float32 (N, H, W, C) -> float32 (N, H, W, classes) of
    probabilities; the layer before the activation is called "logits".
    """
    depth = len(widths)
    check_multiple("segnet", input_shape, 2**depth if encoder == "plain" else 32)
    inputs = keras.Input(shape=tuple(input_shape), name="image")
    features = encode(keras, inputs, encoder=encoder, weights=encoder_weights, widths=widths)
    x = conv_relu(keras, features[2**depth], widths[-1], name="decoder_bottom", batch_norm=True)
    for level in reversed(range(depth)):
        x = keras.layers.UpSampling2D(2, name=f"decoder{level}_upsample")(x)
        x = conv_relu(
            keras, x, widths[max(level - 1, 0)], name=f"decoder{level}_conv", batch_norm=True
        )
    return keras.Model(inputs, class_scores(keras, x, classes), name="segnet")

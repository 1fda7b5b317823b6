"""The mobile video hourglass: MobileNetV2 downwards, a light additive decoder upwards.

After Google's mobile real-time video segmentation (Bazarevsky and Tkachenka,
2018): strided convolutions and bottlenecks in the encoder, skip connections
added into a light decoder, the previous mask as an optional fourth channel.
The encoder has MobileNetV2's layers (Sandler et al. 2018, table 2) by name and
shape, so that pretrained weights fit. Only operators that quantize fully are
used: convolution, depthwise convolution, addition, bilinear x2, ReLU6, sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .blocks import (
    Keras,
    Normalized,
    Tensor,
    convolution,
    depthwise,
    divisible,
    inverted_residual,
    upsample,
)
from .dense_encoders import dense_entry_encoder, fused_encoder, fused_entry_encoder
from .mask_features import mask_features, told
from .mobilenet_v2 import mobilenet_v2_encoder

# Layers -----------------------------------------------------------------------


def plain_encoder(
    keras: Keras, x: Tensor, *, width: float, expansion: float = 2, batch_norm: Normalized
) -> dict[int, Tensor]:
    """Strided 3x3 convolutions, each with one bottleneck: an encoder for training from scratch."""
    features = {}
    for level, channels in enumerate((32, 48, 64, 128, 160), start=1):
        count = divisible(channels * width)
        x = convolution(
            keras, x, count, 3, name=f"encoder{level}_reduce", strides=2, batch_norm=batch_norm
        )
        x = inverted_residual(
            keras,
            x,
            count,
            name=f"encoder{level}_block",
            expansion=expansion,
            batch_norm=batch_norm,
        )
        features[2**level] = x
    return features


def decoder(
    keras: Keras,
    features: dict[int, Tensor],
    *,
    channels: Sequence[int],
    output_stride: int,
    batch_norm: Normalized,
    mask: Mapping[int, Tensor],
) -> Tensor:
    """From 1/32 up to 1/output_stride: upsample, add the skip, depthwise 3x3, 1x1.

    mask: features of the previous mask by stride, added as well.
    Raises ValueError for fewer channels than steps.
    """
    strides = [stride for stride in (32, 16, 8, 4, 2) if stride >= output_stride]
    if len(channels) < len(strides):
        raise ValueError(
            f"hourglass decoder_channels: got {len(channels)}, expected {len(strides)} for a mask "
            f"at 1/{output_stride}: one each from 1/32 on"
        )
    x = convolution(
        keras, features[32], channels[0], name="decoder32_reduce", batch_norm=batch_norm
    )
    x = depthwise(keras, x, name="decoder32_depthwise", batch_norm=batch_norm)
    for stride, count in zip(strides[1:], channels[1:]):
        # The 1x1 comes before the upsampling: at a quarter of the pixels it costs a quarter.
        x = convolution(
            keras, x, count, name=f"decoder{stride}_project", activate=False, batch_norm=batch_norm
        )
        x = upsample(keras, x, name=f"decoder{stride}_upsample")
        skip = convolution(
            keras,
            features[stride],
            count,
            name=f"decoder{stride}_skip",
            activate=False,
            batch_norm=batch_norm,
        )
        parts = [x, skip]
        if stride in mask:
            parts.append(told(keras, mask[stride], count, name=f"mask{stride}_add"))
        x = keras.layers.Add(name=f"decoder{stride}_add")(parts)
        x = keras.layers.ReLU(max_value=6.0, name=f"decoder{stride}_add_relu6")(x)
        x = depthwise(keras, x, name=f"decoder{stride}_depthwise", batch_norm=batch_norm)
    return x


# Functional model -------------------------------------------------------------

ENCODERS = {
    "mobilenet_v2": mobilenet_v2_encoder,
    "dense_entry": dense_entry_encoder,
    "fused_entry": fused_entry_encoder,
    "fused": fused_encoder,
    "plain": plain_encoder,
}


def hourglass(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (256, 256, 3),
    classes: int = 1,
    width: float = 0.5,
    encoder: str = "mobilenet_v2",
    expansion: float | None = None,
    decoder_channels: Sequence[int] = (64, 48, 32, 24, 16),
    output_stride: int = 2,
    head_blocks: int = 0,
    previous_mask_at: str = "input",
    batch_norm: Normalized = False,
    dropout: float = 0.0,
) -> Tensor:
    """Build the hourglass.

    input_shape: (height, width, channels), height and width multiples of 32;
        3 channels are RGB, a fourth is the previous mask.
    classes: 1 gives one sigmoid mask, more give a softmax over the classes.
    width: channel multiplier of the encoder, 0.35 to 1.0.
    encoder: "mobilenet_v2", "dense_entry" (the same with a cheaper beginning), "fused_entry"
        (with a cheaper one still), "fused" (down to 1/16) or "plain" (for training from
        random weights).
    expansion: how many times as wide as their input the encoder's bottlenecks are inside, in
        channels rounded to multiples of 4; None is the encoder's own: 6, and 2 for "plain".
    output_stride: 2 emits the mask at half the input size, 4 at a quarter.
    head_blocks: pairs of 1x1 and depthwise 3x3 at the mask's size before the logits. The
        decoder mixes the channels of its last step in the logits alone.
    previous_mask_at: where a fourth channel is seen: by the encoder alone ("input"), or by
        the decoder as well, by a way of its own ("decoder"; see `mask_features`).
    batch_norm: True for training from random weights; False where the pretrained
        weights have it folded in; or parts of the names of the layers that get it. After
        the decoder's convolutions and the encoder's projections alone, ("decoder",
        "head", "_project"), it learns as fast as after all of them in the first steps
        and adds a fifth of the time that all of them add: the expanded feature maps, six
        times as wide, are left alone.
    dropout: share of whole channels (Tompson et al. 2015) that are dropped in training of
        what the decoder is given at 1/32 and 1/16, against photos learned by heart.

    Returns a Keras model, float32 (N, H, W, channels) ->
    float32 (N, H / output_stride, W / output_stride, classes), values in [0, 1].
    The layer before the activation is called "logits".
    Raises ValueError for a size that is no multiple of 32, an unknown encoder, too few
    `decoder_channels` and a place for a previous mask that is not there.
    """
    height, width_px, channels = input_shape
    if height % 32 or width_px % 32:
        raise ValueError(f"hourglass input size: got {height}x{width_px}, expected multiples of 32")
    if encoder not in ENCODERS:
        raise ValueError(f"hourglass encoder: got {encoder!r}, expected one of {sorted(ENCODERS)}")
    if output_stride not in (2, 4, 8):
        raise ValueError(f"hourglass output_stride: got {output_stride}, expected 2, 4 or 8")
    if not 0 <= dropout < 1:
        raise ValueError(f"hourglass dropout: got {dropout}, expected 0 or more and less than 1")
    if expansion is not None and expansion < 2:
        raise ValueError(f"hourglass expansion: got {expansion}, expected 2 or more")
    if previous_mask_at not in ("input", "decoder"):
        raise ValueError(
            f"hourglass previous_mask_at: got {previous_mask_at!r}, expected 'input' or 'decoder'"
        )
    if previous_mask_at == "decoder" and channels != 4:
        raise ValueError(
            f"hourglass previous_mask_at: got 'decoder' for {channels} channels, expected "
            "RGB and a previous mask"
        )
    inside = {} if expansion is None else {"expansion": expansion}
    inputs = keras.Input(shape=(height, width_px, channels), name="image")
    features = ENCODERS[encoder](keras, inputs, width=width, batch_norm=batch_norm, **inside)
    for stride in (32, 16) if dropout else ():
        drop = keras.layers.SpatialDropout2D(dropout, name=f"dropout{stride}")
        features[stride] = drop(features[stride])
    x = decoder(
        keras,
        features,
        channels=decoder_channels,
        output_stride=output_stride,
        batch_norm=batch_norm,
        mask=mask_features(keras, inputs) if previous_mask_at == "decoder" else {},
    )
    for block in range(head_blocks):
        name = f"head{block}_mix"
        x = convolution(keras, x, x.shape[-1], name=name, batch_norm=batch_norm)
        x = depthwise(keras, x, name=f"head{block}_depthwise", batch_norm=batch_norm)
    # Activations that turn scores into probabilities stay in float32 under mixed precision.
    logits = keras.layers.Conv2D(classes, 1, name="logits")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    mask = keras.layers.Activation(activation, dtype="float32", name="mask")(logits)
    return keras.Model(inputs, mask, name="hourglass")

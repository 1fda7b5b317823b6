"""Encoders that are MobileNetV2's further down and dense convolutions before.

In int8 on a CPU a dense 3x3 multiplies one and a half to three times as fast as the layers of a
bottleneck do, so that the beginning, where the maps are large, costs less in them.
"""

from __future__ import annotations

from .blocks import Keras, Normalized, Tensor, convolution, depthwise, divisible
from .mobilenet_v2 import MOBILENET_V2, bottlenecks

# The dense entry's channels at 1/2 and 1/4, at any width; its last layer, and the one of
# MobileNetV2 whose output it stands for.
ENTRY = (16, 32)
ENTRY_END, ENTRY_TARGET = "entry4_project", "block02_add"


def dense_entry_encoder(
    keras: Keras, x: Tensor, *, width: float, expansion: float = 6, batch_norm: Normalized
) -> dict[int, Tensor]:
    """MobileNetV2 from block 3 on, behind three dense convolutions: features as of the other.

    In int8 on a CPU the stem and the blocks 0 to 2 take over two fifths of the whole
    network's time: depthwise convolutions and expansions at 1/2 and 1/4 move much and
    compute little. Dense 3x3 convolutions take less than half of that, and
    `edgeseg.training.entry` fits them to answer like what they replace. At 1/4 the
    features are the channels before the projection. Block 15 is left out, and block 16
    ends before its projection: the decoder's first convolution takes its place.
    """
    features = _strided_entry(keras, x, batch_norm)
    x = convolution(keras, features[4], ENTRY[-1], 3, name="entry4_mix", batch_norm=batch_norm)
    features[4] = x
    x = convolution(
        keras, x, divisible(24 * width), name=ENTRY_END, activate=False, batch_norm=batch_norm
    )
    rows = [(expansion, *row[1:]) for row in (*MOBILENET_V2[2:5], (6, 160, 2, 2))]
    deeper = bottlenecks(keras, x, {4: x}, rows, first=3, width=width, batch_norm=batch_norm)
    return {**deeper, **features, 32: _last_block(keras, deeper[32], expansion, batch_norm)}


# Channels inside the two fused bottlenecks at 1/8, at any width.
FUSED = 80
# Channels of the blocks 7 to 12, as in MobileNetV2.
FUSED_BLOCKS = (64, 64, 64, 96, 96, 96)


def fused_entry_encoder(
    keras: Keras, x: Tensor, *, width: float, expansion: float = 6, batch_norm: Normalized
) -> dict[int, Tensor]:
    """As `dense_entry_encoder`, with dense convolutions down to 1/8: MobileNetV2 from block 6 on.

    In int8 on a CPU what is left of the slow beginning, from the second convolution at 1/4 to
    block 5, takes three tenths of the whole time. Two fused bottlenecks (a dense 3x3
    in the place of 1x1 and depthwise: Tan and Le 2021, EfficientNetV2) take half of that,
    which pays for an input of 320x320 instead of 288x288. `edgeseg.training.graft` fits
    them to answer like what they replace.
    """
    features = _fused_to_eighth(keras, x, width, batch_norm)
    rows = [(expansion, *row[1:]) for row in (*MOBILENET_V2[3:5], (6, 160, 2, 2))]
    deeper = bottlenecks(
        keras, features[8], {8: features[8]}, rows, first=6, width=width, batch_norm=batch_norm
    )
    return {**deeper, **features, 32: _last_block(keras, deeper[32], expansion, batch_norm)}


def fused_encoder(
    keras: Keras, x: Tensor, *, width: float, expansion: float = 6, batch_norm: Normalized
) -> dict[int, Tensor]:
    """As `fused_entry_encoder`, with blocks 7 to 12 fused as well, as wide inside as outside.

    They hold about as many weights as the bottlenecks of expansion 4 that they replace and
    take a half to two thirds of the time in int8 on a CPU, where a dense 3x3 multiplies about
    twice as fast: at 352x352 the whole takes what `fused_entry` takes at 320x320.
    """
    features = _fused_to_eighth(keras, x, width, batch_norm)
    begin = [(expansion, MOBILENET_V2[3][1], 1, 2)]
    x = bottlenecks(
        keras, features[8], {8: features[8]}, begin, first=6, width=width, batch_norm=batch_norm
    )[16]
    for index, channels in zip(range(7, 13), FUSED_BLOCKS):
        name, before, count = f"block{index:02d}", x, divisible(channels * width)
        x = _fused(keras, x, count, count, name=name, batch_norm=batch_norm)
        if before.shape[-1] == count:
            x = keras.layers.Add(name=f"{name}_add")([before, x])
    features[16] = x
    rows = [(expansion, 160, 2, 2)]
    deeper = bottlenecks(keras, x, {16: x}, rows, first=13, width=width, batch_norm=batch_norm)
    return {**features, 32: _last_block(keras, deeper[32], expansion, batch_norm)}


def _fused_to_eighth(
    keras: Keras, x: Tensor, width: float, batch_norm: Normalized
) -> dict[int, Tensor]:
    """Dense convolutions down to two fused bottlenecks at 1/8: features by their stride."""
    features = _strided_entry(keras, x, batch_norm)
    end = divisible(32 * width)
    x = _fused(keras, features[4], FUSED, end, name="entry8", strides=2, batch_norm=batch_norm)
    mixed = _fused(keras, x, FUSED, end, name="entry8_mix", batch_norm=batch_norm)
    features[8] = keras.layers.Add(name="entry8_add")([x, mixed])
    return features


def _strided_entry(keras: Keras, x: Tensor, batch_norm: Normalized) -> dict[int, Tensor]:
    """The two strided convolutions that a dense entry begins with, by their stride."""
    features = {}
    for stride, channels in zip((2, 4), ENTRY):
        name = f"entry{stride}"
        x = convolution(keras, x, channels, 3, name=name, strides=2, batch_norm=batch_norm)
        features[stride] = x
    return features


def _fused(
    keras: Keras,
    x: Tensor,
    inside: int,
    channels: int,
    *,
    name: str,
    strides: int = 1,
    batch_norm: Normalized,
) -> Tensor:
    """Dense 3x3 to `inside` channels, 1x1 to `channels` without an activation."""
    x = convolution(
        keras, x, inside, 3, name=f"{name}_expand", strides=strides, batch_norm=batch_norm
    )
    return convolution(
        keras, x, channels, name=f"{name}_project", activate=False, batch_norm=batch_norm
    )


def _last_block(keras: Keras, x: Tensor, expansion: float, batch_norm: Normalized) -> Tensor:
    """Block 16 before its projection."""
    expanded = divisible(expansion * x.shape[-1])
    x = convolution(keras, x, expanded, name="block16_expand", batch_norm=batch_norm)
    return depthwise(keras, x, name="block16_depthwise", batch_norm=batch_norm)

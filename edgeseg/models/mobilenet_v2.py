"""MobileNetV2's encoder (Sandler et al. 2018), by the names and shapes of published weights."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Keras, Normalized, Tensor, convolution, divisible, inverted_residual

# (expansion, channels at width 1.0, blocks, stride of the first): table 2.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2_encoder(
    keras: Keras,
    x: Tensor,
    *,
    width: float,
    expansion: float = 6,
    batch_norm: Normalized,
    output_stride: int = 32,
) -> dict[int, Tensor]:
    """MobileNetV2 to block 16: the last feature map at each stride 2, 4, 8, 16, 32.

    output_stride: see `bottlenecks`.
    """
    # The stem is not thinned below the width: 32 * width, as in the published weights.
    x = convolution(
        keras, x, divisible(32 * width), 3, name="stem", strides=2, batch_norm=batch_norm
    )
    return bottlenecks(
        keras,
        x,
        {2: x},
        [MOBILENET_V2[0], *((expansion, *row[1:]) for row in MOBILENET_V2[1:])],
        first=0,
        width=width,
        batch_norm=batch_norm,
        output_stride=output_stride,
    )


def bottlenecks(
    keras: Keras,
    x: Tensor,
    features: dict[int, Tensor],
    rows: Sequence[tuple[float, int, int, int]],
    *,
    first: int,
    width: float,
    batch_norm: Normalized,
    output_stride: int = 32,
) -> dict[int, Tensor]:
    """The blocks of `rows`, the first called `first`; adds the last feature map at each stride.

    output_stride: beyond it a block does not stride, and those behind it are dilated
        instead, so that their weights keep their meaning (Chen et al. 2017).
    """
    features, stride, dilation, index = dict(features), max(features), 1, first
    for expansion, channels, blocks, first_stride in rows:
        for block in range(blocks):
            wanted = first_stride if block == 0 else 1
            step = wanted if stride * wanted <= output_stride else 1
            stride *= step
            x = inverted_residual(
                keras,
                x,
                divisible(channels * width),
                name=f"block{index:02d}",
                strides=step,
                expansion=expansion,
                dilation=dilation,
                batch_norm=batch_norm,
            )
            dilation *= wanted // step
            features[stride] = x
            index += 1
    return features

"""MobileNetV2's table, and its encoder at 1/16, dilated, as published for DeepLab v3."""

from __future__ import annotations

from .blocks import Keras, Tensor, convolution, depthwise, inverted_residual

# (expansion, channels at width 1.0, blocks, stride of the first): Sandler et al. 2018, table 2.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STRIDE = 16


def dilated_encoder(keras: Keras, x: Tensor) -> Tensor:
    """Stem and blocks 0 to 15 without the last stride: features at 1/16.

    Block 13 does not stride, and the blocks behind it are dilated by 2 instead, so
    that weights of the network at 1/32 keep their meaning (Chen et al. 2017). Layers
    are called as in `hourglass`.
    """
    x = convolution(keras, x, 32, 3, name="stem", strides=2)
    x = depthwise(keras, x, name="block00_depthwise")
    x = convolution(keras, x, 16, name="block00_project", activate=False)
    index, stride = 1, 2
    for expansion, channels, blocks, first_stride in MOBILENET_V2[1:-1]:
        dilation = 1
        for block in range(blocks):
            wanted = first_stride if block == 0 else 1
            strides = wanted if stride * wanted <= STRIDE else 1
            x = inverted_residual(
                keras,
                x,
                channels,
                name=f"block{index:02d}",
                strides=strides,
                expansion=expansion,
                dilation=dilation,
            )
            stride *= strides
            dilation *= wanted // strides
            index += 1
    return x

"""DeepLab v3 on MobileNetV2, up to the features that its classes are read from."""

from __future__ import annotations

from .blocks import Keras, Tensor, convolution, depthwise, inverted_residual
from .hourglass import MOBILENET_V2

FEATURES = 256


def deeplab_features(*, keras: Keras, size: int) -> Tensor:
    """A model from RGB in [-1, 1] to the features before the classes, at 1/16.

    After Chen et al. 2017 (DeepLab v3) with the small head for phones: one 1x1
    convolution beside the pooled image, no dilated ones. Layers have the names of the
    published weights, so that these fit. Blocks 14 to 16 are dilated by 2 and block
    13 does not stride, as in those.

    size: of the square input, 16 n + 1. Output: float32 (N, n + 1, n + 1, 256) in [0, 6].
    """
    inputs = keras.Input((size, size, 3))
    x = convolution(keras, inputs, 32, 3, name="stem", strides=2)
    x = depthwise(keras, x, name="block00_depthwise")
    x = convolution(keras, x, 16, name="block00_project", activate=False)
    index, stride = 1, 2
    for expansion, channels, blocks, first_stride in MOBILENET_V2[1:]:
        for block in range(blocks):
            strides = first_stride if block == 0 and stride * first_stride <= 16 else 1
            stride *= strides
            x = inverted_residual(
                keras,
                x,
                channels,
                name=f"block{index:02d}",
                strides=strides,
                expansion=expansion,
                dilation=2 if index >= 14 else 1,
            )
            index += 1
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = convolution(keras, pooled, FEATURES, name="pool")
    beside = convolution(keras, x, FEATURES, name="aspp")
    pooled = keras.layers.UpSampling2D(beside.shape[1:3])(pooled)
    x = keras.layers.Concatenate()([pooled, beside])
    return keras.Model(inputs, convolution(keras, x, FEATURES, name="concat_projection"))

"""DeepLab v3 on MobileNetV2, up to the features that its classes are read from."""

from __future__ import annotations

from .blocks import Keras, Tensor, convolution
from .mobilenet_v2 import mobilenet_v2_encoder

FEATURES = 256
STRIDE = 16


def deeplab_features(*, keras: Keras, size: int) -> Tensor:
    """A model from RGB in [-1, 1] to the features before the classes, at 1/16.

    After Chen et al. 2017 (DeepLab v3) with the small head for phones: one 1x1
    convolution beside the pooled image, no dilated ones. Layers have the names of the
    published weights, so that these fit.

    size: of the square input, 16 n + 1. Output: float32 (N, n + 1, n + 1, 256) in [0, 6].
    """
    inputs = keras.Input((size, size, 3))
    encoder = mobilenet_v2_encoder(keras, inputs, width=1.0, batch_norm=False, output_stride=STRIDE)
    x = encoder[STRIDE]
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = convolution(keras, pooled, FEATURES, name="pool")
    beside = convolution(keras, x, FEATURES, name="aspp")
    pooled = keras.layers.UpSampling2D(beside.shape[1:3])(pooled)
    x = keras.layers.Concatenate()([pooled, beside])
    return keras.Model(inputs, convolution(keras, x, FEATURES, name="concat_projection"))

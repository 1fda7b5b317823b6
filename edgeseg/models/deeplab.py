"""DeepLab v3 on MobileNetV2, up to the features that its classes are read from, and these."""

from __future__ import annotations

from .blocks import Keras, Tensor, convolution
from .mobilenet_v2 import mobilenet_v2_encoder

FEATURES, CLASSES = 256, 21
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
    return keras.Model(inputs, _head(keras, encoder[STRIDE]))


def deeplab_scores(*, keras: Keras, size: int) -> Tensor:
    """The whole network: scores of Pascal VOC's classes, float32 (N, n + 1, n + 1, 21).

    size, input and names as of `deeplab_features`; the scores are those before the softmax.
    """
    features = deeplab_features(keras=keras, size=size)
    scores = convolution(keras, features.output, CLASSES, name="semantic", activate=False)
    return keras.Model(features.input, scores)


def deeplab_classes(*, keras: Keras, shape: tuple[int, int, int]) -> Tensor:
    """A model from what block 16 answers, (height, width, channels), to scores of classes.

    Of inputs of 32 n + 1 the encoder that is dilated at 1/16 and the one that strides to 1/32
    answer the same at every second place, so that the same head reads either. Output:
    float32 (N, height, width, 21), before the softmax, Pascal VOC's classes in its order: 0
    is background, 15 person.
    """
    inputs = keras.Input(shape)
    features = _head(keras, inputs)
    return keras.Model(
        inputs, convolution(keras, features, CLASSES, name="semantic", activate=False)
    )


def _head(keras: Keras, x: Tensor) -> Tensor:
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = convolution(keras, pooled, FEATURES, name="pool")
    beside = convolution(keras, x, FEATURES, name="aspp")
    pooled = keras.layers.UpSampling2D(beside.shape[1:3])(pooled)
    x = keras.layers.Concatenate()([pooled, beside])
    return convolution(keras, x, FEATURES, name="concat_projection")

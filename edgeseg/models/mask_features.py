"""What a decoder is told of the previous mask: features of the mask alone.

As a fourth channel of the first convolution (Bazarevsky and Tkachenka, 2018) a mask is seen
by layers that a pretrained encoder has no use for it in. Here it goes to the decoder by a way
of its own, without biases: an empty mask adds nothing, so that a trained network with such a
way answers to single images as it did without. Only operators that quantize fully are used;
the channel is taken out by a convolution whose weights stay, the mean over 4x4, which costs a
third of what a slice does.
"""

from __future__ import annotations

import numpy as np

from .blocks import Keras, Tensor

# Channels of the features at each stride.
CHANNELS = {4: 8, 8: 16, 16: 32}


def mask_features(keras: Keras, inputs: Tensor) -> dict[int, Tensor]:
    """Features of the last channel of `inputs`, by stride.

    inputs: float (N, H, W, 4) -> float (N, H / stride, W / stride, C) for strides 4, 8, 16.
    """
    layers = keras.layers
    pick = layers.Conv2D(1, 4, strides=4, use_bias=False, trainable=False, name="mask_pick")
    x = pick(inputs)
    mean = np.zeros(pick.kernel.shape, np.float32)
    mean[..., -1, :] = 1 / 16
    pick.set_weights([mean])
    features = {}
    for stride, channels in CHANNELS.items():
        x = layers.Conv2D(
            channels,
            3,
            strides=1 if stride == 4 else 2,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"mask{stride}",
        )(x)
        x = layers.ReLU(max_value=6.0, name=f"mask{stride}_relu6")(x)
        features[stride] = x
    return features


def told(keras: Keras, features: Tensor, channels: int, *, name: str) -> Tensor:
    """What is added to a decoder's `channels` at the features' stride: nothing until trained."""
    return keras.layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros", name=name)(
        features
    )

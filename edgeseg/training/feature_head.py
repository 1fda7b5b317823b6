"""A head for training alone: it answers with a published network's features, from the encoder's."""

from __future__ import annotations

from typing import Any

from ..data.feature_maps import FeatureMaps
from ..errors import InputError
from .losses import divergence
from .step import answers_of
from .target_config import FeaturesConfig

PREFIX = "features_"


def with_feature_head(keras: Any, model: Any, config: FeaturesConfig, channels: int) -> Any:
    """The network from its input to [logits, features]; its layers are the model's own.

    Each of `config.layers` goes through a 1x1 convolution and bilinear upsampling to
    the first's size; their sum through ReLU6 and a 1x1 convolution. `config.layers` are
    given from the largest to the smallest. features: float32 (N, h, w, channels).
    Raises InputError for no layers, one that the model does not have, and another order.
    """
    parts: list[Any] = []
    answers = answers_of(model, config.layers, option="features.layers")
    for name, x in zip(config.layers, answers):
        x = keras.layers.Conv2D(config.channels, 1, name=f"{PREFIX}{name}")(x)
        if parts and x.shape[1] != parts[0].shape[1]:
            times = parts[0].shape[1] // x.shape[1]
            if not times:
                raise InputError(f"features.layers: got {name!r} last, expected the largest first")
            x = keras.layers.UpSampling2D(times, interpolation="bilinear")(x)
        parts.append(x)
    x = keras.layers.Add()(parts) if len(parts) > 1 else parts[0]
    x = keras.layers.ReLU(6.0)(x)
    # From zero: a random answer, far off, would first of all disturb the encoder.
    answer = keras.layers.Conv2D(channels, 1, kernel_initializer="zeros", name=f"{PREFIX}answer")
    features = answer(x)
    return keras.Model(model.inputs, [model.get_layer("logits").output, features], name=model.name)


def feature_loss(ops: Any, answer: Any, wanted: Any, weight: Any, maps: FeatureMaps) -> Any:
    """Squared error as a share of the features' variance, the weighted mean over the batch.

    answer: float32 (N, h, w, C). wanted: uint8, the same shape. weight: float32 (N,).
    """
    truth = ops.cast(wanted, "float32") * maps.scale
    answer = ops.cast(answer, "float32")
    error = ops.mean(ops.sum(ops.square(answer - truth), axis=-1), axis=(1, 2))
    return ops.sum(weight * error) / (ops.maximum(ops.sum(weight), 1e-6) * maps.variance)


def class_divergence(ops: Any, answer: Any, wanted: Any, weight: Any, maps: FeatureMaps) -> Any:
    """How far the classes read from the answer are from those read from the features.

    The Kullback-Leibler divergence of the published network's class probabilities (Hinton
    et al. 2015), mean over places, weighted mean over the batch. Arguments as of
    `feature_loss`. Raises InputError for maps without the classes' layer.
    """
    kernel, bias = (ops.convert_to_tensor(part, "float32") for part in maps.last_layer())

    def scores(features: Any) -> Any:
        return ops.matmul(features, kernel) + bias

    truth, found = scores(ops.cast(wanted, "float32") * maps.scale), ops.cast(answer, "float32")
    apart = ops.mean(divergence(ops, truth, scores(found)), axis=(1, 2))
    return ops.sum(weight * apart) / ops.maximum(ops.sum(weight), 1e-6)

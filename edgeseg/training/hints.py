"""A trained network's inner answers as a further target: hints (Romero et al. 2015, "FitNets").

Masks say what is wanted in the end; the inner answers of a network that has learned it say, at
every place and in every channel, how it can be got. A network that shares most of its layers
with the trained one, but not its cost, so learns in fewer steps than from masks alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..data.pipeline import Pipeline
from ..errors import InputError
from ..models.initialise import fill
from .config import TrainConfig
from .losses import EPSILON
from .sources import make_network
from .spread import examples, spread_of
from .step import answers_of

# (answers, tensor, weight) -> the share of the hints that is not answered.
HintLoss = Callable[[Sequence[Any], Any, Any], Any]


def hinted(model: Any, layers: Sequence[str]) -> list[Any]:
    """What the `layers` of a network answer; InputError for none, or one it does not have."""
    return answers_of(model, layers, option="hints.layers")


def hinting_network(keras: Any, config: TrainConfig, size: tuple[int, int], root: Path) -> Any:
    """The trained network, from an input of `size` (height, width) to what it hints at.

    root: folder that `hints.weights` is relative to.
    Raises InputError where these weights lack a layer of the network.
    """
    hints = config.hints
    options = {**config.model.options, **hints.options}
    model = dataclasses.replace(config.model, options=options)
    network = make_network(keras, dataclasses.replace(config, model=model), size)
    fill(network, root / hints.weights, origin=f"hints.weights: {hints.weights}")
    return keras.Model(network.input, hinted(network, hints.layers), trainable=False)


def make_hint_loss(
    keras: Any, config: TrainConfig, model: Any, pipeline: Pipeline, root: Path
) -> HintLoss:
    """How far `model`'s answers are from what a trained network answers to the same images.

    The squared error at each layer as a share of its variance over the pipeline's first
    images, summed over the layers; the mean over the batch, weighted by image.

    The function takes the answers, float32 (N, h, w, C) by layer, the images that they are
    to, float32 (N, H, W, channels), and weights (N,), or (N, h', w') of pixels, to be added up.
    Raises InputError for layers of another shape than the trained network's.
    """
    ops, hints = keras.ops, config.hints
    listed = keras.tree.flatten  # of one layer, Keras gives no list
    network = hinting_network(keras, config, model.input_shape[1:3], root)
    for name, own, other in zip(hints.layers, hinted(model, hints.layers), network.outputs):
        if own.shape != other.shape:
            raise InputError(
                f"hints.layers: got {name} {own.shape[1:]}, expected {other.shape[1:]} as in "
                f"the network of {hints.weights}"
            )
    spreads = [spread_of(example) for example in examples(keras, network, pipeline)]

    def loss(answers: Sequence[Any], tensor: Any, weight: Any) -> Any:
        by_image = ops.sum(weight, axis=tuple(range(1, len(weight.shape))))
        share = by_image / ops.maximum(ops.sum(by_image), EPSILON)
        left = 0.0
        wanted = listed(network(tensor, training=False))
        for answer, truth, spread in zip(answers, wanted, spreads):
            error = ops.cast(answer, "float32") - ops.cast(truth, "float32")
            error = ops.mean(ops.square(error), axis=(1, 2, 3)) / spread
            left = left + ops.sum(share * error)
        return left

    return loss

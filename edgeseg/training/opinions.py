"""What networks think of where a person is, as log odds: opinions that can be added.

Both the masks that `relabel` writes and the teacher that `looks` makes are sums of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..models.deeplab import deeplab_scores
from ..models.initialise import fill
from ..models.weights import load_weights
from .config import TrainConfig
from .sources import make_network

PERSON = 15  # of Pascal VOC's classes
CUT = 8.0  # DeepLab's log odds are cut off there either way


def mask_odds(keras: Any, config: TrainConfig, weights: Path, size: tuple[int, int]) -> Any:
    """A network from RGB in [-1, 1] (N, height, width, 3) to its mask's log odds (N, h, w, 1).

    Raises InputError where `weights` lack a layer of the configuration's network.
    """
    network = make_network(keras, config, size)
    fill(network, weights)
    return keras.Model(network.input, network.get_layer("logits").output)


def check_deeplab_size(size: int) -> None:
    """Raise InputError for a side that DeepLab's input cannot have."""
    if size % 16 != 1:
        raise InputError(f"DeepLab's size: got {size}, expected 16 n + 1, such as 321")


def deeplab_person_odds(keras: Any, weights: Path, *, size: int) -> Any:
    """The same of a published DeepLab at 1/16 of `size`: a person against everything else."""
    ops, network = keras.ops, deeplab_scores(keras=keras, size=size)
    load_weights(network, weights)
    scores = ops.cast(network.output, "float32")
    others = ops.concatenate([scores[..., :PERSON], scores[..., PERSON + 1 :]], axis=-1)
    # Picked by a convolution: TFLite would subtract a slice in floating point.
    pick = np.zeros((1, 1, scores.shape[-1], 1), np.float32)
    pick[..., PERSON, :] = 1
    person = ops.conv(scores, pick, padding="valid")
    odds = person - ops.logsumexp(others, axis=-1, keepdims=True)
    return keras.Model(network.input, odds)

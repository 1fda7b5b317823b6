"""Batch normalization statistics for averaged weights.

The running statistics belong to the raw weights. Used with averaged ones they
can make a good network answer nonsense, so they are computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..models.folding import normalisations


def recompute_statistics(model: Any, tensors: Iterable[np.ndarray]) -> None:
    """Set every running mean and variance to their mean over the batches, without a gradient.

    tensors: batches as in training, float32 (N, h, w, channels).
    """
    layers = normalisations(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    try:
        for count, tensor in enumerate(tensors):
            for layer in layers:
                # With the momentum n / (n + 1) a moving average is the plain mean.
                layer.momentum = count / (count + 1)
            model(tensor, training=True)
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum

"""Batch normalization statistics for averaged weights.

The running statistics belong to the raw weights. Used with averaged ones they
can make a good network answer nonsense, so they are computed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..data.pipeline import Pipeline
from ..models.folding import normalisations

BATCHES = 50


def refresh_statistics(model: Any, pipeline: Pipeline, *, batch: int, steps: int) -> None:
    """`recompute_statistics` from the batches of a stage's first steps, `BATCHES` at most."""
    if normalisations(model):
        batches = (pipeline.batch(step, batch) for step in range(min(BATCHES, steps)))
        recompute_statistics(model, (made.tensor for made in batches))


def recompute_statistics(model: Any, tensors: Iterable[np.ndarray]) -> None:
    """Set every running mean and variance to their mean over the batches, without a gradient.

    tensors: batches as in training, float32 (N, h, w, channels).
    """
    layers = normalisations(model)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            # Without momentum the running values are those of the last batch alone.
            layer.momentum = 0.0
        forward = _forward(model)
        total: list[np.ndarray] = []
        count = 0
        for tensor in tensors:
            forward(tensor)
            count += 1
            values = [np.asarray(variable, np.float64) for variable in _running(layers)]
            total = [a + b for a, b in zip(total, values)] if total else values
        for variable, value in zip(_running(layers), total):
            variable.assign((value / count).astype(np.float32))
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum


def _running(layers: list[Any]) -> list[Any]:
    return [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]


def _forward(model: Any) -> Callable[[np.ndarray], None]:
    """One pass as in training; compiled on JAX, where each operation alone takes long."""
    import keras

    if keras.backend.backend() != "jax":
        return lambda tensor: model(tensor, training=True)
    import jax

    @jax.jit
    def compiled(trainable, fixed, tensor):
        return model.stateless_call(trainable, fixed, tensor, training=True)[1]

    def forward(tensor: np.ndarray) -> None:
        kinds = (model.trainable_variables, model.non_trainable_variables)
        values = [[variable.value for variable in variables] for variables in kinds]
        for variable, new in zip(kinds[1], compiled(*values, tensor)):
            variable.assign(new)

    return forward

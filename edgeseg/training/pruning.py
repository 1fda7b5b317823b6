"""Magnitude pruning to a target sparsity (Zhu and Gupta, 2017), while fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, require
from ..models.weights import get_weights


def prunable_copy(model: Any, *, sparsity: float, steps: int, frequency: int = 10) -> Any:
    """A tf_keras model whose convolutions lose their smallest weights as it trains.

    sparsity: share of each kernel that is zero after `steps` steps, reached by the
        cubic schedule of the paper. Depthwise kernels, a small part of all weights,
        stay whole.
    """
    if not 0 < sparsity < 1:
        raise InputError(f"sparsity: got {sparsity}, expected more than 0 and less than 1")
    tfmot = require("tensorflow_model_optimization", extra="train")
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=steps,
        frequency=max(1, min(frequency, steps // 10)),
    )
    return tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)


def make_pruner(model: Any) -> Callable[[int], None]:
    """A function to call before each step with its number, which moves the schedule on."""
    tfmot = require("tensorflow_model_optimization", extra="train")
    callback = tfmot.sparsity.keras.UpdatePruningStep()
    callback.set_model(model)
    callback.on_train_begin()

    def before_step(step: int) -> None:
        callback.on_train_batch_begin(step)

    return before_step


def stripped(model: Any) -> Any:
    """The pruned model without its wrappers, zeros where weights were."""
    tfmot = require("tensorflow_model_optimization", extra="train")
    for layer in model.layers:
        for update in getattr(layer, "pruning_vars", ()):
            weight, mask, _ = update
            weight.assign(weight * mask)
    return tfmot.sparsity.keras.strip_pruning(model)


def kernel_sparsity(model: Any) -> float:
    """Share of zeros among the kernels of the ordinary convolutions of a Keras model."""
    kernels = [
        value
        for name, value in get_weights(model).items()
        if name.endswith("/kernel") and "depthwise" not in name
    ]
    zeros = sum(int(np.count_nonzero(kernel == 0)) for kernel in kernels)
    return zeros / max(1, sum(kernel.size for kernel in kernels))

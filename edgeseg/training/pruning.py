"""Magnitude pruning to a target sparsity (Zhu and Gupta, 2017), while fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, require
from ..models.weights import get_weights


def prunable_copy(model: Any, *, sparsity: float, steps: int, frequency: int = 10) -> Any:
    """A tf_keras model whose convolutions lose their smallest weights as it trains.

    sparsity: share of each kernel that is zero after `steps` steps, reached by the
        cubic schedule of the paper. Depthwise kernels, a small part of all weights,
        stay whole. A step is a call of the model for training.
    Raises InputError for a sparsity that is not between 0 and 1, or no steps.
    """
    if not 0 < sparsity < 1:
        raise InputError(f"sparsity: got {sparsity}, expected more than 0 and less than 1")
    if steps < 1:
        raise InputError(
            f"pruning: got {steps} steps to reach the sparsity in, expected 1 or more; "
            "raise finetune.pruning_share or finetune.steps"
        )
    tfmot = require("tensorflow_model_optimization", extra="train")
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=steps,
        frequency=max(1, min(frequency, steps // 10)),
    )
    copy = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    # Puts the layers at step 0, from where they count for themselves.
    start = tfmot.sparsity.keras.UpdatePruningStep()
    start.set_model(copy)
    start.on_train_begin()
    return copy


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

"""One optimizer step, compiled for the Keras backend in use, and the optimizer itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError
from .config import OptimizerConfig

LossFunction = Callable[[Any, Any, Any], dict[str, Any]]
Step = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]


def make_optimizer(keras: Any, config: OptimizerConfig, model: Any, *, slow: set[str]) -> Any:
    """Adam whose rate is multiplied by `encoder_scale` for the variables whose path is in `slow`.

    The rate is set before every step by assigning `learning_rate`.
    """
    scales = [
        config.encoder_scale if variable.path in slow else 1.0
        for variable in model.trainable_variables
    ]

    class LayerwiseAdam(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            # Backends hand over their own variables, which have no path: the index is common.
            scale = scales[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * scale)

    return LayerwiseAdam(learning_rate=0.0, global_clipnorm=config.clip_norm)


def make_step(keras: Any, model: Any, optimizer: Any, loss: LossFunction) -> Step:
    """A function (tensor, truth, weight) -> named loss parts that updates model and optimizer.

    Raises InputError for a backend without a compiled step.
    """
    backend = keras.backend.backend()
    optimizer.build(model.trainable_variables)
    if backend == "tensorflow":
        return _tensorflow_step(model, optimizer, loss)
    if backend == "jax":
        return _jax_step(model, optimizer, loss)
    raise InputError(f"KERAS_BACKEND: got {backend!r}, expected tensorflow or jax")


def _tensorflow_step(model: Any, optimizer: Any, loss: LossFunction) -> Step:
    import tensorflow as tf

    @tf.function
    def compiled(tensor, truth, weight):
        with tf.GradientTape() as tape:
            parts = loss(model(tensor, training=True), truth, weight)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(parts["loss"], variables), variables)
        return parts

    def step(tensor, truth, weight):
        parts = compiled(*map(tf.constant, (tensor, truth, weight)))
        return {name: float(value) for name, value in parts.items()}

    return step


def _jax_step(model: Any, optimizer: Any, loss: LossFunction) -> Step:
    import jax

    def forward(trainable, fixed, tensor, truth, weight):
        logits, fixed = model.stateless_call(trainable, fixed, tensor, training=True)
        parts = loss(logits, truth, weight)
        return parts["loss"], (parts, fixed)

    @jax.jit
    def compiled(trainable, fixed, state, tensor, truth, weight):
        gradient = jax.value_and_grad(forward, has_aux=True)
        (_, (parts, fixed)), gradients = gradient(trainable, fixed, tensor, truth, weight)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return trainable, fixed, state, parts

    def step(tensor, truth, weight):
        kinds = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        values = [[variable.value for variable in variables] for variables in kinds]
        *updated, parts = compiled(*values, tensor, truth, weight)
        for variables, news in zip(kinds, updated):
            for variable, new in zip(variables, news):
                variable.assign(new)
        return {name: float(value) for name, value in parts.items()}

    return step

"""One optimizer step, compiled for the Keras backend in use."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from .devices import Devices

# (logits, truth, weight, ...) -> named parts; the parts are means weighted by `weight`.
LossFunction = Callable[..., dict[str, Any]]
# (tensor, truth, weight, ...) of a batch -> named parts. On JAX they are the device's
# scalars: float() waits for the step, so that the next one can be sent before.
Step = Callable[..., dict[str, Any]]


def freeze(model: Any, beginnings: Sequence[str]) -> None:
    """Leave the layers whose names begin so untrained; InputError where no layer's does."""
    for layer in beginning_with(model, beginnings, option="frozen"):
        layer.trainable = False


def beginning_with(model: Any, beginnings: Sequence[str], *, option: str) -> list[Any]:
    """The layers whose names begin with one of `beginnings`.

    Raises InputError, with the name of the `option`, for a beginning that no layer has.
    """
    found = []
    for beginning in beginnings:
        layers = [layer for layer in model.layers if layer.name.startswith(beginning)]
        if not layers:
            raise InputError(
                f"{option}: got {beginning!r}, expected the beginning of a layer's name, "
                f"such as {next(layer.name for layer in model.layers if layer.weights)!r}"
            )
        found += layers
    return found


def slow_paths(
    model: Any, named: dict[str, Any], pretrained: Sequence[str], beginnings: Sequence[str]
) -> set[str]:
    """Paths of the pretrained variables that are trained at a rate of their own.

    named: variables by "layer/variable"; pretrained: such names. beginnings: of the layers' names
    that are meant; none means every layer. Raises InputError for one that no layer has.
    """
    layers = {layer.name for layer in beginning_with(model, beginnings or ("",), option="slow")}
    return {named[name].path for name in pretrained if name.split("/")[0] in layers}


def answers_of(model: Any, layers: Sequence[str], *, option: str) -> list[Any]:
    """What the layers of these names answer.

    Raises InputError, with the name of the `option`, for no layers and for one that the network
    does not have.
    """
    if not layers:
        raise InputError(f"{option}: got none, expected layers of the network")
    names = {layer.name for layer in model.layers}
    for name in layers:
        if name not in names:
            raise InputError(f"{option}: got {name!r}, expected layers of {model.name}")
    return [model.get_layer(name).output for name in layers]


def make_step(
    keras: Any, model: Any, optimizer: Any, loss: LossFunction, devices: Devices | None = None
) -> Step:
    """A function (tensor, truth, weight, ...) -> named loss parts that updates model and optimizer.

    devices: where several share each batch; None means the one that is there.
    Raises InputError for a backend without a compiled step.
    """
    backend = keras.backend.backend()
    optimizer.build(model.trainable_variables)
    if backend == "tensorflow" and devices is not None and devices.strategy is not None:
        return _replicated_step(model, optimizer, loss, devices.strategy)
    if backend == "tensorflow":
        return _tensorflow_step(model, optimizer, loss)
    if backend == "jax":
        return _jax_step(model, optimizer, loss, devices or Devices())
    raise InputError(f"KERAS_BACKEND: got {backend!r}, expected tensorflow or jax")


def _tensorflow_step(model: Any, optimizer: Any, loss: LossFunction) -> Step:
    import tensorflow as tf

    @tf.function
    def compiled(tensor, *targets):
        with tf.GradientTape() as tape:
            parts = loss(model(tensor, training=True), *targets)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(parts["loss"], variables), variables)
        return parts

    def step(*arrays):
        parts = compiled(*map(tf.constant, arrays))
        return {name: float(value) for name, value in parts.items()}

    return step


def _replicated_step(model: Any, optimizer: Any, loss: LossFunction, strategy: Any) -> Step:
    """Each replica takes its slice of the batch; gradients are added up, weighted by slice."""
    import tensorflow as tf

    count = strategy.num_replicas_in_sync
    clip_norm = optimizer.global_clipnorm

    def replica(tensor, *targets):
        context = tf.distribute.get_replica_context()
        weight = tf.reduce_sum(targets[1])
        total = context.all_reduce(tf.distribute.ReduceOp.SUM, weight)
        share = weight / tf.maximum(total, 1e-6)
        with tf.GradientTape() as tape:
            parts = loss(model(tensor, training=True), *targets)
            scaled = parts["loss"] * share
        variables = model.trainable_variables
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, tape.gradient(scaled, variables))
        if clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
        # Keras adds up what the replicas hand over, which is the same on each by now.
        optimizer.apply([gradient / count for gradient in gradients], variables)
        return {name: value * share for name, value in parts.items()}

    @tf.function
    def compiled(*slices):
        parts = strategy.run(replica, args=slices)
        return {
            name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)
            for name, value in parts.items()
        }

    def step(*arrays):
        slices = [np.array_split(array, count) for array in arrays]

        def values(parts):
            def take(context):
                return tf.constant(parts[context.replica_id_in_sync_group])

            return strategy.experimental_distribute_values_from_function(take)

        parts = compiled(*map(values, slices))
        return {name: float(value) for name, value in parts.items()}

    return step


def _jax_step(model: Any, optimizer: Any, loss: LossFunction, devices: Devices) -> Step:
    import jax

    def forward(trainable, fixed, tensor, *targets):
        logits, fixed = model.stateless_call(trainable, fixed, tensor, training=True)
        parts = loss(logits, *targets)
        return parts["loss"], (parts, fixed)

    @jax.jit
    def compiled(trainable, fixed, state, *arrays):
        gradient = jax.value_and_grad(forward, has_aux=True)
        (_, (parts, fixed)), gradients = gradient(trainable, fixed, *arrays)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return trainable, fixed, state, parts

    def step(*arrays):
        kinds = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        values = [[variable.value for variable in variables] for variables in kinds]
        *updated, parts = compiled(*values, *map(devices.shard, arrays))
        for variables, news in zip(kinds, updated):
            for variable, new in zip(variables, news):
                variable.assign(new)
        return parts

    return step


def finite_loss(parts: dict[str, Any], step: int, names: Sequence[str]) -> float:
    """The loss of a step; InputError, with the images of its batch, where it is not finite."""
    loss = float(parts["loss"])
    if not np.isfinite(loss):
        raise InputError(
            f"step {step}: got a loss of {loss}, expected a finite one; "
            f"the batch was {', '.join(names)}"
        )
    return loss


def make_answer(keras: Any, model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A compiled function from a batch to the model's output by the weights it has by then.

    With several devices it runs on one of them, where Keras' own has each answer all images.
    """
    if keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(functools.partial(model.stateless_call, training=False))

        def answer(tensor: np.ndarray) -> np.ndarray:
            kinds = (model.trainable_variables, model.non_trainable_variables)
            values = [[variable.value for variable in variables] for variables in kinds]
            return np.asarray(compiled(*values, tensor)[0], np.float32)

        return answer
    import tensorflow as tf

    function = tf.function(functools.partial(model, training=False))
    return lambda tensor: np.asarray(function(tf.constant(tensor)), np.float32)

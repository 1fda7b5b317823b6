"""A Keras model as a static graph, the form in which every target starts.

A concrete function with a batch of one: `from_keras_model` would leave the
batch open and add SHAPE, STRIDED_SLICE and PACK, which no accelerator takes.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from edgeseg.errors import InputError, require
from edgeseg.spec import ModelSpec

from .calibration import Predict

Model = Any


def concrete_function(model: Model, spec: ModelSpec) -> Any:
    """The model, Keras 3 on TensorFlow or tf_keras, as (1, height, width, channels) -> output."""
    tf = require("tensorflow", extra="convert")
    shape = (1, spec.height, spec.width, spec.channels)
    check_input(model, shape)
    # The only output may come in a list or, by its name, in a dict.
    function = tf.function(lambda image: tf.nest.flatten(model(image, training=False))[0])
    return function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))


def keras_of(model: Model) -> ModuleType:
    """The package, keras or tf_keras, that a model is of; its class may be the caller's own."""
    packages = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    return require(
        next(name for name in packages if name in ("keras", "tf_keras")), extra="convert"
    )


def all_layers(model: Model) -> list[Any]:
    """The layers of a network and of the networks among them, each once."""
    found: dict[int, Any] = {}
    for layer in model.layers:
        inner = all_layers(layer) if hasattr(layer, "get_layer") else [layer]
        found |= {id(one): one for one in inner}
    return list(found.values())


def check_input(model: Model, shape: tuple[int, ...]) -> None:
    """Raise InputError unless the model takes tensors of `shape`."""
    if not getattr(model, "inputs", None):
        raise InputError(
            f"model: got {type(model).__name__} without a declared input, expected one of layers "
            "built on keras.Input, as its copy is what is quantized"
        )
    got = tuple(model.input_shape)
    if any(size is not None and size != wanted for size, wanted in zip(got, shape)) or len(
        got
    ) != len(shape):
        raise InputError(f"model input: got shape {got}, expected {shape} as its spec says")


def predictor(function: Any) -> Predict:
    """A concrete function as float32 array -> float32 array."""
    tf = require("tensorflow", extra="convert")

    def predict(tensor: np.ndarray) -> np.ndarray:
        return np.asarray(function(tf.constant(tensor)), np.float32)

    return predict


def tflite_converter(function: Any) -> Any:
    """TensorFlow's converter over a concrete function, its weights frozen into constants.

    Only frozen does the graph of a Keras 3 model, whose variables TensorFlow does
    not track, convert without READ_VARIABLE.
    """
    tf = require("tensorflow", extra="convert")
    constants = require("tensorflow.python.framework.convert_to_constants", extra="convert")
    frozen = constants.convert_variables_to_constants_v2(function)
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen])

"""Target `edgetpu`: full int8 with static shapes, the input of the Edge TPU compiler."""

from __future__ import annotations

import dataclasses
from typing import Any

from edgeseg.errors import InputError

from .graph import keras_of
from .int8 import flat_int8
from .job import Job


def convert(job: Job) -> bytes:
    """The int8 model; input and output are int8 or uint8, as `job.io` says.

    A softmax at the end of a Keras model, which the Edge TPU takes at a single place only, is
    left to the runtime: the file gives scores, and its spec says so.
    """
    if job.io == "float32":
        raise InputError("io: got float32, expected int8 or uint8 for the Edge TPU")
    job = without_softmax(job)
    return job.finish(flat_int8(job))


def without_softmax(job: Job) -> Job:
    """The job for the model up to its last softmax; as it is where none is its only output."""
    source = job.source
    if source.model is None or len(source.model.outputs) != 1:
        return job
    last = source.model.layers[-1]
    if last.output is not source.model.outputs[0] or not _softmax(last):
        return job
    # A Sequential is none without its last layer, a model of tensors is.
    model = keras_of(source.model).Model(source.model.inputs, last.input)
    spec = dataclasses.replace(source.spec, activation="softmax")
    return dataclasses.replace(job, source=dataclasses.replace(source, model=model, spec=spec))


def _softmax(layer: Any) -> bool:
    """Whether a layer is a softmax over the channels and nothing else."""
    if type(layer).__name__ == "Softmax":
        return layer.axis in (-1, 3)
    named = getattr(getattr(layer, "activation", None), "__name__", "")
    return type(layer).__name__ == "Activation" and named == "softmax"

"""Target `float16`: weights in 16 bit, half the size, computed in float32 on a CPU."""

from __future__ import annotations

from edgeseg.errors import require

from . import requantize
from .graph import tflite_converter
from .job import Job


def convert(job: Job) -> bytes:
    """The model with float16 weights, float32 input and output."""
    return job.finish(flat_float16(job))


def flat_float16(job: Job) -> bytes:
    """The bare flatbuffer."""
    if job.source.tflite is not None:
        return requantize.float16(job.source.tflite)
    tf = require("tensorflow", extra="convert")
    converter = tflite_converter(job.source.function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()

"""Target `dynamic`: 8 bit weights, activations quantized as they come; needs no calibration."""

from __future__ import annotations

from edgeseg.errors import require

from . import requantize
from .graph import tflite_converter
from .job import Job


def convert(job: Job) -> bytes:
    """The model with 8 bit weights, float32 input and output."""
    if job.source.tflite is not None:
        return job.finish(requantize.dynamic(job.source.tflite))
    tf = require("tensorflow", extra="convert")
    converter = tflite_converter(job.source.function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return job.finish(converter.convert())

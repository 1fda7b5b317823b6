"""Target `float32`: the reference, unchanged weights."""

from __future__ import annotations

from .graph import tflite_converter
from .job import Job


def convert(job: Job) -> bytes:
    """The float model as a .tflite with spec and golden frame."""
    return job.finish(flat_float32(job))


def flat_float32(job: Job) -> bytes:
    """The bare flatbuffer, other targets start from it."""
    if job.source.tflite is not None:
        return job.source.tflite
    return tflite_converter(job.source.function).convert()

"""Target `gpu`: float16 weights, only operators that TFLite's GPU delegates take."""

from __future__ import annotations

from .float16 import flat_float16
from .job import Job


def convert(job: Job) -> bytes:
    """The model with float16 weights; its placement is checked by `checks.gpu_reasons`."""
    return job.finish(flat_float16(job))

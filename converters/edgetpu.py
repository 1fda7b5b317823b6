"""Target `edgetpu`: full int8 with static shapes, the input of the Edge TPU compiler."""

from __future__ import annotations

from edgeseg.errors import InputError

from .int8 import flat_int8
from .job import Job


def convert(job: Job) -> bytes:
    """The int8 model; input and output are int8 or uint8, as `job.io` says."""
    if job.io == "float32":
        raise InputError("io: got float32, expected int8 or uint8 for the Edge TPU")
    return job.finish(flat_int8(job))

"""Target `int8`: post-training quantization, calibrated on real images.

Weights are 8 bit with a scale per output channel, activations 8 bit per tensor,
input and output 8 bit as well, so that nothing but integers is left in the file.
The scheme is that of Jacob et al., "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference" (2018), in TFLite's variant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgeseg.errors import InputError, require
from edgeseg.spec import ModelSpec

from . import requantize
from .bias_correction import bias_corrected
from .calibration import calibration_tensors, check_frames
from .golden import finish, golden_entries
from .graph import Model, concrete_function, predictor, tflite_converter
from .job import Job, silent

IO_TYPES = ("int8", "uint8", "float32")


def convert(job: Job) -> bytes:
    """The quantized model with spec and golden frame."""
    return job.finish(flat_int8(job))


def flat_int8(job: Job) -> bytes:
    """The bare flatbuffer of the quantized model."""
    if job.source.tflite is not None:
        return requantize.int8(job.source.tflite, job.tensors, io=job.io)
    model = bias_corrected(job.source.model, job.tensors)
    converter = tflite_converter(concrete_function(model, job.spec))
    return quantizing_converter(converter, job.tensors, io=job.io, progress=job.progress).convert()


def convert_int8(
    model: Model,
    spec: ModelSpec,
    frames: Iterable[np.ndarray],
    *,
    io: str = "int8",
    progress: Callable[[], None] = silent,
) -> bytes:
    """Quantize a float Keras model to a .tflite with spec and golden frame inside.

    model: Keras 3 on TensorFlow, or tf_keras, float32 in and out.
    frames: real images, uint8 (H, W, 3) BGR; 100 are plenty, 10 too few.
    io: type of input and output, "int8", "uint8" or "float32".
    progress: called after each calibrated frame.
    Raises InputError for no frames, an unknown `io`, or a model that does not
    take the spec's input.
    """
    frames = check_frames(frames)
    predict = predictor(concrete_function(model, spec))
    tensors = list(calibration_tensors(frames, spec, predict))
    # By name: a function does not keep the variables of the model that it was traced from.
    corrected = bias_corrected(model, tensors)
    converter = tflite_converter(concrete_function(corrected, spec))
    converter = quantizing_converter(converter, tensors, io=io, progress=progress)
    return finish(converter.convert(), spec, golden_entries(frames, spec, predict))


def quantizing_converter(
    converter: Any,
    tensors: list[np.ndarray],
    *,
    io: str,
    progress: Callable[[], None] = silent,
) -> Any:
    """Set TensorFlow's converter to integers only, ranges from `tensors`."""
    tf = require("tensorflow", extra="convert")
    if io not in IO_TYPES:
        raise InputError(f"io: got {io!r}, expected one of {', '.join(IO_TYPES)}")

    def representative():
        for tensor in tensors:
            yield [tensor]
            progress()

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = getattr(tf, io)
    converter.inference_output_type = getattr(tf, io)
    return converter

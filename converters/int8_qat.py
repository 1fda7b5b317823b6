"""Target `int8-qat`: what quantization-aware training has learned, ranges included.

No calibration: the ranges come out of the training. The network is tf_keras's,
as tensorflow-model-optimization takes no other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeseg.errors import InputError, ModelError, require

from .graph import concrete_function, tflite_converter
from .job import Job
from .source import Source

WEIGHTS = "qat.weights.h5"
HDF5_MAGIC = b"\x89HDF"


def qat_folder(source: Source, given: Path | None = None) -> Path:
    """The folder with the quantization-aware weights: the given one, RUN/qat or RUN.

    Raises InputError where the source is no run or the weights are missing.
    """
    if source.run is None:
        raise InputError(
            f"int8-qat: got {source.path}, expected a training run's folder with {WEIGHTS}"
        )
    candidates = [given] if given else [source.run / "qat", source.run]
    found = next((folder for folder in candidates if (folder / WEIGHTS).exists()), None)
    if found is None:
        raise InputError(
            f"int8-qat: got no {WEIGHTS} in {' or '.join(map(str, candidates))}, expected the "
            "result of quantization-aware training"
        )
    return found


def convert(job: Job) -> bytes:
    """The quantized model with spec and golden frame; input and output as `job.io` says."""
    tf = require("tensorflow", extra="convert")
    model = trained_model(qat_folder(job.source, job.qat), job.source)
    converter = tflite_converter(concrete_function(model, job.spec))
    # Not TFLITE_BUILTINS_INT8: with it the converter demands calibration images all the same.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = getattr(tf, job.io)
    converter.inference_output_type = getattr(tf, job.io)
    return job.finish(converter.convert())


def trained_model(folder: Path, source: Source) -> Any:
    """The quantization-aware tf_keras model of a folder, ready for the converter."""
    from edgeseg.training.qat import for_conversion, load_quantized
    from edgeseg.training.runs import load_run

    tf_keras = require("tf_keras", extra="train")
    if source.run is None:
        raise InputError(f"int8-qat: got {source.path}, expected a training run's folder")
    path = folder / WEIGHTS
    with open(path, "rb") as file:
        # Before the network is built, which takes a while.
        if file.read(len(HDF5_MAGIC)) != HDF5_MAGIC:
            raise ModelError(f"{path}: got damaged weights, expected an HDF5 file")
    model, _, _ = load_run(tf_keras, source.run)
    try:
        trained = load_quantized(model, folder)
    except (OSError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: got damaged weights ({first[:200]})") from None
    return for_conversion(model, trained)

"""A float .tflite to lighter ones, through ai-edge-quantizer, where there is no Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from edgeseg.errors import InputError, require

from .flatwrite import pack, with_signature
from .schema import unpack

SIGNATURE = "serving_default"


def _quantizer() -> ModuleType:
    return require("ai_edge_quantizer", extra="requantize")


def float16(model: bytes) -> bytes:
    """Weights in float16, everything else in float32."""
    package = _quantizer()
    qtyping = package.qtyping
    manager = package.recipe_manager.RecipeManager()
    weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    manager.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=package.algorithm_manager.AlgorithmName.FLOAT_CASTING,
    )
    return _run(package, model, manager.get_quantization_recipe())


def dynamic(model: bytes) -> bytes:
    """Weights in 8 bit, activations quantized as they come."""
    package = _quantizer()
    return _run(package, model, package.recipe.dynamic_wi8_afp32())


def check_io(io: str) -> None:
    """Raise InputError for ends that ai-edge-quantizer does not make: it keeps them in int8."""
    if io != "int8":
        raise InputError(
            f"io: got {io}, expected int8 for a .tflite source; other ends need the Keras model"
        )


def int8(model: bytes, tensors: Sequence[np.ndarray], *, io: str) -> bytes:
    """Weights and activations in 8 bit, ranges from the calibration tensors."""
    package = _quantizer()
    check_io(io)
    return _run(package, model, package.recipe.static_wi8_ai8(), tensors=tensors)


def _run(
    package: ModuleType, model: bytes, recipe: Any, *, tensors: Sequence[np.ndarray] = ()
) -> bytes:
    named = with_signature(model, SIGNATURE)
    quantizer = package.quantizer.Quantizer(bytearray(named))
    quantizer.load_quantization_recipe(recipe)
    ranges = None
    if tensors:
        # A signature of TensorFlow's has a key and names of its own.
        signature = unpack(named).signatureDefs[0]
        key, name = (text.decode() for text in (signature.signatureKey, signature.inputs[0].name))
        ranges = quantizer.calibrate({key: [{name: tensor} for tensor in tensors]})
    # Its constants lie behind the flatbuffer, where older runtimes and the Edge TPU compiler
    # do not look: packing puts them back inside.
    return pack(unpack(bytes(quantizer.quantize(ranges).quantized_model)))

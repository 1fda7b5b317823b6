"""Weights out of a .tflite file: convolutions dequantized, in the order of the graph.

A MobileNetV2-based file, Coral's DeepLab for example, comes with tensor names of
its own making; the order of its convolutions is MobileNetV2's, and so they get
our layers' names by counting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError, require
from ..spec import check_flatbuffer

# TFLite's schema: the element types that weights come in.
TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 9: np.int8}
CONV_2D, DEPTHWISE_CONV_2D = 3, 4
DEEPLAB_HEAD = ("aspp", "pool", "concat_projection", "semantic")


def mobilenet_v2_names() -> list[str]:
    """Names of MobileNetV2's convolutions to block 16, in order of execution."""
    names = ["stem", "block00_depthwise", "block00_project"]
    for block in range(1, 17):
        names += [f"block{block:02d}_{part}" for part in ("expand", "depthwise", "project")]
    return names


def read_tflite_weights(path: str | Path) -> dict[str, np.ndarray]:
    """ "layer/kernel" and "layer/bias" of a MobileNetV2-based .tflite, float32.

    Kernels have Keras's layout: (height, width, in, out), depthwise (height, width,
    channels, 1). What comes after the encoder is named as DeepLab's head where its
    count fits, otherwise `head00`, `head01` and so on.
    Raises ModelError for a file that is no TFLite model or whose first convolutions
    are not MobileNetV2's.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: got no readable file ({error.strerror})") from None
    check_flatbuffer(data, origin=str(path))
    convolutions = _convolutions(data)
    names = mobilenet_v2_names()
    wanted = ["depthwise" in name for name in names]
    got = [depthwise for depthwise, _, _ in convolutions[: len(names)]]
    if got != wanted:
        raise ModelError(
            f"{path}: got {len(convolutions)} convolutions that are not MobileNetV2's in order, "
            f"expected {len(names)} of them: {', '.join(names[:5])}, ..."
        )
    rest = len(convolutions) - len(names)
    names += DEEPLAB_HEAD if rest == len(DEEPLAB_HEAD) else [f"head{i:02d}" for i in range(rest)]
    values = {}
    for name, (_, kernel, bias) in zip(names, convolutions):
        values[f"{name}/kernel"] = kernel
        if bias is not None:
            values[f"{name}/bias"] = bias
    return values


def _convolutions(data: bytes) -> list[tuple[bool, np.ndarray, np.ndarray | None]]:
    """(is depthwise, kernel, bias) of each convolution with constant weights."""
    schema = require("tensorflow.lite.python.schema_py_generated", extra="train")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    graph = model.subgraphs[0]
    found = []
    for operator in graph.operators:
        entry = model.operatorCodes[operator.opcodeIndex]
        code = max(entry.builtinCode, entry.deprecatedBuiltinCode)
        if code not in (CONV_2D, DEPTHWISE_CONV_2D):
            continue
        inputs = list(operator.inputs)
        kernel = _values(model, graph.tensors[inputs[1]])
        # TFLite keeps (out, height, width, in), and (1, height, width, channels) for depthwise;
        # moving the first axis to the end gives Keras's layout for both.
        kernel = np.ascontiguousarray(np.moveaxis(kernel, 0, -1))
        has_bias = len(inputs) > 2 and inputs[2] >= 0
        bias = _values(model, graph.tensors[inputs[2]]) if has_bias else None
        found.append((code == DEPTHWISE_CONV_2D, kernel, bias))
    return found


def _values(model: Any, tensor: Any) -> np.ndarray:
    """A constant tensor, dequantized to float32, per tensor or per channel."""
    buffer = model.buffers[tensor.buffer].data
    if buffer is None or tensor.type not in TYPES:
        raise ModelError(f"{tensor.name!r}: got no constant weights of a known type")
    stored = np.frombuffer(bytes(buffer), TYPES[tensor.type]).reshape(tuple(tensor.shape))
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return stored.astype(np.float32)
    shape = [1] * stored.ndim
    if len(quantization.scale) > 1:
        shape[quantization.quantizedDimension] = -1
    scale = np.float32(quantization.scale).reshape(shape)
    zero = np.asarray(quantization.zeroPoint, np.float32).reshape(shape)
    return (stored.astype(np.float32) - zero) * scale

"""Which operators the Edge TPU compiler maps, one by one, and the mend for those it does not.

Source: Coral's table of supported operations and known limitations ("TensorFlow
models on the Edge TPU", compiler 16, runtime 14), what its compiler is reported
to refuse, and what it did to published models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from . import edgetpu_limits as limits
from .edgetpu_limits import Reasons
from .flatgraph import COMPILED_OPERATOR, Node

QUANTIZED = ("INT8", "UINT8")


@dataclass(frozen=True)
class Rule:
    """version: the highest operator version known to compiler 16; check: further limits.

    older: what to do about a newer version.
    """

    version: int
    check: Callable[[Node], Reasons] | None = None
    older: str = "convert with an older TensorFlow or without the newer option"


def edgetpu_obstacle(node: Node) -> str:
    """Why this operator by itself cannot be mapped, with the mend; "" where it can be.

    Whether it is mapped depends on the operators before it as well: see
    `placement.edgetpu_partition`.
    """
    return next(_obstacles(node), "")


def _obstacles(node: Node) -> Reasons:
    if node.custom == COMPILED_OPERATOR:
        return
    if node.name not in RULES:
        yield f"{node.custom or node.name} is not supported: {_alternative(node)}"
        return
    rule = RULES[node.name]
    yield from _tensor_obstacles(node)
    if node.version > rule.version:
        yield (
            f"version {node.version} is not known to the compiler, which takes up to "
            f"{rule.version}: {rule.older}"
        )
    if rule.check:
        yield from rule.check(node)


def _alternative(node: Node) -> str:
    return ALTERNATIVES.get(node.name, "build the model without it, or end it before")


def _tensor_obstacles(node: Node) -> Reasons:
    for tensor in (*node.activations, *node.outputs):
        # A recurrent layer keeps its cell state in 16 bit.
        if tensor.type not in QUANTIZED and not (tensor.type == "INT16" and "LSTM" in node.name):
            yield (
                f"works on {tensor.type} data, expected INT8 or UINT8: quantize the whole model, "
                "input and output included"
            )
        elif not tensor.scale:
            yield f"tensor {tensor.name!r} has no scale: quantize the whole model"
        if tensor.dynamic:
            yield "a size is known only when run: convert with a batch of 1 and a fixed input size"
        if prod(tensor.shape[:-3]) > 1:
            yield (
                f"shape {tensor.shape} has a size above 1 outside the three innermost dimensions: "
                "use a batch of 1 and at most three dimensions"
            )


# The name, the highest version the last compiler knows (it is of TensorFlow 2.5's time),
# and Coral's known limitations.
RULES: dict[str, Rule] = {
    "ADD": Rule(4),
    "AVERAGE_POOL_2D": Rule(3, limits.unfused),
    "CONCATENATION": Rule(3, limits.concatenation),
    "CONV_2D": Rule(5, limits.convolution, "use one group, a newer version has several"),
    "DEPTHWISE_CONV_2D": Rule(6, limits.convolution),
    "EXPAND_DIMS": Rule(1),
    "FULLY_CONNECTED": Rule(9, limits.fully_connected),
    "L2_NORMALIZATION": Rule(2),
    "LOGISTIC": Rule(3),
    "LSTM": Rule(4),
    "MAXIMUM": Rule(4),
    "MAX_POOL_2D": Rule(3, limits.unfused),
    "MEAN": Rule(3, limits.mean),
    "MINIMUM": Rule(4),
    "MUL": Rule(5),
    "PACK": Rule(4, limits.pack),
    "PAD": Rule(4, limits.padding),
    "PRELU": Rule(1, limits.prelu),
    "QUANTIZE": Rule(2),
    "REDUCE_MAX": Rule(3, limits.reduction),
    "REDUCE_MIN": Rule(3, limits.reduction),
    "RELU": Rule(3),
    "RELU6": Rule(3),
    "RELU_N1_TO_1": Rule(1),
    "RESHAPE": Rule(1),
    "RESIZE_BILINEAR": Rule(3, limits.resize),
    "RESIZE_NEAREST_NEIGHBOR": Rule(3, limits.resize),
    "RSQRT": Rule(2),
    "SLICE": Rule(4),
    "SOFTMAX": Rule(3, limits.softmax),
    "SPACE_TO_DEPTH": Rule(2),
    "SPLIT": Rule(4, limits.split),
    "SQUARED_DIFFERENCE": Rule(2),
    "SQUEEZE": Rule(2, limits.squeeze),
    "STRIDED_SLICE": Rule(4, limits.strided_slice),
    "SUB": Rule(5),
    "SUM": Rule(2, limits.reduction),
    "TANH": Rule(3),
    "TRANSPOSE": Rule(5),
    "TRANSPOSE_CONV": Rule(
        3,
        limits.transposed_convolution,
        "upsample and convolve instead, which is transposed = false of a unet",
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Rule(3),
}

ALTERNATIVES = {
    "ARG_MAX": "emit the scores and take the argmax afterwards",
    "DEQUANTIZE": "convert with quantized outputs",
    "HARD_SWISH": "use ReLU6",
    "LEAKY_RELU": "use ReLU or PReLU",
    "DEPTH_TO_SPACE": "use bilinear upsampling",
    "BATCH_TO_SPACE_ND": "convert dilated convolutions with a static batch of 1",
    "SPACE_TO_BATCH_ND": "convert dilated convolutions with a static batch of 1",
    "DIV": "multiply by the reciprocal",
    "SHAPE": "convert with a static batch of 1",
}

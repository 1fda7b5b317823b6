"""Which operators TFLite's GPU delegates take: the static check, without a device.

Source: the documented operators of the TFLite GPU delegate and its limits: tensors
of up to four dimensions with a batch of one, floating point (8 bit is computed in
floating point), constant weights, sizes known in advance.
"""

from __future__ import annotations

from collections.abc import Iterator

from .flatgraph import Node

MAX_RANK = 4
TYPES = ("FLOAT32", "FLOAT16", "INT8", "UINT8")

# The highest version known to the delegate of TensorFlow 2.10 and later.
VERSIONS = {
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "BATCH_MATMUL": 1,
    "CONCATENATION": 2,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "DEPTH_TO_SPACE": 2,
    "DEQUANTIZE": 5,
    "DIV": 2,
    "ELU": 1,
    "EXP": 2,
    "FULLY_CONNECTED": 9,
    "HARD_SWISH": 1,
    "LEAKY_RELU": 2,
    "LOGISTIC": 3,
    "LSTM": 4,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MIRROR_PAD": 2,
    "MUL": 3,
    "PACK": 2,
    "PAD": 2,
    "PADV2": 2,
    "POW": 1,
    "PRELU": 1,
    "QUANTIZE": 2,
    "RELU": 2,
    "RELU6": 2,
    "RELU_0_TO_1": 1,
    "RELU_N1_TO_1": 1,
    "REDUCE_MAX": 2,
    "REDUCE_MIN": 2,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "RSQRT": 2,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SPACE_TO_DEPTH": 2,
    "SPLIT": 2,
    "SPLIT_V": 2,
    "SQRT": 1,
    "SQUARE": 1,
    "SQUARED_DIFFERENCE": 2,
    "STRIDED_SLICE": 2,
    "SUB": 3,
    "SUM": 2,
    "TANH": 2,
    "TILE": 2,
    "TRANSPOSE": 2,
    "TRANSPOSE_CONV": 4,
}
# Known to the delegate by name, MediaPipe's models use them.
CUSTOM = ("Convolution2DTransposeBias", "MaxPoolingWithArgmax2D", "MaxUnpooling2D")
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def gpu_obstacle(node: Node, stored: frozenset[int]) -> str:
    """Why a GPU delegate leaves this operator to the CPU, with the mend; "" where it takes it.

    stored: the tensors whose values the file holds, `Graph.stored`.
    """
    return next(_obstacles(node, stored), "")


def _older(node: Node) -> str:
    grouped = node.name == "CONV_2D" and node.outputs[0].type == "FLOAT32"
    return "use one group" if grouped else "convert in float16"


def _obstacles(node: Node, stored: frozenset[int]) -> Iterator[str]:
    if node.name == "CUSTOM":
        if node.custom not in CUSTOM:
            yield f"custom operator {node.custom} is not supported: leave it out of the model"
        return
    if node.name not in VERSIONS:
        yield f"{node.name} is not supported: build the model without it, or end it before"
        return
    if node.version > VERSIONS[node.name]:
        yield f"version {node.version} is above {VERSIONS[node.name]}: {_older(node)}"
    # A DEQUANTIZE of float16 weights is folded into the layer that takes them.
    computed = (t for t in (*node.activations, *node.outputs) if t.index not in stored)
    for tensor in computed:
        if tensor.type not in TYPES:
            yield f"works on {tensor.type} data, expected one of {', '.join(TYPES)}"
        if tensor.dynamic:
            yield "a size is known only when run: convert with a batch of 1 and a fixed input size"
        if len(tensor.shape) > MAX_RANK:
            yield f"shape {tensor.shape} has over {MAX_RANK} dimensions"
        elif len(tensor.shape) == MAX_RANK and tensor.shape[0] != 1:
            yield f"shape {tensor.shape} has a batch of {tensor.shape[0]}, expected 1"
    weights = node.inputs[1] if node.name in WEIGHTED else None
    if weights is not None and weights.index not in stored:
        yield "weights are computed, expected constants"

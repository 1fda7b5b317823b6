"""Which operators the Edge TPU compiler maps, one by one, and the mend for those it does not.

Source: Coral's table of supported operations and known limitations ("TensorFlow
models on the Edge TPU", compiler 16, runtime 14), what its compiler is reported
to refuse, and what it did to published models. Where Coral only says "depending
on size", the limit below is the largest size known to map, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from .flatgraph import COMPILED_OPERATOR, Node, Tensor

Reasons = Iterator[str]
# Resizing to 128 pixels a side maps and to 256 is refused, "to avoid loss in precision".
RESIZE_LIMIT = 128
# An average over 64x128 maps, one over 128x256 does not.
MEAN_LIMIT = 128 * 128
SOFTMAX_LIMIT = 16_000
QUANTIZED = ("INT8", "UINT8")


@dataclass(frozen=True)
class Rule:
    """version: the highest operator version known to compiler 16; check: further limits."""

    version: int
    check: Callable[[Node], Reasons] | None = None


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
            f"{rule.version}: convert with an older TensorFlow or without the newer option"
        )
    if rule.check:
        yield from rule.check(node)


def _alternative(node: Node) -> str:
    return ALTERNATIVES.get(node.name, "leave it to the code after the model")


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


def _option(node: Node, name: str) -> int:
    return int(node.options.get(name, 0) or 0)


def _constant(node: Node, position: int) -> Tensor | None:
    tensor = node.inputs[position] if position < len(node.inputs) else None
    return tensor if tensor is not None and tensor.constant else None


def _unfused(node: Node) -> Reasons:
    if _option(node, "fusedActivationFunction"):
        yield "has a fused activation function: put the activation behind another layer"


def _constant_weights(node: Node) -> Reasons:
    weights = node.inputs[1:3]
    if any(tensor is not None and not tensor.constant for tensor in weights):
        yield "weights or bias are computed, expected constants"


def _convolution(node: Node) -> Reasons:
    yield from _constant_weights(node)
    if _option(node, "dilationWFactor") != _option(node, "dilationHFactor"):
        yield "dilation differs in x and y: use the same in both"


def _transposed_convolution(node: Node) -> Reasons:
    if _constant(node, 0) is None:
        yield "the output size is computed: convert with a batch of 1 and a fixed input size"
    if _constant(node, 1) is None:
        yield "weights are computed, expected constants"


def _fully_connected(node: Node) -> Reasons:
    yield from _constant_weights(node)
    if _option(node, "weightsFormat"):
        yield "weights are in a shuffled format: convert for the default format"
    if prod(node.outputs[0].shape[:-1]) > 1:
        yield "output has more than one dimension: use a 1x1 convolution"


def _concatenation(node: Node) -> Reasons:
    yield from _unfused(node)
    constants = [t for t in node.inputs if t is not None and t.constant]
    if constants and len(node.inputs) != 2:
        yield "has a constant among more than two inputs: pad with zeros instead"
    for tensor in constants:
        if (tensor.values != (tensor.zero_point or (0,))[0]).any():
            yield "has a constant input that is not all zero: add it behind the model"
    if _axis(node, _option(node, "axis")) == 0 and len(node.outputs[0].shape) > 1:
        yield "joins along the batch: join along another axis"


def _source(node: Node) -> Tensor:
    """The computed input, or the first one where all are constants."""
    return node.activations[0] if node.activations else next(t for t in node.inputs if t)


def _axis(node: Node, axis: int) -> int:
    return axis + len(node.outputs[0].shape) if axis < 0 else axis


def _resize(node: Node) -> Reasons:
    source, result = _source(node).shape, node.outputs[0].shape
    if _constant(node, 1) is None:
        yield "the size is computed: use a constant one"
    if len(result) == 4 and max(result[1:3]) > RESIZE_LIMIT:
        yield (
            f"resizes to {result[2]}x{result[1]}: above {RESIZE_LIMIT} pixels a side it is kept on "
            "the CPU to avoid a loss in precision; emit a smaller mask and resize it afterwards"
        )
    elif len(source) == 4 and min(source[1:3]) == 1 < max(result[1:3]):
        yield "stretches a single pixel: multiply or add with broadcasting instead"


def _reduction(node: Node) -> Reasons:
    axes, rank = _constant(node, 1), len(_source(node).shape)
    if axes is None:
        yield "the axes are computed: use constant ones"
        return
    reduced = {int(axis) % rank for axis in axes.values.reshape(-1)}
    if 0 in reduced and rank > 1:
        yield "reduces the batch: leave the batch axis out"


def _mean(node: Node) -> Reasons:
    yield from _reduction(node)
    shape, axes = _source(node).shape, _constant(node, 1)
    reduced = {int(axis) % len(shape) for axis in axes.values.reshape(-1)} if axes else set()
    if len(shape) == 4 and 3 in reduced and shape[3] % 4:
        yield f"averages {shape[3]} channels: use a multiple of 4"
    if prod(shape[axis] for axis in reduced) > MEAN_LIMIT:
        yield f"averages over {shape[1:-1]}: pool in two steps of at most {MEAN_LIMIT} pixels"


def _padding(node: Node) -> Reasons:
    amounts = _constant(node, 1)
    if amounts is None:
        yield "the padding is computed: use a constant one"
    elif amounts.values.size > 2 and amounts.values.reshape(-1, 2)[0].any():
        yield "pads the batch: pad another axis"


def _softmax(node: Node) -> Reasons:
    shape = node.outputs[0].shape
    if prod(shape[:-1]) > 1:
        yield f"is taken at {prod(shape[:-1])} places: emit the scores and take it afterwards"
    elif shape and shape[-1] > SOFTMAX_LIMIT:
        yield f"has {shape[-1]} classes, expected at most {SOFTMAX_LIMIT}"


def _split(node: Node) -> Reasons:
    axis = _constant(node, 0 if node.name == "SPLIT" else 2)
    if axis is None:
        yield "the axis is computed: use a constant one"
    elif int(axis.values.reshape(-1)[0]) % len(node.outputs[0].shape) == 0:
        yield "splits the batch: split another axis"


def _pack(node: Node) -> Reasons:
    if _axis(node, _option(node, "axis")) == 0:
        yield "packs along the batch: pack along another axis"


def _strided_slice(node: Node) -> Reasons:
    if any(_constant(node, position) is None for position in (1, 2, 3)):
        yield "begin, end or strides are computed: use constants"
        return
    strides = _constant(node, 3)
    if strides is not None and (strides.values != 1).any():
        yield "has a stride other than 1: use a convolution or pooling with that stride"
    if _option(node, "ellipsisMask") or _option(node, "newAxisMask"):
        yield "uses an ellipsis or a new axis: slice with plain begin and end"


def _prelu(node: Node) -> Reasons:
    alpha = _constant(node, 1)
    if alpha is None or prod(alpha.shape[:-1]) > 1:
        yield "alpha varies over the image: share it over height and width"


# The name, the highest version the last compiler knows (it is of TensorFlow 2.5's time),
# and Coral's known limitations.
RULES: dict[str, Rule] = {
    "ADD": Rule(4),
    "AVERAGE_POOL_2D": Rule(3, _unfused),
    "CONCATENATION": Rule(3, _concatenation),
    "CONV_2D": Rule(5, _convolution),
    "DEPTHWISE_CONV_2D": Rule(6, _convolution),
    "EXPAND_DIMS": Rule(1),
    "FULLY_CONNECTED": Rule(9, _fully_connected),
    "L2_NORMALIZATION": Rule(2),
    "LOGISTIC": Rule(3),
    "LSTM": Rule(4),
    "MAXIMUM": Rule(4),
    "MAX_POOL_2D": Rule(3, _unfused),
    "MEAN": Rule(3, _mean),
    "MINIMUM": Rule(4),
    "MUL": Rule(5),
    "PACK": Rule(4, _pack),
    "PAD": Rule(4, _padding),
    "PRELU": Rule(1, _prelu),
    "QUANTIZE": Rule(2),
    "REDUCE_MAX": Rule(3, _reduction),
    "REDUCE_MIN": Rule(3, _reduction),
    "RELU": Rule(3),
    "RELU6": Rule(3),
    "RELU_N1_TO_1": Rule(1),
    "RESHAPE": Rule(1),
    "RESIZE_BILINEAR": Rule(3, _resize),
    "RESIZE_NEAREST_NEIGHBOR": Rule(3, _resize),
    "RSQRT": Rule(2),
    "SLICE": Rule(4),
    "SOFTMAX": Rule(3, _softmax),
    "SPACE_TO_DEPTH": Rule(2),
    "SPLIT": Rule(4, _split),
    "SQUARED_DIFFERENCE": Rule(2),
    "SQUEEZE": Rule(2),
    "STRIDED_SLICE": Rule(4, _strided_slice),
    "SUB": Rule(5),
    "SUM": Rule(2, _reduction),
    "TANH": Rule(3),
    "TRANSPOSE": Rule(5),
    "TRANSPOSE_CONV": Rule(3, _transposed_convolution),
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

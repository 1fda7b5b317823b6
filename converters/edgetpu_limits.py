"""The limits of single operators on the Edge TPU, beyond name, version and data type.

Each function takes an operator and yields what stands against mapping it, with
the mend. Where Coral's table only says "depending on size", the limit is the
largest size known to map.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile
from math import prod

from .flatgraph import Node, Tensor

Reasons = Iterator[str]
# Resizing to 128 pixels a side maps and to 256 is refused, "to avoid loss in precision".
RESIZE_LIMIT = 128
# An average over 64x128 maps, one over 128x256 does not.
MEAN_LIMIT = 128 * 128
SOFTMAX_LIMIT = 16_000


def _option(node: Node, name: str) -> int:
    return int(node.options.get(name, 0) or 0)


def _constant(node: Node, position: int) -> Tensor | None:
    tensor = node.inputs[position] if position < len(node.inputs) else None
    return tensor if tensor is not None and tensor.constant else None


def unfused(node: Node) -> Reasons:
    """No fused activation function."""
    if _option(node, "fusedActivationFunction"):
        yield "has a fused activation function: put the activation behind another layer"


def constant_weights(node: Node) -> Reasons:
    """Weights and bias are in the file."""
    weights = node.inputs[1:3]
    if any(tensor is not None and not tensor.constant for tensor in weights):
        yield "weights or bias are computed, expected constants"


def convolution(node: Node) -> Reasons:
    """Constant weights, equal dilation in x and y."""
    yield from constant_weights(node)
    if _option(node, "dilationWFactor") != _option(node, "dilationHFactor"):
        yield "dilation differs in x and y: use the same in both"


def transposed_convolution(node: Node) -> Reasons:
    """Constant weights and output size."""
    if _constant(node, 0) is None:
        yield "the output size is computed: convert with a batch of 1 and a fixed input size"
    if _constant(node, 1) is None:
        yield "weights are computed, expected constants"


def fully_connected(node: Node) -> Reasons:
    """Plain constant weights, one-dimensional output."""
    yield from constant_weights(node)
    if _option(node, "weightsFormat"):
        yield "weights are in a shuffled format: convert for the default format"
    if prod(node.outputs[0].shape[:-1]) > 1:
        yield "output has more than one dimension: use a 1x1 convolution"


def concatenation(node: Node) -> Reasons:
    """Unfused, no batch axis; a constant only as zeros beside one other input."""
    yield from unfused(node)
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


def resize(node: Node) -> Reasons:
    """A constant size within the limit, not from a single pixel."""
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


def reduction(node: Node) -> Reasons:
    """Constant axes, the batch not among them."""
    axes, rank = _constant(node, 1), len(_source(node).shape)
    if axes is None:
        yield "the axes are computed: use constant ones"
        return
    reduced = {int(axis) % rank for axis in axes.values.reshape(-1)}
    if 0 in reduced and rank > 1:
        yield "reduces the batch: leave the batch axis out"


def mean(node: Node) -> Reasons:
    """A reduction; channels by 4; over a limited area."""
    yield from reduction(node)
    shape, axes = _source(node).shape, _constant(node, 1)
    reduced = {int(axis) % len(shape) for axis in axes.values.reshape(-1)} if axes else set()
    if len(shape) == 4 and 3 in reduced and shape[3] % 4:
        yield f"averages {shape[3]} channels: use a multiple of 4"
    if prod(shape[axis] for axis in reduced) > MEAN_LIMIT:
        yield f"averages over {shape[1:-1]}: pool in two steps of at most {MEAN_LIMIT} pixels"


def padding(node: Node) -> Reasons:
    """Constant, the batch left alone."""
    amounts = _constant(node, 1)
    if amounts is None:
        yield "the padding is computed: use a constant one"
    elif amounts.values.size > 2 and amounts.values.reshape(-1, 2)[0].any():
        yield "pads the batch: pad another axis"


def softmax(node: Node) -> Reasons:
    """One-dimensional, of a limited number of classes."""
    shape = node.outputs[0].shape
    if prod(shape[:-1]) > 1:
        yield (
            f"is taken at {prod(shape[:-1])} places: emit the scores, with activation softmax in "
            "the spec, and the runtime takes it"
        )
    elif shape and shape[-1] > SOFTMAX_LIMIT:
        yield f"has {shape[-1]} classes, expected at most {SOFTMAX_LIMIT}"


def split(node: Node) -> Reasons:
    """A constant axis other than the batch."""
    axis = _constant(node, 0 if node.name == "SPLIT" else 2)
    if axis is None:
        yield "the axis is computed: use a constant one"
    elif int(axis.values.reshape(-1)[0]) % len(node.outputs[0].shape) == 0:
        yield "splits the batch: split another axis"


def squeeze(node: Node) -> Reasons:
    """Sizes of 1 are taken off the front only: behind it the data would have to move."""
    source, result = _source(node).shape, node.outputs[0].shape
    if _without_leading(source) != _without_leading(result):
        yield f"squeezes {source} to {result}: take off sizes of 1 before the others only"


def _without_leading(shape: tuple[int, ...]) -> list[int]:
    return list(dropwhile(lambda size: size == 1, shape))


def pack(node: Node) -> Reasons:
    """An axis other than the batch."""
    if _axis(node, _option(node, "axis")) == 0:
        yield "packs along the batch: pack along another axis"


def strided_slice(node: Node) -> Reasons:
    """Constants, strides of 1, no ellipsis or new axis."""
    if any(_constant(node, position) is None for position in (1, 2, 3)):
        yield "begin, end or strides are computed: use constants"
        return
    strides = _constant(node, 3)
    if strides is not None and (strides.values != 1).any():
        yield "has a stride other than 1: use a convolution or pooling with that stride"
    if _option(node, "ellipsisMask") or _option(node, "newAxisMask"):
        yield "uses an ellipsis or a new axis: slice with plain begin and end"


def prelu(node: Node) -> Reasons:
    """Alpha by channel only."""
    alpha = _constant(node, 1)
    if alpha is None or prod(alpha.shape[:-1]) > 1:
        yield "alpha varies over the image: share it over height and width"

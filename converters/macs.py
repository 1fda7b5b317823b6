"""Multiply-adds of a .tflite's operators, counted from their shapes."""

from __future__ import annotations

from math import prod

from .flatgraph import COMPILED_OPERATOR, Node, Tensor

# The MediaPipe tasks' own transposed convolution: input, weights, bias.
TRANSPOSED_CUSTOM = "Convolution2DTransposeBias"


def multiply_adds(node: Node) -> int | None:
    """Multiply-adds of one run of an operator, None for what the Edge TPU compiler made.

    A size known only when run counts with what the file says, usually 1.
    Counted are convolutions, recurrent and fully connected layers and matrix products;
    everything else is additions and look-ups, or so little that it does not show.
    """
    if node.custom == COMPILED_OPERATOR:
        return None
    tensors = [tensor for tensor in node.inputs if tensor is not None]
    if node.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        # Every weight is used once per position: a depthwise kernel has no output axis.
        return _positions(node.outputs[0]) * prod(tensors[1].shape)
    if node.name == "TRANSPOSE_CONV":
        return _positions(tensors[2]) * prod(tensors[1].shape)
    if node.custom == TRANSPOSED_CUSTOM:
        return _positions(tensors[0]) * prod(tensors[1].shape)
    if node.name == "FULLY_CONNECTED":
        return prod(node.outputs[0].shape) * tensors[1].shape[-1]
    if "LSTM" in node.name or "RNN" in node.name:
        steps = _positions(tensors[0])
        return steps * sum(prod(t.shape) for t in tensors if t.constant and len(t.shape) == 2)
    if node.name == "BATCH_MATMUL":
        inner = -2 if node.options.get("adjX") else -1
        return prod(node.outputs[0].shape) * tensors[0].shape[inner]
    return 0


def _positions(tensor: Tensor) -> int:
    """Places of the image, the batch included."""
    return prod(tensor.shape[:-1])

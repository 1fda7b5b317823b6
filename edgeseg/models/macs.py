"""Multiply-adds of a Keras model, counted from its layers' shapes."""

from __future__ import annotations

from math import prod
from typing import Any


def multiply_adds(model: Any) -> int:
    """Multiply-adds of one image through convolutions and dense layers; the rest is free.

    model: Keras 3 or tf_keras, its input size known.
    """
    return sum(layer_multiply_adds(layer) for layer in model.layers)


def layer_multiply_adds(layer: Any) -> int:
    """Multiply-adds of one layer for one image."""
    kind = type(layer).__name__
    if kind in ("Conv2D", "DepthwiseConv2D", "Dense"):
        # Every weight is used once per position: a depthwise kernel has no output axis.
        kernel = layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel
        return prod(_positions(layer.output)) * prod(kernel.shape)
    if kind == "Conv2DTranspose":
        return prod(_positions(layer.input)) * prod(layer.kernel.shape)
    if kind == "SeparableConv2D":
        weights = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
        return prod(_positions(layer.output)) * weights
    return 0


def _positions(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.shape[1:-1])

"""What must hold of a target's file besides its masks: integers only, one GPU partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .flatgraph import Graph, Node, Tensor
from .gpu_rules import gpu_obstacle
from .placement import edgetpu_partition

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
EDGES = ("QUANTIZE", "DEQUANTIZE")


def integer_reasons(graph: Graph, *, float_edges: bool = False) -> list[str]:
    """Why a quantized file is not integers only; empty where it is.

    Allowed are QUANTIZE and DEQUANTIZE at the input and output themselves, which
    turn uint8, or with `float_edges` float32, into int8.
    """
    inner = [node for node in graph.nodes if not _at_edge(node, graph)]
    floats = [node.name for node in inner if any(t.type == "FLOAT32" for t in node.outputs)]
    between = [node.name for node in inner if node.name in EDGES]
    per_tensor = [node.name for node in graph.nodes if not _per_channel(node)]
    reasons = []
    if floats:
        reasons.append(f"computes in floating point: {_counted(floats)}")
    if between:
        reasons.append(f"requantizes between layers: {_counted(between)}")
    if per_tensor:
        reasons.append(f"one scale for all channels of the weights: {_counted(per_tensor)}")
    edges = (*graph.inputs, *graph.outputs)
    if not float_edges and any(tensor.type == "FLOAT32" for tensor in edges):
        reasons.append("input or output is floating point")
    return reasons


def _at_edge(node: Node, graph: Graph) -> bool:
    if node.name not in EDGES:
        return False
    edges = {tensor.index for tensor in (*graph.inputs, *graph.outputs)}
    return any(tensor.index in edges for tensor in (*node.activations, *node.outputs))


def _per_channel(node: Node) -> bool:
    """False for weights that share one scale though the layer has several channels."""
    if node.name not in WEIGHTED:
        return True
    weights: Tensor | None = node.inputs[1]
    if weights is None or not weights.constant:
        return True
    return len(weights.scale) == weights.shape[weights.channel_axis]


def edgetpu_reasons(graph: Graph) -> list[str]:
    """Why not all operators run on the Edge TPU; empty where they do."""
    return _left("Edge TPU", zip(graph.nodes, edgetpu_partition(graph)))


def gpu_reasons(graph: Graph) -> list[str]:
    """Why not all operators run on a GPU delegate; empty where they do."""
    return _left("GPU", ((node, gpu_obstacle(node, graph.stored)) for node in graph.nodes))


def _left(device: str, obstacles: Iterable[tuple[Node, str]]) -> list[str]:
    left = [(node, why) for node, why in obstacles if why]
    if not left:
        return []
    first, why = left[0]
    return [
        f"{len(left)} operators stay on the CPU beside the {device}: "
        f"{_counted(node.name for node, _ in left)}; the first is number {first.index}, "
        f"{first.name}: {why}"
    ]


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))

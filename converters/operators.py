"""The operators of a .tflite, one line each: `list_operators(model_bytes)`.

`edgeseg inspect` prints them, the manifest of `edgeseg convert` holds them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .flatgraph import COMPILED_OPERATOR, Graph, Node, read_graph
from .gpu_rules import gpu_obstacle
from .placement import edgetpu_partition


@dataclass(frozen=True)
class Operator:
    """One operator in execution order and where it would run.

    name: TFLite's builtin name, "CUSTOM" for a custom operator.
    edgetpu: the Edge TPU compiler maps it. gpu: a GPU delegate takes it.
    reason: what keeps it from either, with the mend; "" where nothing does.
    """

    index: int
    name: str
    version: int
    edgetpu: bool
    gpu: bool
    reason: str


def list_operators(model: bytes, *, origin: str = "model") -> list[Operator]:
    """All operators of a .tflite's bytes; ModelError for what is no complete TFLite model.

    The placement is a prediction: neither the device nor its compiler is needed.
    """
    return operators_of(read_graph(model, origin=origin))


def operators_of(graph: Graph) -> list[Operator]:
    """The operators of a graph that is read already."""
    return [
        _operator(node, edgetpu, gpu_obstacle(node, graph.stored))
        for node, edgetpu in zip(graph.nodes, edgetpu_partition(graph))
    ]


def _operator(node: Node, edgetpu: str, gpu: str) -> Operator:
    reasons = [f"Edge TPU: {edgetpu}" if edgetpu else "", f"GPU: {gpu}" if gpu else ""]
    if node.custom == COMPILED_OPERATOR:
        reasons = ["compiled for the Edge TPU, runs nowhere else"]
    return Operator(
        index=node.index,
        name=node.name,
        version=node.version,
        edgetpu=not edgetpu,
        gpu=not gpu,
        reason="; ".join(reason for reason in reasons if reason),
    )

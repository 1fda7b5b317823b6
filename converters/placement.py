"""Where each operator of a model would run, predicted without the device or its compiler."""

from __future__ import annotations

from collections.abc import Sequence

from .edgetpu_rules import edgetpu_obstacle
from .flatgraph import Graph, Node

BEHIND_THE_SPLIT = (
    "runs after an operator that stays on the CPU, and the compiler maps one partition only"
)


def edgetpu_partition(graph: Graph) -> list[str]:
    """Per operator "", where the Edge TPU compiler maps it, or why it does not.

    The compiler hands TFLite's delegate partitioning only the first partition of
    mappable operators: going through them in execution order, whatever needs the
    result of one that stays on the CPU is lost with it. Unmappable operators at
    the very beginning, such as the QUANTIZE of a float input, cost themselves only.
    """
    obstacles = [edgetpu_obstacle(node) for node in graph.nodes]
    partition = first_partition(graph.nodes, [not obstacle for obstacle in obstacles])
    return [
        obstacle or ("" if index in partition else BEHIND_THE_SPLIT)
        for index, obstacle in enumerate(obstacles)
    ]


def first_partition(nodes: Sequence[Node], mappable: Sequence[bool]) -> set[int]:
    """Indices of the operators in the first partition whose operators are all mappable.

    TFLite's rule: a partition takes every operator of one kind whose inputs are
    ready, the first operator that is ready decides the kind, and the next
    partition starts when nothing more fits.
    """
    remaining = list(range(len(nodes)))
    waiting = {tensor.index for node in nodes for tensor in node.outputs}
    while remaining:
        kind: bool | None = None
        members: set[int] = set()
        progress = True
        while progress:
            progress = False
            for index in list(remaining):
                node = nodes[index]
                if any(tensor.index in waiting for tensor in node.activations):
                    continue
                kind = mappable[index] if kind is None else kind
                if mappable[index] == kind:
                    members.add(index)
                    remaining.remove(index)
                    waiting -= {tensor.index for tensor in node.outputs}
                    progress = True
        if kind or not members:
            return members if kind else set()
    return set()

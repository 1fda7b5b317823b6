"""How a file's numbers are told: float, dynamic, integers, by hand-made graphs."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters.flatgraph import COMPILED_OPERATOR, Graph, Node, Tensor
from edgeseg.converters.inspection import _quantization, _weights


def tensor(index: int, kind: str, *scale: float, stored: bool = False) -> Tensor:
    data = np.zeros(4, np.uint8) if stored else None
    shape = (2, 1, 1, 2) if stored else (1, 4, 4, 2)
    return Tensor(index, f"t{index}", shape, False, kind, data, scale, (0,) * len(scale), 0)


def stored(index: int, kind: str, *scale: float) -> Tensor:
    return tensor(index, kind, *scale, stored=True)


def conv(index: int, source: Tensor, kernel: Tensor, bias: Tensor | None, result: Tensor) -> Node:
    return Node(index, "CONV_2D", "", 1, {}, (source, kernel, bias), (result,))


FLOAT = tensor(0, "FLOAT32"), stored(1, "FLOAT32"), stored(2, "FLOAT32"), tensor(3, "FLOAT32")
DYNAMIC = FLOAT[0], stored(1, "INT8", 0.1, 0.2), FLOAT[2], FLOAT[3]
INT8 = tensor(0, "INT8", 0.1), stored(1, "INT8", 0.1), stored(2, "INT32", 0.1), tensor(3, "INT8", 1)
INT16 = tensor(3, "INT16", 1), stored(4, "INT8", 0.1, 0.2), None, tensor(5, "INT16", 1)
# Its sizes are no weights.
RESHAPE = Node(1, "RESHAPE", "", 1, {}, (FLOAT[3], stored(4, "INT32")), (tensor(5, "FLOAT32"),))
HALF = tensor(6, "FLOAT32")
DEQUANTIZE = Node(0, "DEQUANTIZE", "", 1, {}, (stored(7, "FLOAT16"),), (HALF,))
ADD = Node(0, "ADD", "", 1, {}, (INT8[0], INT8[3]), (tensor(8, "INT8", 1),))
COMPILED = Node(0, "CUSTOM", COMPILED_OPERATOR, 1, {}, (INT8[0],), (INT8[3],))

FLOATS = "computes in floating point: 1 CONV_2D"
ONE_SCALE = "one scale for all channels of the weights: 1 CONV_2D"


@pytest.mark.parametrize(
    ("nodes", "scheme", "weights", "activations", "per_channel", "reasons"),
    [
        (
            (conv(0, *FLOAT), RESHAPE),
            "float32",
            {"FLOAT32": 2},
            {"FLOAT32": 1},
            None,
            [f"{FLOATS}, 1 RESHAPE", ONE_SCALE],
        ),
        (
            (conv(0, *DYNAMIC),),
            "dynamic",
            {"FLOAT32": 1, "INT8": 1},
            {"FLOAT32": 1},
            True,
            [FLOATS],
        ),
        ((conv(0, *INT8),), "int8", {"INT32": 1, "INT8": 1}, {"INT8": 1}, False, [ONE_SCALE]),
        (
            (conv(0, *INT8), conv(1, *INT16)),
            "int16+int8",
            {"INT32": 1, "INT8": 2},
            {"INT16": 1, "INT8": 1},
            True,
            [ONE_SCALE],
        ),
        (
            (DEQUANTIZE, conv(1, FLOAT[0], HALF, None, FLOAT[3])),
            "float16",
            {"FLOAT16": 1},
            {"FLOAT32": 1},
            None,
            [f"{FLOATS}, 1 DEQUANTIZE", "requantizes between layers: 1 DEQUANTIZE"],
        ),
        ((ADD,), "none", {}, {}, None, []),
        ((COMPILED,), "edgetpu", {}, {}, None, []),
    ],
)
def test_by_hand(nodes, scheme, weights, activations, per_channel, reasons) -> None:
    graph = Graph(nodes, (nodes[0].inputs[0],), nodes[-1].outputs, 1, "")
    found = _quantization(graph, _weights(graph))
    assert found == {
        "scheme": scheme,
        "weights": weights,
        "activations": activations,
        "per_channel": per_channel,
        "not_integer_because": reasons,
    }

"""Multiply-adds by hand, operator by operator."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters.flatgraph import COMPILED_OPERATOR, Node, Tensor
from edgeseg.converters.macs import multiply_adds


def tensor(*shape, stored=False):
    data = np.zeros(1, np.uint8) if stored else None
    return Tensor(0, "t", shape, False, "INT8", data, (0.1,), (0,), 0)


def node(name, inputs, output, *, custom="", **options):
    return Node(0, name, custom, 1, options, tuple(inputs), (output,))


def kernel(*shape):
    return tensor(*shape, stored=True)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        # 3x3 from 3 to 8 channels at 16x10 places.
        (
            node("CONV_2D", [tensor(1, 32, 20, 3), kernel(8, 3, 3, 3), None], tensor(1, 16, 10, 8)),
            16 * 10 * 3 * 3 * 3 * 8,
        ),
        (
            node("DEPTHWISE_CONV_2D", [tensor(1, 9, 9, 6), kernel(1, 3, 3, 6)], tensor(1, 9, 9, 6)),
            9 * 9 * 3 * 3 * 6,
        ),
        # Every input pixel is spread over 2x2 places.
        (
            node(
                "TRANSPOSE_CONV",
                [kernel(4), kernel(5, 2, 2, 7), tensor(1, 4, 6, 7)],
                tensor(1, 8, 12, 5),
            ),
            4 * 6 * 2 * 2 * 7 * 5,
        ),
        (
            node(
                "CUSTOM",
                [tensor(1, 4, 6, 7), kernel(5, 2, 2, 7), kernel(5)],
                tensor(1, 8, 12, 5),
                custom="Convolution2DTransposeBias",
            ),
            4 * 6 * 2 * 2 * 7 * 5,
        ),
        (node("FULLY_CONNECTED", [tensor(2, 12), kernel(5, 12)], tensor(2, 5)), 2 * 12 * 5),
        (node("BATCH_MATMUL", [tensor(2, 3, 4), tensor(2, 4, 5)], tensor(2, 3, 5)), 2 * 3 * 4 * 5),
        (
            node("BATCH_MATMUL", [tensor(2, 4, 3), tensor(2, 4, 5)], tensor(2, 3, 5), adjX=True),
            2 * 3 * 4 * 5,
        ),
        # 28 steps of four gates: 28 inputs and 20 states each.
        (
            node(
                "UNIDIRECTIONAL_SEQUENCE_LSTM",
                [tensor(1, 28, 28), *[kernel(20, 28)] * 4, *[kernel(20, 20)] * 4, kernel(20)],
                tensor(1, 28, 20),
            ),
            28 * 4 * 20 * (28 + 20),
        ),
        (node("ADD", [tensor(1, 8, 8, 4), tensor(1, 8, 8, 4)], tensor(1, 8, 8, 4)), 0),
        (node("CUSTOM", [tensor(1, 8)], tensor(1, 8), custom=COMPILED_OPERATOR), None),
    ],
)
def test_by_hand(operator, expected):
    assert multiply_adds(operator) == expected

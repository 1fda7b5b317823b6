"""The static check of the GPU delegates: what it says of operators that they leave to the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters.flatgraph import Node, Tensor
from edgeseg.converters.gpu_rules import gpu_obstacle

STORED = frozenset({1})


def tensor(index, kind):
    data = np.zeros(64, np.uint8) if index in STORED else None
    return Tensor(index, f"t{index}", (1, 8, 8, 4), False, kind, data, (), (), 0)


@pytest.mark.parametrize(
    ("version", "kind", "said"),
    [
        (5, "FLOAT32", ""),
        (6, "FLOAT32", "version 6 is above 5: use one group"),
        (6, "INT8", "version 6 is above 5: convert in float16"),
    ],
)
def test_the_mend_of_a_newer_convolution_fits_its_type(version, kind, said):
    ends = tensor(0, kind), tensor(2, kind)
    node = Node(0, "CONV_2D", "", version, {}, (ends[0], tensor(1, kind)), (ends[1],))
    assert gpu_obstacle(node, STORED) == said

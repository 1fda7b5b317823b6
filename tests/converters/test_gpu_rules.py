"""The static check of the GPU delegates: what it says of operators that they leave to the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters.flatgraph import Node, Tensor
from edgeseg.converters.gpu_rules import gpu_obstacle

STORED = frozenset({1})


def tensor(index, kind="FLOAT32", *, shape=(1, 8, 8, 4), dynamic=False):
    data = np.zeros(64, np.uint8) if index in STORED else None
    return Tensor(index, f"t{index}", shape, dynamic, kind, data, (), (), 0)


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


def said_of(name, *inputs, result=None, custom="", version=1):
    result = result or tensor(9)
    return gpu_obstacle(
        Node(0, name, custom, version, {}, inputs or (tensor(0),), (result,)), STORED
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (said_of("RELU"), ""),
        (said_of("RELU", tensor(0, "INT8"), result=tensor(9, "FLOAT16")), ""),
        (said_of("RELU", tensor(0, "INT16")), "works on INT16 data, expected one of FLOAT32"),
        (said_of("RELU", result=tensor(9, "INT64")), "works on INT64 data"),
        (said_of("RELU", tensor(0, dynamic=True)), "a size is known only when run"),
        (said_of("RELU", tensor(0, shape=(1, 1, 8, 8, 4))), "has over 4 dimensions"),
        (said_of("RELU", tensor(0, shape=(2, 8, 8, 4))), "has a batch of 2, expected 1"),
        (said_of("RELU", tensor(0, shape=(8, 8, 4)), result=tensor(9, shape=(8, 8, 4))), ""),
        (said_of("RELU", version=2), ""),
        (said_of("RELU", version=3), "version 3 is above 2: convert in float16"),
        (said_of("NEG"), "NEG is not supported"),
        (said_of("CUSTOM", custom="MaxUnpooling2D"), ""),
        (said_of("CUSTOM", custom="Mine"), "custom operator Mine is not supported"),
        # Weights are in the file; what is added may be computed, and be of any type in the file.
        (said_of("CONV_2D", tensor(0), tensor(1, "FLOAT64")), ""),
        (said_of("CONV_2D", tensor(0), tensor(2)), "weights are computed"),
        (said_of("FULLY_CONNECTED", tensor(0), tensor(2)), "weights are computed"),
        (said_of("ADD", tensor(0), tensor(2)), ""),
    ],
)
def test_what_a_gpu_leaves_to_the_cpu(found, said):
    assert (found == "") == (said == "")
    assert said in found

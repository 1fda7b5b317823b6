"""The Edge TPU checker against what the compiler really did."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from edgeseg.converters.edgetpu_rules import edgetpu_obstacle
from edgeseg.converters.flatgraph import COMPILED_OPERATOR, Graph, Node, Tensor, read_graph
from edgeseg.converters.gpu_rules import gpu_obstacle
from edgeseg.converters.operators import list_operators
from edgeseg.converters.placement import BEHIND_THE_SPLIT, edgetpu_partition


def tensor(index, *, shape=(1, 8, 8, 4), kind="INT8", values=None, dynamic=False):
    data = None if values is None else np.frombuffer(np.asarray(values).tobytes(), np.uint8)
    return Tensor(index, f"t{index}", shape, dynamic, kind, data, (0.1,), (0,), 0)


def node(index, name, source, result, *, extra=(), version=1, **options):
    return Node(index, name, "", version, options, (source, *extra), (result,))


def graph(*nodes):
    return Graph(nodes, nodes[0].activations, nodes[-1].outputs, 1, "")


def resize_to(side, source=8):
    size = tensor(90, shape=(2,), kind="INT32", values=np.int32([side, side]))
    before = tensor(0, shape=(1, source, source, 4))
    return node(0, "RESIZE_BILINEAR", before, tensor(1, shape=(1, side, side, 4)), extra=(size,))


def test_verdict_agrees_with_every_compiled_pair(data_root):
    folder = data_root / "edgetpu"
    compiled = sorted(folder.glob("*_edgetpu.tflite"))
    assert compiled, f"no pairs in {folder}"
    for path in compiled:
        source = path.with_name(path.name.replace("_edgetpu", ""))
        stayed = [n for n in read_graph(path.read_bytes()).nodes if n.custom != COMPILED_OPERATOR]
        operators = list_operators(source.read_bytes())
        predicted = [(op.name, op.version) for op in operators if not op.edgetpu]
        assert predicted == [(n.name, n.version) for n in stayed], path.name


def test_an_operator_within_the_model_is_not_left_to_the_code_after_it():
    inner = node(0, "NEG", tensor(0), tensor(1))
    assert edgetpu_obstacle(inner).startswith("NEG is not supported: build the model without it")
    assert gpu_obstacle(inner, frozenset()).startswith("NEG is not supported: build the model")


def test_names_are_the_builtin_ones(data_root):
    path = data_root / "edgetpu" / "mobilenet_v1_0.25_128_quant.tflite"
    operators = list_operators(path.read_bytes())
    assert Counter(op.name for op in operators) == {
        "CONV_2D": 15,
        "DEPTHWISE_CONV_2D": 13,
        "AVERAGE_POOL_2D": 1,
        "RESHAPE": 1,
        "SOFTMAX": 1,
    }
    assert [op.index for op in operators] == list(range(31))
    assert all(op.edgetpu and op.gpu and not op.reason for op in operators)


def test_a_compiled_model_is_named_as_such(data_root):
    path = data_root / "edgetpu" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    assert read_graph(path.read_bytes()).compiled
    (operator,) = list_operators(path.read_bytes())
    assert operator.name == "CUSTOM"
    assert operator.edgetpu
    assert not operator.gpu


def test_everything_that_needs_an_unmapped_operator_stays_with_it():
    a, b, c, d, e = (tensor(index) for index in range(5))
    reasons = edgetpu_partition(
        graph(
            node(0, "LOGISTIC", a, b),
            node(1, "LEAKY_RELU", b, c),
            node(2, "LOGISTIC", c, d),
            node(3, "TANH", d, e),
        )
    )
    assert reasons[0] == ""
    assert "LEAKY_RELU is not supported" in reasons[1]
    assert reasons[2:] == [BEHIND_THE_SPLIT, BEHIND_THE_SPLIT]


def test_a_float_input_costs_only_its_own_quantize():
    source = tensor(0, kind="FLOAT32")
    a, b, c = (tensor(index) for index in range(1, 4))
    result = tensor(4, kind="FLOAT32")
    reasons = edgetpu_partition(
        graph(
            node(0, "QUANTIZE", source, a),
            node(1, "LOGISTIC", a, b),
            node(2, "TANH", b, c),
            node(3, "DEQUANTIZE", c, result),
        )
    )
    assert "FLOAT32" in reasons[0]
    assert reasons[1:3] == ["", ""]
    assert "quantized outputs" in reasons[3]


@pytest.mark.parametrize(("side", "mapped"), [(16, True), (128, True), (256, False), (513, False)])
def test_resizing_is_mapped_up_to_a_limit(side, mapped):
    assert (edgetpu_obstacle(resize_to(side)) == "") == mapped


@pytest.mark.parametrize(
    ("source", "result", "mapped"),
    [
        ((1, 1, 1, 10), (10,), True),
        ((1, 1, 5, 10), (1, 5, 10), True),
        ((1, 5, 1, 10), (1, 5, 10), False),
        ((1, 5, 10, 1), (5, 10), False),
    ],
)
def test_squeezing_takes_off_leading_sizes_only(source, result, mapped):
    squeeze = node(0, "SQUEEZE", tensor(0, shape=source), tensor(1, shape=result))
    assert (edgetpu_obstacle(squeeze) == "") == mapped


def test_resizing_a_single_pixel_is_refused():
    assert "single pixel" in edgetpu_obstacle(resize_to(33, source=1))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            {"version": 6},
            "version 6 is not known to the compiler, which takes up to 5: use one group",
        ),
        ({"options": {"dilationWFactor": 2, "dilationHFactor": 1}}, "dilation differs"),
        ({"inputs": (tensor(0), tensor(1), None)}, "computed"),
        ({"outputs": (tensor(5, dynamic=True),)}, "fixed input size"),
        ({"outputs": (tensor(5, shape=(2, 8, 8, 4)),)}, "batch of 1"),
        ({"outputs": (tensor(5, kind="INT16"),)}, "INT16"),
        ({"name": "ARG_MAX"}, "argmax afterwards"),
    ],
)
def test_reasons_name_what_is_wrong(broken, reason):
    weights = tensor(1, shape=(4, 1, 1, 4), values=np.zeros((4, 1, 1, 4), np.int8))
    good = Node(0, "CONV_2D", "", 3, {}, (tensor(0), weights, None), (tensor(5),))
    assert edgetpu_obstacle(good) == ""
    assert reason in edgetpu_obstacle(dataclasses.replace(good, **broken))


def test_concatenation_limits():
    zeros = tensor(1, values=np.zeros((1, 8, 8, 4), np.int8))
    ones = tensor(1, values=np.ones((1, 8, 8, 4), np.int8))
    joined = tensor(2, shape=(1, 8, 8, 8))
    assert (
        edgetpu_obstacle(node(0, "CONCATENATION", tensor(0), joined, extra=(zeros,), axis=3)) == ""
    )
    refused = node(0, "CONCATENATION", tensor(0), joined, extra=(ones,), axis=3)
    assert "not all zero" in edgetpu_obstacle(refused)
    fused = node(
        0, "CONCATENATION", tensor(0), joined, extra=(tensor(3),), axis=3, fusedActivationFunction=1
    )
    assert "fused" in edgetpu_obstacle(fused)


def constant(*values, shape=None):
    """A constant of whole numbers."""
    return tensor(80, shape=shape or (len(values),), kind="INT32", values=np.int32(values))


PICTURE, PIXELS = tensor(0, shape=(1, 8, 6, 4)), tensor(0, shape=(1, 4))
COMPUTED = tensor(81, shape=(2,))
WEIGHTS = tensor(82, shape=(3, 4), values=np.zeros((3, 4), np.int8))


def verdict(name, source, result, *extra, **options):
    """What is said of an operator from a tensor to one of the shape `result`."""
    return edgetpu_obstacle(node(0, name, source, tensor(1, shape=result), extra=extra, **options))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (verdict("MAX_POOL_2D", PICTURE, (1, 4, 3, 4)), ""),
        (verdict("MAX_POOL_2D", PICTURE, (1, 4, 3, 4), fusedActivationFunction=1), "fused"),
        (verdict("AVERAGE_POOL_2D", PICTURE, (1, 4, 3, 4), fusedActivationFunction=1), "fused"),
        (verdict("FULLY_CONNECTED", PIXELS, (1, 3), WEIGHTS), ""),
        (verdict("FULLY_CONNECTED", PIXELS, (1, 3), COMPUTED), "weights or bias are computed"),
        (verdict("FULLY_CONNECTED", PIXELS, (1, 3), WEIGHTS, COMPUTED), "bias are computed"),
        (verdict("FULLY_CONNECTED", PIXELS, (1, 3), WEIGHTS, weightsFormat=1), "shuffled"),
        (verdict("FULLY_CONNECTED", PIXELS, (2, 3), WEIGHTS), "more than one dimension"),
        (verdict("CONCATENATION", PICTURE, (1, 8, 6, 8), PICTURE, axis=-1), ""),
        (verdict("CONCATENATION", PICTURE, (1, 8, 6, 8), PICTURE, axis=0), "joins along the batch"),
        (verdict("CONCATENATION", PICTURE, (1, 8, 6, 8), PICTURE, axis=-4), "along the batch"),
        (verdict("CONCATENATION", tensor(0, shape=(4,)), (8,), tensor(2, shape=(4,)), axis=0), ""),
        (verdict("REDUCE_MAX", PICTURE, (1, 4), constant(1, 2)), ""),
        (verdict("REDUCE_MAX", PICTURE, (1, 4), COMPUTED), "axes are computed"),
        (verdict("SUM", PICTURE, (8, 6, 4), constant(0)), "reduces the batch"),
        (verdict("SUM", PICTURE, (8, 6, 4), constant(2, -4)), "reduces the batch"),
        (verdict("SUM", tensor(0, shape=(4,)), (1,), constant(0)), ""),
        (verdict("MEAN", PICTURE, (1, 4), COMPUTED), "axes are computed"),
        (verdict("MEAN", PICTURE, (1, 8, 6), constant(3)), ""),
        (verdict("MEAN", tensor(0, shape=(1, 8, 6, 6)), (1, 8, 6), constant(-1)), "multiple of 4"),
        (verdict("MEAN", tensor(0, shape=(1, 8, 6, 6)), (1, 6), constant(1, 2)), ""),
        (verdict("MEAN", tensor(0, shape=(1, 128, 128, 4)), (1, 4), constant(1, 2)), ""),
        (verdict("MEAN", tensor(0, shape=(1, 128, 129, 4)), (1, 4), constant(1, 2)), "two steps"),
        (verdict("MEAN", tensor(0, shape=(1, 128, 129, 4)), (1, 128, 4), constant(2)), ""),
        (verdict("PAD", PICTURE, (1, 9, 7, 4), constant(0, 0, 0, 1, 1, 0, 0, 0, shape=(4, 2))), ""),
        (verdict("PAD", PICTURE, (1, 8, 6, 4), constant(0, 1, *[0] * 6, shape=(4, 2))), "batch"),
        (verdict("PAD", tensor(0, shape=(4,)), (6,), constant(1, 1, shape=(1, 2))), ""),
        (verdict("PAD", PICTURE, (1, 9, 7, 4), COMPUTED), "padding is computed"),
        (verdict("SOFTMAX", PIXELS, (1, 4)), ""),
        (verdict("SOFTMAX", PICTURE, (1, 8, 6, 4)), "is taken at 48 places"),
        (verdict("SOFTMAX", tensor(0, shape=(2, 1, 4)), (2, 1, 4)), "is taken at 2 places"),
        (verdict("SOFTMAX", tensor(0, shape=(1, 16_000)), (1, 16_000)), ""),
        (verdict("SOFTMAX", tensor(0, shape=(1, 16_001)), (1, 16_001)), "has 16001 classes"),
        (verdict("SPLIT", constant(3, shape=()), (1, 8, 6, 2), PICTURE), ""),
        (verdict("SPLIT", constant(-4, shape=()), (1, 8, 6, 2), PICTURE), "splits the batch"),
        (verdict("SPLIT", COMPUTED, (1, 8, 6, 2), PICTURE), "axis is computed"),
        (verdict("PACK", PIXELS, (1, 2, 4), PIXELS, axis=1), ""),
        (verdict("PACK", PIXELS, (2, 1, 4), PIXELS, axis=0), "packs along the batch"),
        (verdict("PACK", PIXELS, (2, 1, 4), PIXELS, axis=-3), "packs along the batch"),
        (verdict("PRELU", PICTURE, (1, 8, 6, 4), constant(*range(4), shape=(1, 1, 4))), ""),
        (verdict("PRELU", PICTURE, (1, 8, 6, 4), constant(*range(24), shape=(1, 6, 4))), "alpha"),
        (verdict("PRELU", PICTURE, (1, 8, 6, 4), COMPUTED), "alpha varies"),
        (verdict("RESIZE_BILINEAR", PICTURE, (1, 9, 9, 4), COMPUTED), "size is computed"),
        (verdict("RESIZE_NEAREST_NEIGHBOR", PICTURE, (1, 8, 129, 4), constant(8, 129)), "129x8"),
        (verdict("RESIZE_NEAREST_NEIGHBOR", PICTURE, (1, 129, 8, 4), constant(129, 8)), "8x129"),
    ],
)  # fmt: skip
def test_limits_of_single_operators(found, reason):
    """Coral's known limitations, on either side of each."""
    assert (found == "") == (reason == "")
    assert reason in found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"strides": (1, 2)}, "a stride other than 1"),
        ({"ellipsisMask": 1}, "ellipsis"),
        ({"newAxisMask": 2}, "new axis"),
        ({"begin": None}, "computed"),
        ({"end": None}, "computed"),
        ({"strides": None}, "computed"),
    ],
)
def test_limits_of_slices(changes, reason):
    chosen = {"begin": (0, 1), "end": (1, 3), "strides": (1, 1), **changes}
    places = [chosen.pop(name) for name in ("begin", "end", "strides")]
    extra = [COMPUTED if place is None else constant(*place) for place in places]
    found = verdict("STRIDED_SLICE", PIXELS, (1, 2), *extra, **chosen)
    assert (found == "") == (reason == "")
    assert reason in found


def test_limits_of_transposed_convolutions():
    size, weights = constant(1, 16, 12, 4), tensor(2, shape=(4, 2, 2, 4), values=np.zeros(64, "i1"))
    for first, second, reason in (
        (size, weights, ""),
        (COMPUTED, weights, "output size is computed"),
        (size, tensor(2, shape=(1, 2, 2, 4)), "weights are computed"),
    ):
        found = verdict("TRANSPOSE_CONV", first, (1, 16, 12, 4), second, PICTURE)
        assert (found == "") == (reason == "")
        assert reason in found


def test_a_constant_is_joined_to_one_other_input_only():
    zeros = tensor(1, values=np.zeros((1, 8, 8, 4), np.int8))
    three = node(0, "CONCATENATION", tensor(0), tensor(3), extra=(tensor(2), zeros), axis=3)
    assert "more than two inputs" in edgetpu_obstacle(three)
    lone = np.zeros((1, 8, 8, 4), np.int8)
    lone[0, 7, 7, 3] = 1
    two = node(0, "CONCATENATION", tensor(0), tensor(3), extra=(tensor(1, values=lone),), axis=3)
    assert "not all zero" in edgetpu_obstacle(two)
    # What is zero is what the zero point says.
    shifted = dataclasses.replace(zeros, zero_point=(-3,))
    two = node(0, "CONCATENATION", tensor(0), tensor(3), extra=(shifted,), axis=3)
    assert "not all zero" in edgetpu_obstacle(two)
    threes = tensor(1, values=np.full((1, 8, 8, 4), -3, np.int8))
    two = node(
        0, "CONCATENATION", tensor(0), tensor(3),
        extra=(dataclasses.replace(threes, zero_point=(-3,)),), axis=3,
    )  # fmt: skip
    assert edgetpu_obstacle(two) == ""

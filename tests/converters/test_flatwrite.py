"""What is changed in a model's file, and what is read of files of several ages."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from edgeseg.converters.flatgraph import Graph, Node, Tensor, read_graph
from edgeseg.converters.flatwrite import _batch_alone_is_open, pack, unpack, with_metadata

from edgeseg.runtime.assets import resolve

pytest.importorskip("flatbuffers", reason="needs the extra convert")


@pytest.fixture(scope="module")
def person() -> bytes:
    return resolve("person").read_bytes()


def metadata(model: bytes) -> dict[bytes, bytes]:
    root = unpack(model)
    return {
        entry.name: bytes(np.asarray(root.buffers[entry.buffer].data, np.uint8))
        for entry in root.metadata or []
    }


def test_metadata_is_added_or_replaced_and_the_rest_kept(person: bytes) -> None:
    root = unpack(person)
    root.metadata = None
    bare = pack(root)
    one = with_metadata(bare, "ONE", b"first")
    both = with_metadata(one, "OTHER", b"second")
    assert metadata(both) == {b"ONE": b"first", b"OTHER": b"second"}
    assert metadata(with_metadata(both, "ONE", b"third")) == {b"ONE": b"third", b"OTHER": b"second"}
    assert len(read_graph(both).nodes) == len(read_graph(person).nodes)


@pytest.mark.parametrize(
    ("shape", "signature", "alone"),
    [
        ([1, 64, 96, 3], [-1, 64, 96, 3], True),
        ([1, 64, 96, 3], [-1, -1, 96, 3], False),
        ([2, 64, 96, 3], [-1, 64, 96, 3], False),
        ([1, 64, 96, 3], [1, 64, 96, 3], False),
        ([1], [-1], True),
        ([], [], False),
        ([1, 64], None, False),
    ],
)
def test_only_a_batch_of_one_is_closed(shape, signature, alone: bool) -> None:
    tensor = SimpleNamespace(shape=shape, shapeSignature=signature)
    assert _batch_alone_is_open(tensor) is alone


@pytest.mark.parametrize("field", ["builtinCode", "deprecatedBuiltinCode"])
def test_operators_are_told_by_either_code(person: bytes, field: str) -> None:
    """Files of before 2020 have the old code alone; both are 0 where they are not written."""
    root = unpack(person)
    for code in root.operatorCodes:
        setattr(code, field, 0)
    names = [node.name for node in read_graph(pack(root)).nodes]
    assert names == [node.name for node in read_graph(person).nodes]
    assert {"CONV_2D", "ADD"} <= set(names)


def test_what_is_stored_are_constants_and_their_widened_copies() -> None:
    def tensor(index: int, *, constant: bool = False) -> Tensor:
        data = np.zeros(2, np.uint8) if constant else None
        return Tensor(index, f"t{index}", (2,), False, "FLOAT16", data, (), (), 0)

    image, kernel, wide, half, result = (tensor(i, constant=i == 1) for i in range(5))
    nodes = (
        Node(0, "DEQUANTIZE", "", 1, {}, (kernel,), (wide,)),
        Node(1, "DEQUANTIZE", "", 1, {}, (image,), (half,)),
        Node(2, "CONV_2D", "", 1, {}, (half, wide, None), (result,)),
    )
    assert Graph(nodes, (image,), (result,), 1, "").stored == {1, 2}

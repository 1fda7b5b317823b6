"""A .tflite file as plain dataclasses, read with the schema that the interpreter's package ships.

No tensorflow is needed: `edgeseg inspect` runs with the base install.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from edgeseg.errors import ModelError
from edgeseg.spec import check_flatbuffer, flatbuffer

from .schema import schema_module, unpack

COMPILED_OPERATOR = "edgetpu-custom-op"


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph.

    shape: sizes; () for a scalar. dynamic: True where a size is known only when run.
    type: "INT8", "FLOAT32" and so on. data: raw bytes of a constant, else None.
    scale, zero_point: one each, or one per channel of axis `channel_axis`.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dynamic: bool
    type: str
    data: np.ndarray | None
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    channel_axis: int

    @property
    def constant(self) -> bool:
        """True where the file holds the values."""
        return self.data is not None

    @cached_property
    def values(self) -> np.ndarray:
        """A constant's values in its shape; ModelError for a type without a numpy one."""
        if self.data is None or self.type not in NUMPY_TYPES:
            raise ModelError(f"tensor {self.name!r}: got no constant of a plain type")
        values = np.frombuffer(self.data.tobytes(), NUMPY_TYPES[self.type])
        if values.size != np.prod(self.shape, dtype=int):
            raise ModelError(
                f"tensor {self.name!r}: got {values.size} values, expected shape {self.shape}"
            )
        return values.reshape(self.shape)


NUMPY_TYPES: Mapping[str, Any] = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


@dataclass(frozen=True)
class Node:
    """One operator in execution order.

    name: TFLite's builtin name, such as "CONV_2D"; "CUSTOM" with `custom` set to
        its own name. inputs: None stands for an optional input that is left out.
    options: the builtin options by their names in the schema.
    """

    index: int
    name: str
    custom: str
    version: int
    options: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Inputs that are computed, not stored in the file."""
        return tuple(t for t in self.inputs if t is not None and not t.constant)


@dataclass(frozen=True)
class Graph:
    """The first subgraph of a model, the one that runs."""

    nodes: tuple[Node, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    subgraphs: int
    description: str

    @property
    def compiled(self) -> bool:
        """True for the Edge TPU compiler's output."""
        return any(node.custom == COMPILED_OPERATOR for node in self.nodes)

    @cached_property
    def stored(self) -> frozenset[int]:
        """Tensors whose values the file holds: constants, and float16 ones made float32."""
        widened = (node for node in self.nodes if node.name == "DEQUANTIZE")
        return frozenset(
            tensor.index
            for node in self.nodes
            for tensor in node.inputs
            if tensor is not None and tensor.constant
        ) | frozenset(node.outputs[0].index for node in widened if not node.activations)


def read_graph(model: bytes, *, origin: str = "model") -> Graph:
    """Read a .tflite's bytes. ModelError for what is empty, truncated or no TFLite model."""
    check_flatbuffer(model, origin=origin)
    schema = schema_module()
    try:
        return _graph(schema, unpack(flatbuffer(model)))
    # Offsets of a damaged file point anywhere, so that reading it fails in any way.
    except Exception as error:
        raise ModelError(
            f"{origin}: got a truncated or damaged TFLite model "
            f"({type(error).__name__}: {error}), expected a complete file"
        ) from None


def _graph(schema: ModuleType, root: Any) -> Graph:
    types = {number: name for name, number in vars(schema.TensorType).items()}
    builtins = {number: name for name, number in vars(schema.BuiltinOperator).items()}
    subgraph = root.subgraphs[0]
    tensors = [
        _tensor(index, tensor, types, root.buffers) for index, tensor in enumerate(subgraph.tensors)
    ]

    def pick(indices: Any) -> tuple[Tensor, ...]:
        return tuple(tensors[index] for index in _numbers(indices))

    nodes = []
    for index, operator in enumerate(_list(subgraph.operators)):
        code = root.operatorCodes[operator.opcodeIndex]
        nodes.append(
            Node(
                index=index,
                name=builtins[max(code.builtinCode, code.deprecatedBuiltinCode)],
                custom=(code.customCode or b"").decode("utf-8", "replace"),
                version=code.version,
                options=vars(operator.builtinOptions) if operator.builtinOptions else {},
                inputs=tuple(tensors[i] if i >= 0 else None for i in _numbers(operator.inputs)),
                outputs=pick(operator.outputs),
            )
        )
    return Graph(
        nodes=tuple(nodes),
        inputs=pick(subgraph.inputs),
        outputs=pick(subgraph.outputs),
        subgraphs=len(root.subgraphs),
        description=(root.description or b"").decode("utf-8", "replace"),
    )


def _tensor(index: int, tensor: Any, types: Mapping[int, str], buffers: Any) -> Tensor:
    quantization = tensor.quantization
    data = buffers[tensor.buffer].data
    return Tensor(
        index=index,
        name=(tensor.name or b"").decode("utf-8", "replace"),
        shape=tuple(_numbers(tensor.shape)),
        dynamic=any(size < 0 for size in _numbers(tensor.shapeSignature)),
        type=types[tensor.type],
        # An empty buffer stands for "computed": compiled models write it so.
        data=np.asarray(data, np.uint8) if data is not None and len(data) else None,
        scale=tuple(float(x) for x in _list(quantization.scale)) if quantization else (),
        zero_point=tuple(_numbers(quantization.zeroPoint)) if quantization else (),
        channel_axis=quantization.quantizedDimension if quantization else 0,
    )


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _numbers(values: Any) -> list[int]:
    return [int(value) for value in _list(values)]

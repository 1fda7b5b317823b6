"""Changing a .tflite's flatbuffer: constants stay aligned as the runtimes want them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseg.errors import require

from .schema import schema_module, unpack

# What the schema demands of every buffer ("force_align: 16").
ALIGNMENT = 16
IDENTIFIER = b"TFL3"


def pack(root: Any) -> bytes:
    """A flatbuffer of a schema object, the same for equal objects."""
    flatbuffers = require("flatbuffers", extra="convert")
    builder = flatbuffers.Builder(1 << 20)
    root.buffers = [_aligned(buffer) for buffer in root.buffers]
    builder.Finish(root.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _aligned(buffer: Any) -> Any:
    """The buffer with its bytes at a multiple of 16: numpy vectors are packed unaligned."""
    schema = schema_module()

    class Aligned(schema.BufferT):  # type: ignore[name-defined]
        def Pack(self, builder: Any) -> Any:
            vector = _vector(builder, self.data)
            schema.BufferStart(builder)
            if vector is not None:
                schema.BufferAddData(builder, vector)
            return schema.BufferEnd(builder)

    aligned = Aligned()
    aligned.data = buffer.data
    return aligned


def _vector(builder: Any, data: Any) -> Any:
    if data is None or not len(data):
        return None
    values = np.asarray(data, np.uint8).tobytes()
    builder.StartVector(1, len(values), ALIGNMENT)
    builder.head = builder.Head() - len(values)
    builder.Bytes[builder.Head() : builder.Head() + len(values)] = values
    return builder.EndVector()


def with_signature(model: bytes, key: str) -> bytes:
    """The model with one signature over all inputs and outputs, where it has none."""
    schema, root = schema_module(), unpack(model)
    if root.signatureDefs:
        return model
    graph = root.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey = key
    signature.subgraphIndex = 0
    signature.inputs = [_named(schema, graph, index) for index in graph.inputs]
    signature.outputs = [_named(schema, graph, index) for index in graph.outputs]
    root.signatureDefs = [signature]
    return pack(root)


def _named(schema: Any, graph: Any, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = graph.tensors[index].name, int(index)
    return entry


def with_static_batch(model: bytes) -> bytes:
    """The model with a batch that is 1 already declared so, instead of as any number."""
    root = unpack(model)
    tensors = [tensor for graph in root.subgraphs for tensor in graph.tensors]
    opened = [tensor for tensor in tensors if _batch_alone_is_open(tensor)]
    for tensor in opened:
        tensor.shapeSignature = None
    return pack(root) if opened else model


def _batch_alone_is_open(tensor: Any) -> bool:
    if tensor.shapeSignature is None or tensor.shape is None:
        return False
    shape, signature = list(tensor.shape), list(tensor.shapeSignature)
    return signature[:1] == [-1] and shape == [1, *signature[1:]]


def with_metadata(model: bytes, name: str, data: bytes) -> bytes:
    """The model with a named metadata buffer, replacing one of that name."""
    schema, root = schema_module(), unpack(model)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry.name, entry.buffer = name, len(root.buffers)
    kept = [old for old in root.metadata or [] if old.name != name.encode()]
    root.buffers.append(buffer)
    root.metadata = [*kept, entry]
    return pack(root)

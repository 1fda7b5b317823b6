"""TFLite's flatbuffer schema, as the interpreter's package ships it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from edgeseg.errors import MissingExtra

MODULES = ("ai_edge_litert.schema_py_generated", "tensorflow.lite.python.schema_py_generated")


def schema_module() -> ModuleType:
    """The schema as Python classes; MissingExtra where no package has it."""
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise MissingExtra("reading a model's operators needs ai-edge-litert: pip install edgeseg")


def unpack(model: bytes) -> Any:
    """The schema's object of a flatbuffer, all constants inside its buffers.

    A buffer may lie behind the flatbuffer, at an offset from the file's start:
    ai-edge-quantizer writes most of them so.
    """
    schema = schema_module()
    root = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    for buffer in root.buffers:
        # 0 and 1 stand for "no offset".
        if buffer.offset > 1:
            data = model[buffer.offset : buffer.offset + buffer.size]
            if len(data) < buffer.size:
                raise ValueError(f"a constant of {buffer.size} bytes lies behind the end")
            buffer.data = np.frombuffer(data, np.uint8)
            buffer.offset = buffer.size = 0
    return root

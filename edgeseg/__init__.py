"""Edge-ready video segmentation. The public names; importing them brings no tensorflow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import (
        DelegateError,
        EdgesegError,
        InputError,
        MissingExtra,
        ModelError,
        SinkError,
        SourceError,
    )
    from .runtime.boxes import Box, boxes
    from .runtime.segmenter import Segmenter
    from .spec import ModelSpec

# Loaded at first use: `edgeseg --help` needs neither OpenCV nor an interpreter.
_HOMES = {
    "Box": "runtime.boxes",
    "DelegateError": "errors",
    "EdgesegError": "errors",
    "InputError": "errors",
    "MissingExtra": "errors",
    "ModelError": "errors",
    "ModelSpec": "spec",
    "Segmenter": "runtime.segmenter",
    "SinkError": "errors",
    "SourceError": "errors",
    "boxes": "runtime.boxes",
}

__all__ = [
    "Box",
    "DelegateError",
    "EdgesegError",
    "InputError",
    "MissingExtra",
    "ModelError",
    "ModelSpec",
    "Segmenter",
    "SinkError",
    "SourceError",
    "boxes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgeseg' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""`manifest.json`: what was made from what, with which tools, and how it was verified."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseg.errors import InputError

from .flatgraph import Tensor, read_graph
from .gate import Gate
from .golden import size_cost
from .operators import Operator
from .source import Source
from .verification import Verification

FILE_NAME = "manifest.json"
PACKAGES = (
    "edgeseg",
    "tensorflow",
    "keras",
    "tf-keras",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "mediapipe",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
)


@dataclass(frozen=True)
class Converted:
    """One target's outcome.

    model: the finished bytes, spec and golden frame inside. path: where it lies, or
    None where the gate refused it. extra: more about the placement, by device.
    """

    target: str
    path: Path | None
    model: bytes
    operators: Sequence[Operator]
    verification: Verification
    gate: Gate
    extra: dict[str, Any]


@dataclass(frozen=True)
class NotMade:
    """A target of which no file could be made; the gate says why."""

    target: str
    gate: Gate


def manifest(
    source: Source,
    files: Sequence[Converted | NotMade],
    *,
    tools: dict[str, str],
    warnings: Sequence[str] = (),
) -> dict:
    """The manifest as plain values; equal runs give equal ones."""
    return {
        "source": {
            "path": str(source.path),
            "sha256": source.sha256,
            "spec": json.loads(source.spec.to_json()),
        },
        "tools": tools,
        "warnings": list(warnings),
        "files": [_file(converted) for converted in files],
    }


def tool_versions(**more: str) -> dict[str, str]:
    """Versions of Python and of the packages that are installed, and what is given."""
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**versions, **more}


def _file(converted: Converted | NotMade) -> dict[str, Any]:
    gate = {"passed": converted.gate.passed, "reasons": list(converted.gate.reasons)}
    if isinstance(converted, NotMade):
        return {"target": converted.target, "path": None, "gate": gate}
    graph = read_graph(converted.model)
    return {
        "target": converted.target,
        "path": converted.path.name if converted.path else None,
        "sha256": hashlib.sha256(converted.model).hexdigest(),
        "bytes": len(converted.model),
        "embedded_bytes": size_cost(converted.model),
        "inputs": [_tensor(tensor) for tensor in graph.inputs],
        "outputs": [_tensor(tensor) for tensor in graph.outputs],
        "operators": [dataclasses.asdict(operator) for operator in converted.operators],
        "placement": _rounded({**placement(converted.operators), **converted.extra}),
        "verification": _rounded(dataclasses.asdict(converted.verification)),
        "gate": gate,
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Six decimals: the last bits of a sum depend on the order of the threads. NaN is null."""
    return {
        key: _rounded(value)
        if isinstance(value, dict)
        else (round(value, 6) if math.isfinite(value) else None)
        if isinstance(value, float)
        else value
        for key, value in values.items()
    }


def placement(operators: Sequence[Operator]) -> dict[str, dict[str, int]]:
    """How many operators would run where, by device."""
    edgetpu = sum(operator.edgetpu for operator in operators)
    gpu = sum(operator.gpu for operator in operators)
    return {
        "edgetpu": {"mapped": edgetpu, "cpu": len(operators) - edgetpu},
        "gpu": {"mapped": gpu, "cpu": len(operators) - gpu},
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.type,
        "scale": tensor.scale[0] if tensor.scale else None,
        "zero_point": tensor.zero_point[0] if tensor.zero_point else None,
    }


def check_manifest(folder: Path) -> None:
    """Raise InputError for a manifest.json that is none of ours: a new one would replace it."""
    path = folder / FILE_NAME
    if not path.exists():
        return
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        values = None
    if not isinstance(values, dict) or not {"source", "tools", "files"} <= set(values):
        raise InputError(
            f"output: got {folder}, whose {FILE_NAME} is not of a conversion and would be "
            "replaced; expected another folder"
        )


def write_beside(path: Path, data: bytes) -> Path:
    """Write to a temporary name in the same folder, to be renamed once it is verified."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            # A full disk is found by a write, which does not know of what.
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    return beside


def write_manifest(folder: Path, values: dict) -> Path:
    """Write manifest.json, never half of it."""
    path = folder / FILE_NAME
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"
    os.replace(write_beside(path, text.encode()), path)
    return path

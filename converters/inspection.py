"""What is inside a .tflite: `inspect_file(path)`. The base install suffices."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections import Counter
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

from edgeseg.errors import ModelError
from edgeseg.runtime.assets import resolve
from edgeseg.spec import SPEC_ENTRY, flatbuffer, read_entries, read_spec

from .checks import WEIGHTED, integer_reasons
from .flatgraph import Graph, Tensor, read_graph
from .macs import multiply_adds
from .operators import Operator, operators_of

# How an entry of a zip archive begins: the signature, and version 2.0.
ZIP_ENTRY = b"PK\x03\x04\x14\x00"


def inspect_file(model: str | Path) -> dict[str, Any]:
    """Everything that a file tells about itself, as plain values for JSON.

    model: a path, or the name of a bundled model. Raises ModelError for what is
    missing, unreadable, empty, truncated or no TFLite model. A file without a spec
    is inspected: `spec` is None and `spec_problem` says why.
    """
    path = resolve(model)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: got no readable file ({error.strerror})") from None
    return {"file": str(path), **inspect_model(data, origin=str(path))}


def inspect_model(data: bytes, *, origin: str = "model") -> dict[str, Any]:
    """`inspect_file` for bytes."""
    graph = read_graph(data, origin=origin)
    _check_complete(data, graph, origin=origin)
    operators = operators_of(graph)
    macs = [multiply_adds(node) for node in graph.nodes]
    weights = _weights(graph)
    return {
        "bytes": len(data),
        "model_bytes": len(flatbuffer(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
        "description": graph.description,
        "subgraphs": graph.subgraphs,
        "edgetpu_compiled": graph.compiled,
        "parameters": None if graph.compiled else sum(prod(tensor.shape) for tensor in weights),
        "multiply_adds": None if None in macs else sum(filter(None, macs)),
        "inputs": [_tensor(tensor) for tensor in graph.inputs],
        "outputs": [_tensor(tensor) for tensor in graph.outputs],
        "quantization": _quantization(graph, weights),
        **_spec(data),
        "entries": sorted(read_entries(data)),
        "placement": {"edgetpu": _split(operators, "edgetpu"), "gpu": _split(operators, "gpu")},
        "operators": [
            {**dataclasses.asdict(operator), "custom": node.custom, "multiply_adds": count}
            for operator, node, count in zip(operators, graph.nodes, macs)
        ],
    }


def _check_complete(data: bytes, graph: Graph, *, origin: str) -> None:
    if not graph.nodes or not graph.inputs or not graph.outputs:
        raise ModelError(
            f"{origin}: got a TFLite model with {len(graph.nodes)} operators, {len(graph.inputs)} "
            f"inputs and {len(graph.outputs)} outputs, expected at least one of each"
        )
    # Spec and labels lie behind the network: a download that broke off there leaves one that runs.
    if ZIP_ENTRY in data and not zipfile.is_zipfile(BytesIO(data)):
        raise ModelError(
            f"{origin}: got a truncated file, which ends within the archive behind the "
            f"network ({SPEC_ENTRY}), expected a complete one"
        )


def _spec(data: bytes) -> dict[str, Any]:
    try:
        spec = read_spec(data, origin="spec")
    except ModelError as error:
        return {"spec": None, "spec_problem": str(error)}
    return {"spec": json.loads(spec.to_json()), "spec_problem": None}


def _weights(graph: Graph) -> list[Tensor]:
    """Constants that are multiplied with or added: kernels, biases; no sizes, no axes."""
    found = {
        tensor.index: tensor
        for node in graph.nodes
        for tensor in node.inputs
        if tensor is not None and tensor.constant and (tensor.scale or "FLOAT" in tensor.type)
    }
    return list(found.values())


def _quantization(graph: Graph, weights: list[Tensor]) -> dict[str, Any]:
    """scheme: one word. weights: constants by type. activations: results of layers
    with weights by type. per_channel: of convolutions, None where nothing is quantized.
    """
    weighted = [node for node in graph.nodes if node.name in (*WEIGHTED, "FULLY_CONNECTED")]
    activations = Counter(node.outputs[0].type for node in weighted)
    kinds = Counter(tensor.type for tensor in weights)
    return {
        "scheme": _scheme(graph, kinds, activations),
        "weights": dict(sorted(kinds.items())),
        "activations": dict(sorted(activations.items())),
        "per_channel": _per_channel(graph),
        "not_integer_because": [] if graph.compiled else integer_reasons(graph, float_edges=True),
    }


def _scheme(graph: Graph, weights: Counter, activations: Counter) -> str:
    if graph.compiled:
        return "edgetpu"
    if "FLOAT16" in weights:
        return "float16"
    integers = {"INT8", "UINT8", "INT16"}
    if "FLOAT32" in activations:
        return "dynamic" if integers & weights.keys() else "float32"
    kinds = sorted(integers & activations.keys())
    return "+".join(kind.lower() for kind in kinds) or "none"


def _per_channel(graph: Graph) -> bool | None:
    """True where convolutions have a scale per channel, None where none has one."""
    kernels = [
        tensor
        for node in graph.nodes
        if node.name in WEIGHTED and (tensor := node.inputs[1]) is not None and tensor.scale
    ]
    return any(len(kernel.scale) > 1 for kernel in kernels) if kernels else None


def _split(operators: list[Operator], device: str) -> dict[str, int]:
    mapped = sum(getattr(operator, device) for operator in operators)
    return {"mapped": mapped, "cpu": len(operators) - mapped}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dynamic": tensor.dynamic,
        "type": tensor.type,
        "scale": tensor.scale[0] if tensor.scale else None,
        "zero_point": tensor.zero_point[0] if tensor.zero_point else None,
    }


def shown_name(operator: dict[str, Any]) -> str:
    """An operator's name for people: a custom one by its own name."""
    return operator["custom"] or operator["name"]

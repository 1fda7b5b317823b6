"""What is converted: a Keras model file, a training run's folder, or a float .tflite."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.errors import EdgesegError, InputError, ModelError, require
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import ModelSpec, flatbuffer, load_model, read_entries

from .flatgraph import Graph, read_graph
from .flatwrite import with_static_batch
from .graph import Model, all_layers, concrete_function, predictor

Predict = Callable[[np.ndarray], np.ndarray]
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class Source:
    """A float model with its spec.

    model: the Keras model, or None for a .tflite. tflite: its bytes without
    appended entries, with a batch of one, or None for a Keras model. sha256: of the file that holds
    the weights. run: the training run's folder, or None. entries: what a .tflite carries
    behind its flatbuffer, such as the label file that its TFLite Metadata names.
    """

    path: Path
    sha256: str
    spec: ModelSpec
    model: Model | None = None
    tflite: bytes | None = None
    run: Path | None = None
    entries: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def function(self) -> Any:
        """The Keras model as a concrete function with a batch of one."""
        return concrete_function(self.model, self.spec)

    @cached_property
    def predict(self) -> Predict:
        """The float model: float32 (1, height, width, channels) -> (1, h, w, classes)."""
        if self.tflite is not None:
            return Interpreter(self.tflite).run
        return predictor(self.function)


def load_source(path: str | Path, *, spec: str | Path | None = None) -> Source:
    """Open a model to convert.

    path: a .keras or .h5 file (Keras 3 or tf_keras), a run's folder, or a float .tflite.
    spec: a spec.json; default is the one beside the weights, or inside the .tflite.
    Raises ModelError or InputError, in one line, for a file that is missing, empty,
    truncated, not a model, quantized or compiled already, or without a spec.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(
            f"{path}: got no such file, expected a .keras, a run's folder or a .tflite"
        )
    given = ModelSpec.from_file(spec) if spec else None
    source = _load(path, given)
    _check_ends(source)
    name = source.spec.name
    if not name or name.startswith(".") or set(name) & set("/\\"):
        raise ModelError(
            f"{path}: got {name!r} as its spec's name, expected one without / and \\ that does not "
            "begin with a dot: files are called so"
        )
    return source


def _load(path: Path, given: ModelSpec | None) -> Source:
    if path.is_dir():
        return _load_run(path, given)
    if path.stat().st_size == 0:
        raise ModelError(f"{path}: got an empty file, expected a .keras or .tflite model")
    if path.suffix == ".tflite":
        return _load_tflite(path, given)
    if path.suffix not in KERAS_SUFFIXES:
        raise ModelError(
            f"{path}: got a {path.suffix or 'suffixless'} file, expected "
            f"{', '.join(KERAS_SUFFIXES)}, .tflite or a run's folder"
        )
    chosen = given or _beside(path.with_name("spec.json"))
    return Source(path, _sha256(path), chosen, model=load_keras(path))


def _check_ends(source: Source) -> None:
    """Raise ModelError unless an image goes in and one mask or class scores come out.

    Of scores there must be as many as the spec has labels.
    """
    ends = source.model if source.model is not None else read_graph(source.tflite or b"")
    # A Sequential that has seen no input has neither, nor has a subclass of Model.
    inputs, outputs = getattr(ends, "inputs", None) or [], getattr(ends, "outputs", None) or []
    if len(inputs) != 1 or len(outputs) != 1:
        raise ModelError(
            f"{source.path}: got a model with {len(inputs)} inputs and {len(outputs)} outputs, "
            "expected one of each; save the part from the image to the mask, built on an Input"
        )
    shape, labels = tuple(outputs[0].shape), source.spec.labels
    if len(shape) != 4:
        raise ModelError(
            f"{source.path}: got an output of shape {shape}, expected (1, height, width, "
            f"{len(labels)})"
        )
    if shape[-1] != len(labels):
        raise ModelError(
            f"{source.path}: got {shape[-1]} output channels, expected {len(labels)}, as many as "
            f"its spec has labels ({', '.join(labels)})"
        )


def _beside(path: Path) -> ModelSpec:
    """The spec beside the weights; where there is none it can be passed."""
    if not path.is_file():
        raise ModelError(
            f"{path}: got no readable spec, expected one with name, width and height; "
            "pass --spec FILE"
        )
    return ModelSpec.from_file(path)


def _load_run(folder: Path, given: ModelSpec | None) -> Source:
    weights, saved = folder / "weights.npz", folder / "model.keras"
    spec = given or _beside(folder / "spec.json")
    if weights.exists() and (folder / "config.json").exists():
        return Source(folder, _sha256(weights), spec, model=_rebuild(folder), run=folder)
    if saved.exists():
        return Source(folder, _sha256(saved), spec, model=load_keras(saved), run=folder)
    if (folder / "saved_model.pb").exists():
        raise ModelError(
            f"{folder}: got a SavedModel, expected a .keras or .h5 file of the same network, or a "
            "float .tflite, as tf.lite.TFLiteConverter.from_saved_model makes"
        )
    raise ModelError(f"{folder}: got no weights.npz with config.json and no model.keras")


def _rebuild(folder: Path) -> Model:
    keras = keras_on_tensorflow()
    from edgeseg.training.runs import load_run

    try:
        model, _, _ = load_run(keras, folder)
    except EdgesegError:
        raise
    # numpy and json raise whatever a damaged file makes them stumble over.
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder}: got a damaged run ({error})") from None
    return model


def _load_tflite(path: Path, given: ModelSpec | None) -> Source:
    data = path.read_bytes()
    graph = read_graph(data, origin=str(path))
    if graph.compiled:
        raise ModelError(
            f"{path}: got a model compiled for the Edge TPU, which nothing can be converted from; "
            "pass the file that was compiled"
        )
    if not _float(graph):
        raise ModelError(
            f"{path}: got a quantized model, expected a float one; pass the float .tflite or .keras"
        )
    # Without its entries the file is damaged at its end, where they were.
    entries = read_entries(data)
    if given is None and not entries and len(flatbuffer(data)) < len(data):
        raise ModelError(f"{path}: got damaged entries at the end, expected a complete file")
    _, spec = load_model(path, spec=given)
    # `from_keras_model` leaves the batch open, which neither GPU nor Edge TPU takes.
    model = with_static_batch(flatbuffer(data))
    return Source(path, _sha256(path), spec, tflite=model, entries=entries)


def _float(graph: Graph) -> bool:
    return all(
        tensor.type == "FLOAT32"
        for node in graph.nodes
        for tensor in node.inputs
        if tensor is not None and tensor.type not in ("INT32", "INT64", "BOOL")
    )


def keras_on_tensorflow() -> Any:
    """The module keras, on the TensorFlow backend: converting needs TensorFlow's graphs."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = require("keras", extra="convert")
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND: got {keras.backend.backend()}, expected tensorflow for a conversion"
        )
    return keras


def load_keras(path: Path) -> Model:
    """Load a model file with the Keras that wrote it. ModelError where it is damaged."""
    try:
        legacy = _written_by_keras_2(path)
        keras = require("tf_keras", extra="convert") if legacy else keras_on_tensorflow()
        model = keras.models.load_model(path, compile=False)
    except EdgesegError:
        raise
    # Keras raises whatever its reader stumbles over first.
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{path}: got no loadable Keras model ({first[:200]}), expected a complete .keras file"
        ) from None
    _check_precision(model, path)
    return model


def _check_precision(model: Model, path: Path) -> None:
    """Raise ModelError for layers of mixed precision, whose operators TFLite does not have."""
    low = {layer.compute_dtype for layer in all_layers(model)} & {"float16", "bfloat16"}
    if low:
        raise ModelError(
            f"{path}: got layers that compute in {' and '.join(sorted(low))}, expected float32; "
            "build the model with Keras's policy float32 and load these weights into it"
        )


def _written_by_keras_2(path: Path) -> bool:
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            version = json.loads(archive.read("metadata.json"))["keras_version"]
    else:
        with require("h5py", extra="convert").File(path) as file:
            version = file.attrs.get("keras_version", "2.")
    return str(version).startswith("2.")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

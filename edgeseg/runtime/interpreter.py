"""One interpreter over three packages: ai-edge-litert, tflite-runtime, tensorflow.

The first package that opens the model is used: importing is no proof, for
tflite-runtime imports beside numpy 2 and then fails to open anything. Values go
in and out as float32; quantizing and dequantizing happen here.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DelegateError, InputError, ModelError
from ..spec import check_flatbuffer
from .amx import without_amx

# In order of preference; tensorflow's own is last for its seconds of import time.
PACKAGES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}
MOST_THREADS = 256
EDGETPU_LIBRARIES = ("libedgetpu.so.1", "libedgetpu.1.dylib", "edgetpu.dll")


@dataclass(frozen=True)
class TensorDetails:
    """An input or output of a model.

    name: as in the file. shape: all dimensions, the batch included. dtype: numpy
    type. scale, zero_point: real = (stored - zero_point) * scale; scale 0 means
    that the tensor is not quantized.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int

    @property
    def quantized(self) -> bool:
        """True for integer tensors with a scale."""
        return self.scale > 0 and self.dtype.kind in "iu"

    def check(self, stored: np.ndarray) -> None:
        """Raise InputError unless `stored` has this tensor's type and shape."""
        if tuple(stored.shape) != self.shape or stored.dtype != self.dtype:
            raise InputError(
                f"model input: got {stored.dtype} {tuple(stored.shape)}, "
                f"expected {self.dtype} {self.shape}"
            )

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """float32 -> the tensor's own type, rounded to nearest and clipped to its range."""
        if not self.quantized:
            return np.ascontiguousarray(values, self.dtype)
        limits = np.iinfo(self.dtype)
        stored = np.rint(np.asarray(values, np.float32) / np.float32(self.scale)) + self.zero_point
        return np.clip(stored, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, stored: np.ndarray) -> np.ndarray:
        """The tensor's own type -> float32."""
        if not self.quantized:
            return np.asarray(stored, np.float32)
        return (stored.astype(np.float32) - self.zero_point) * np.float32(self.scale)


def default_threads() -> int:
    """Half of the processors, at least 1 and at most 4: more slow such small networks down."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


class Interpreter:
    """A TFLite model, ready to run: float32 in, float32 out.

    model: bytes of a .tflite. threads: of the CPU kernels, at most 256, None for
    `default_threads`. delegate: "cpu" (XNNPACK where the package has it) or
    "edgetpu".

    Raises ModelError where no package can open the file, DelegateError where
    the delegate cannot be loaded, InputError for a number of threads that is none.
    """

    def __init__(self, model: bytes, *, threads: int | None = None, delegate: str = "cpu") -> None:
        check_flatbuffer(model, origin="model")
        self.delegate = delegate
        self.threads = default_threads() if threads is None else _checked(threads)
        self.package, self._interpreter = _open(model, threads=self.threads, delegate=delegate)
        # Details are wanted for every frame, and the package builds them anew for each call.
        raw_inputs = self._interpreter.get_input_details()
        raw_outputs = self._interpreter.get_output_details()
        self.inputs = [_details(raw) for raw in raw_inputs]
        self.outputs = [_details(raw) for raw in raw_outputs]
        self._input_index = raw_inputs[0]["index"]
        self._output_index = raw_outputs[0]["index"]

    def run(self, values: np.ndarray) -> np.ndarray:
        """float32 (1, h, w, c) -> float32 (1, h, w, k) of the first output."""
        self.set_input(self.inputs[0].quantize(values))
        self.invoke()
        return self.outputs[0].dequantize(self.get_output())

    def set_input(self, stored: np.ndarray) -> None:
        """Give the first input in its own type and shape; InputError where either differs."""
        self.inputs[0].check(stored)
        self._running().set_tensor(self._input_index, stored)

    def invoke(self) -> None:
        """Run the network once on the input that was set last."""
        self._running().invoke()

    def get_output(self) -> np.ndarray:
        """A copy of the first output, in its own type."""
        return self._running().get_tensor(self._output_index)

    def operators(self) -> list[str]:
        """The device of every operator: "edgetpu", "cpu (XNNPACK)" or "cpu".

        The package lists a delegate as one more node beside the operators that it
        replaced: those between its outputs and its inputs.
        """
        try:
            nodes = self._interpreter._get_ops_details()
        except AttributeError:
            return []
        producer = {
            int(tensor): node
            for node in nodes
            if node["op_name"] != "DELEGATE"
            for tensor in node["outputs"]
        }
        delegated: set[int] = set()
        for node in (node for node in nodes if node["op_name"] == "DELEGATE"):
            inputs = {int(tensor) for tensor in node["inputs"]}
            waiting = [int(tensor) for tensor in node["outputs"]]
            while waiting:
                tensor = waiting.pop()
                maker = producer.get(tensor)
                if tensor in inputs or maker is None or maker["index"] in delegated:
                    continue
                delegated.add(maker["index"])
                waiting.extend(int(source) for source in maker["inputs"])
        name = "edgetpu" if self.delegate == "edgetpu" else "cpu (XNNPACK)"
        return [
            name if node["index"] in delegated else "cpu"
            for node in nodes
            if node["op_name"] != "DELEGATE"
        ]

    def close(self) -> None:
        """Release the interpreter; what is called after it raises InputError."""
        self._interpreter = None

    def _running(self) -> Any:
        # Asked at every step: another thread may close it between two.
        interpreter = self._interpreter
        if interpreter is None:
            raise InputError("interpreter: got a call after it was closed; open another one")
        return interpreter


def _checked(threads: int) -> int:
    """A number of threads; far beyond the limit the package ends the process."""
    if not isinstance(threads, int | np.integer) or not 1 <= threads <= MOST_THREADS:
        raise InputError(
            f"threads: got {threads!r}, expected a whole number from 1 to {MOST_THREADS}"
        )
    return int(threads)


def _details(raw: dict[str, Any]) -> TensorDetails:
    scale, zero_point = raw["quantization"]
    return TensorDetails(
        name=raw["name"],
        shape=tuple(int(size) for size in raw["shape"]),
        dtype=np.dtype(raw["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _open(model: bytes, *, threads: int, delegate: str) -> tuple[str, Any]:
    """The first usable package's interpreter on the model, tensors allocated."""
    if delegate not in ("cpu", "edgetpu"):
        raise DelegateError(f"delegate: got {delegate!r}, expected cpu or edgetpu")
    problems = []
    for package, module_name in PACKAGES.items():
        try:
            module = importlib.import_module(module_name)
            delegates = [_edgetpu(module)] if delegate == "edgetpu" else None
            return package, _allocate(module, model, threads, delegates)
        except (ValueError, RuntimeError) as error:
            if isinstance(error, DelegateError):
                raise
            # The package works and says no to the model: another one will not be kinder.
            raise ModelError(
                f"model: {package} cannot open it ({_first_line(error)}), expected a TFLite model"
            ) from None
        except Exception as error:  # numpy's ABI mismatch is more than an ImportError
            problems.append(f"{package}: {_first_line(error)}")
    raise ModelError(
        f"model: got no usable TFLite interpreter ({'; '.join(problems)}), "
        'expected ai-edge-litert: pip install "ai-edge-litert"'
    )


def _allocate(module: Any, model: bytes, threads: int, delegates: list[Any] | None) -> Any:
    with without_amx():
        interpreter = module.Interpreter(
            model_content=model, num_threads=threads, experimental_delegates=delegates
        )
        interpreter.allocate_tensors()
    return interpreter


def _edgetpu(module: Any) -> Any:
    for library in EDGETPU_LIBRARIES:
        try:
            # Asked first, for a Delegate that fails half-way prints from its destructor.
            ctypes.CDLL(library)
            return module.load_delegate(library)
        except OSError:
            continue
        except (ValueError, RuntimeError) as error:
            reason = _first_line(error) or "no Edge TPU answers"
            raise DelegateError(f"edgetpu: {library} is installed, but {reason}") from None
    raise DelegateError(
        f"edgetpu: got no library ({', '.join(EDGETPU_LIBRARIES)}), expected Coral's runtime"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""

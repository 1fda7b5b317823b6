"""A model on the GPU through LiteRT's CompiledModel, behind `Interpreter`'s methods."""

from __future__ import annotations

import glob
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import DelegateError
from .interpreter import Interpreter

# Device nodes of the usual GPUs on Linux: without one, asking the driver only prints noise.
GPU_NODES = ("/dev/dri/renderD*", "/dev/nvidia[0-9]*", "/dev/mali*", "/dev/kgsl-3d0")


def gpu_present() -> bool:
    """True where Linux shows a GPU, or a Vulkan driver was named; always True elsewhere."""
    if os.name != "posix" or not os.path.isdir("/dev/shm"):
        return True
    named = os.environ.get("VK_ICD_FILENAMES") or os.environ.get("VK_DRIVER_FILES")
    return bool(named) or any(glob.glob(pattern) for pattern in GPU_NODES)


class CompiledInterpreter:
    """A TFLite model compiled for an accelerator; methods as of `Interpreter`.

    model: bytes of a .tflite. accelerator: "GPU", or "CPU" to check this path.
    Raises DelegateError with the reason where the accelerator cannot be used.
    """

    package = "ai-edge-litert"

    def __init__(self, model: bytes, *, threads: int | None = None, accelerator: str = "GPU"):
        # The compiled model does not tell its tensors' quantization; the plain one does.
        plain = Interpreter(model, threads=1)
        self.inputs, self.outputs = plain.inputs, plain.outputs
        self._operators = len(plain.operators())
        plain.close()
        self.delegate = accelerator.lower()
        self.threads = threads or 1
        with quiet_stderr():
            self._model = _compile(model, accelerator)
            self._input = self._model.create_input_buffers(0)[0]
            self._output = self._model.create_output_buffers(0)[0]
        self._size = int(np.prod(self.outputs[0].shape))

    def operators(self) -> list[str]:
        """The device of every operator; LiteRT tells only whether all are accelerated."""
        shared = "" if self._model.is_fully_accelerated() else " (some on cpu)"
        return [self.delegate + shared] * self._operators

    def run(self, values: np.ndarray) -> np.ndarray:
        """float32 (1, h, w, c) -> float32 (1, h, w, k) of the first output."""
        self.set_input(self.inputs[0].quantize(values))
        self.invoke()
        return self.outputs[0].dequantize(self.get_output())

    def set_input(self, stored: np.ndarray) -> None:
        """Give the first input in its own type and shape; InputError where either differs."""
        self.inputs[0].check(stored)
        self._input.write(np.ascontiguousarray(stored).reshape(-1))

    def invoke(self) -> None:
        """Run the network once on the input that was set last."""
        self._model.run_by_index(0, [self._input], [self._output])

    def get_output(self) -> np.ndarray:
        """A copy of the first output, in its own type; waits for the accelerator."""
        stored = self._output.read(self._size, self.outputs[0].dtype.type)
        return np.array(stored).reshape(self.outputs[0].shape)

    def close(self) -> None:
        """Release the compiled model; nothing may be called after it."""
        self._input = self._output = self._model = None


def _compile(model: bytes, accelerator: str) -> Any:
    try:
        compiled = importlib.import_module("ai_edge_litert.compiled_model")
        hardware = importlib.import_module("ai_edge_litert.hardware_accelerator")
    except ImportError as error:
        raise DelegateError(f"gpu: got no LiteRT with CompiledModel ({error})") from None
    try:
        return compiled.CompiledModel.from_buffer(
            model, hardware_accel=getattr(hardware.HardwareAccelerator, accelerator)
        )
    except (RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())
        raise DelegateError(f"{accelerator.lower()}: LiteRT cannot compile it ({line})") from None


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Silence native code that logs to file descriptor 2 while an accelerator is tried."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)

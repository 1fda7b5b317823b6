"""The real GPU delegate of ai-edge-litert, on WebGPU, where a Vulkan driver is present.

It runs in a process of its own: a driver that crashes or hangs must not take the
conversion with it. SwiftShader, a Vulkan driver in software, is good for coverage
and numbers; `scripts/fetch-swiftshader` brings it where there is no GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TIME_LIMIT_S = 300
DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")
SWIFTSHADER = Path.home() / ".cache" / "edgeseg" / "swiftshader" / "vk_swiftshader_icd.json"
# Where Vulkan loaders look for the drivers of real GPUs.
DRIVER_FOLDERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")


@dataclass(frozen=True)
class WebGpuResult:
    """What the delegate did.

    ran: it compiled and ran the model. one_partition: all operators run on the
    GPU, in one piece. max_abs: largest difference of its output from the CPU's.
    reason: why it did not run.
    """

    ran: bool
    one_partition: bool = False
    max_abs: float = 0.0
    reason: str = ""


def driver_environment() -> dict[str, str] | None:
    """Environment with a Vulkan driver chosen, or None where there is none.

    A driver set by hand goes first, then the SwiftShader that our script
    fetched, then what the system has.
    """
    chosen = next((os.environ[name] for name in DRIVER_VARIABLES if os.environ.get(name)), "")
    if chosen:
        return dict(os.environ) if Path(chosen.split(os.pathsep)[0]).exists() else None
    if SWIFTSHADER.exists():
        libraries = os.pathsep.join(
            filter(None, [str(SWIFTSHADER.parent), os.environ.get("LD_LIBRARY_PATH")])
        )
        extra = {"VK_ICD_FILENAMES": str(SWIFTSHADER), "LD_LIBRARY_PATH": libraries}
        return {**os.environ, **extra}
    if any(list(Path(folder).glob("*.json")) for folder in DRIVER_FOLDERS):
        return dict(os.environ)
    return None


def run_on_webgpu(
    model: bytes, tensor: np.ndarray, *, environment: Mapping[str, str] | None = None
) -> WebGpuResult:
    """Compile a float32-in model with the delegate and compare its output with the CPU's.

    tensor: float32 input. environment: default is `driver_environment()`.
    """
    environment = environment or driver_environment()
    if environment is None:
        return WebGpuResult(False, reason="no Vulkan driver: run scripts/fetch-swiftshader")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("model.tflite", "input.npy", "result.json")]
        paths[0].write_bytes(model)
        np.save(paths[1], tensor)
        command = [sys.executable, "-m", "edgeseg.converters.webgpu", *map(str, paths)]
        try:
            done = subprocess.run(
                command, env=dict(environment), capture_output=True, timeout=TIME_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return WebGpuResult(False, reason=f"no answer in {TIME_LIMIT_S} s")
        if not paths[2].exists():
            return WebGpuResult(False, reason=_last_error(done))
        return WebGpuResult(**json.loads(paths[2].read_text()))


def _last_error(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    said = [line for line in lines if line.startswith("ERROR:")]
    raised = [line for line in lines[::-1] if "Error: " in line]
    return [*said, *raised, f"it ended with {done.returncode}"][0][:200]


def measure(model: Path, tensor: np.ndarray) -> WebGpuResult:
    """Run in this process; for the child process of `run_on_webgpu`."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    from edgeseg.runtime.interpreter import Interpreter

    wanted = Interpreter(model.read_bytes()).run(tensor)
    compiled = CompiledModel.from_file(str(model), hardware_accel=HardwareAccelerator.GPU)
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    inputs[0].write(np.ascontiguousarray(tensor).reshape(-1))
    compiled.run_by_index(0, inputs, outputs)
    got: Any = outputs[0].read(wanted.size, np.float32)
    difference = float(np.abs(np.asarray(got).reshape(wanted.shape) - wanted).max())
    return WebGpuResult(True, bool(compiled.is_fully_accelerated()), difference)


def _child(model: str, tensor: str, result: str) -> None:
    outcome = measure(Path(model), np.load(tensor))
    Path(result).write_text(json.dumps(outcome.__dict__))


if __name__ == "__main__":
    _child(*sys.argv[1:])

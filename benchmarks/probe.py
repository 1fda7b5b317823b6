"""Load time and memory of a model, in a process of its own.

    python -m edgeseg.benchmarks.probe MODEL.tflite THREADS

Memory is that of the process at its highest less what it had before the model,
so that the interpreter package and the libraries do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from edgeseg.errors import EdgesegError
from edgeseg.runtime.console import exit_code_of
from edgeseg.runtime.interpreter import PACKAGES, Interpreter

LOADS = 5
INVOKES = 10


def measure(path: Path, *, threads: int) -> dict[str, float | None]:
    """`load_ms`, from bytes to the first answer, median of five; `memory_mib`, None if unknown.

    Raises EdgesegError with the child's last line where it fails.
    """
    command = [sys.executable, "-m", "edgeseg.benchmarks.probe", str(path), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EdgesegError(f"{path}: could not be probed ({reason.removeprefix('edgeseg: ')})")
    return json.loads(done.stdout.splitlines()[-1])


def probe(path: Path, *, threads: int) -> dict[str, float | None]:
    """The same in this process, for which it has to be the first model."""
    data = path.read_bytes()
    _import_package()
    before = peak_mib()
    interpreter = Interpreter(data, threads=threads)
    stored = np.zeros(interpreter.inputs[0].shape, interpreter.inputs[0].dtype)
    for _ in range(INVOKES):
        interpreter.set_input(stored)
        interpreter.invoke()
    after = peak_mib()
    interpreter.close()
    times = []
    for _ in range(LOADS):
        start = time.perf_counter()
        interpreter = Interpreter(data, threads=threads)
        interpreter.set_input(stored)
        interpreter.invoke()
        times.append((time.perf_counter() - start) * 1000)
        interpreter.close()
    memory = None if before is None or after is None else round(after - before, 2)
    return {"load_ms": float(np.median(times)), "memory_mib": memory}


def peak_mib() -> float | None:
    """The highest memory of this process so far in MiB; None where the system does not tell."""
    with contextlib.suppress(OSError):
        # Linux's getrusage hands the parent's peak on to a new process; this does not.
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _import_package() -> None:
    """Import the first interpreter package there is, so that it does not count as the model's."""
    for module in PACKAGES.values():
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
            return


def _main() -> int:
    # Not typer, whose memory would hide that of a small model.
    parser = argparse.ArgumentParser(
        prog="python -m edgeseg.benchmarks.probe", description="Load time and memory of a model."
    )
    parser.add_argument("model", type=Path, help="a .tflite file")
    parser.add_argument("threads", type=int, help="of the CPU kernels")
    given = parser.parse_args()
    print(json.dumps(probe(given.model, threads=given.threads)))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(_main))

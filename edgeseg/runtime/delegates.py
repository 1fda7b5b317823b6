"""Which device runs the network, and why the others do not.

`auto` tries Edge TPU, GPU and CPU in this order. A delegate is believed only
after its answer to the golden frame agrees; the GPU has to be faster than the
CPU as well. An explicit choice is obeyed, or fails with the reason.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DelegateError, ModelError
from ..spec import ModelSpec
from .compiled import CompiledInterpreter, gpu_present
from .golden import Golden
from .interpreter import Interpreter

EDGETPU_OPERATOR = b"edgetpu-custom-op"


def open_edgetpu(model: bytes, threads: int | None) -> Any:
    """The model on Coral's Edge TPU; DelegateError where that is not possible."""
    if EDGETPU_OPERATOR not in model:
        raise DelegateError("edgetpu: got a model that was not compiled for it")
    return Interpreter(model, threads=threads, delegate="edgetpu")


def open_gpu(model: bytes, threads: int | None) -> Any:
    """The model on the GPU; DelegateError where that is not possible."""
    if not gpu_present():
        raise DelegateError("gpu: got no GPU device, expected one such as /dev/dri/renderD128")
    return CompiledInterpreter(model, threads=threads)


def open_cpu(model: bytes, threads: int | None) -> Any:
    """The model on the CPU; ModelError where it cannot be opened."""
    return Interpreter(model, threads=threads)


# In the order in which `auto` tries them. The CPU is the reference of the others.
OPENERS: dict[str, Callable[[bytes, int | None], Any]] = {
    "edgetpu": open_edgetpu,
    "gpu": open_gpu,
    "cpu": open_cpu,
}


@dataclass(frozen=True)
class Choice:
    """The delegate that runs, an open interpreter on it, and why others were refused.

    on_cpu: the file with the same input and output for the CPU, should the delegate fail.
    """

    name: str
    interpreter: Any
    on_cpu: bytes
    refused: dict[str, str] = field(default_factory=dict)


def choose(
    model: bytes,
    spec: ModelSpec,
    *,
    delegate: str = "auto",
    threads: int | None = None,
    variants: Mapping[str, bytes] | None = None,
) -> Choice:
    """Open the model on the first delegate that works, or on the one that is named.

    variants: files of the same network for single delegates, see `assets.variants`.
    Raises DelegateError with the reason where the named delegate does not work,
    ModelError where the model runs nowhere.
    """
    if delegate != "auto" and delegate not in OPENERS:
        known = ", ".join(["auto", *OPENERS])
        raise DelegateError(f"delegate: got {delegate!r}, expected one of {known}")
    refused: dict[str, str] = {}
    for name in OPENERS if delegate == "auto" else [delegate]:
        candidate = (variants or {}).get(name, model)
        try:
            interpreter = OPENERS[name](candidate, threads)
            if name != "cpu":
                _believe(interpreter, name, model, spec, compare_speed=delegate == "auto")
        except DelegateError as error:
            refused[name] = str(error)
            continue
        except ModelError:
            if name == "cpu":
                raise
            refused[name] = f"{name}: cannot open the model"
            continue
        # What was compiled for the Edge TPU runs nowhere else; it takes what the model takes.
        on_cpu = model if name == "edgetpu" else candidate
        return Choice(name, interpreter, on_cpu, refused)
    raise DelegateError("; ".join(refused.values()))


def _believe(
    interpreter: Any, name: str, model: bytes, spec: ModelSpec, *, compare_speed: bool
) -> None:
    """Raise DelegateError unless the interpreter computes what the CPU does, and faster."""
    try:
        reference = OPENERS["cpu"](model, None)
    except ModelError:
        # Compiled for the Edge TPU: only the stored answer can be asked, there is no CPU.
        reference = interpreter
    objection = Golden.of(model, spec, reference).objection(interpreter, spec)
    if objection:
        raise DelegateError(f"{name}: wrong on the golden frame, {objection}")
    if compare_speed and reference is not interpreter:
        ours, cpu = invoke_ms(interpreter), invoke_ms(reference)
        if ours > cpu:
            raise DelegateError(f"{name}: slower than the CPU ({ours:.1f} against {cpu:.1f} ms)")


def invoke_ms(interpreter: Any, *, repeats: int = 10) -> float:
    """Median milliseconds from input to output on zeros, after a first run."""
    details = interpreter.inputs[0]
    stored = np.zeros(details.shape, details.dtype)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        interpreter.set_input(stored)
        interpreter.invoke()
        interpreter.get_output()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:]) * 1000


def ops_per_device(interpreter: Any) -> dict[str, int]:
    """How many operators run where, such as {"cpu (XNNPACK)": 61, "cpu": 2}."""
    return dict(Counter(interpreter.operators()))

"""Sustained load: the same network for minutes, to see whether the machine throttles."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from edgeseg.runtime.interpreter import Interpreter

from .speed import invoke_ms
from .subjects import Subject

Tick = Callable[[], None]
BUCKETS = 60


def measure(subject: Subject, *, seconds: float, threads: int, tick: Tick) -> dict:
    """Invoke without a pause for `seconds`; medians of BUCKETS equal stretches of time.

    slowdown: the median time of the last tenth relative to that of the first; above
    1 the machine got slower. tick: called after each stretch.
    """
    data, _ = subject.load()
    interpreter = Interpreter(data, threads=threads)
    values = np.random.default_rng(0).random(interpreter.inputs[0].shape, np.float32)
    interpreter.set_input(interpreter.inputs[0].quantize(values))
    interpreter.invoke()
    medians = []
    for _ in range(BUCKETS):
        medians.append(_stretch(interpreter, seconds / BUCKETS))
        tick()
    tenth = max(1, BUCKETS // 10)
    return {
        "seconds": seconds,
        "p50_ms": medians,
        "slowdown": float(np.median(medians[-tenth:]) / np.median(medians[:tenth])),
    }


def _stretch(interpreter: Interpreter, seconds: float) -> float:
    """Median ms of the invokes within `seconds`, at least one."""
    end = time.perf_counter() + seconds
    times = [invoke_ms(interpreter)]
    while time.perf_counter() < end:
        times.append(invoke_ms(interpreter))
    return float(np.median(times))

"""The table at the end of a conversion: size, IoU drop, CPU latency, placement."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from rich.table import Table

from edgeseg.runtime.interpreter import Interpreter

from .manifest import Converted, NotMade, placement
from .native_output import silenced

TIMED_RUNS = 20


def table(files: list[Converted | NotMade]) -> Table:
    """A row per target."""
    rows = Table(title="converted", title_justify="left")
    rows.add_column("target", no_wrap=True)
    for column in ("KiB", "IoU drop", "diff", "CPU ms", "Edge TPU", "GPU"):
        rows.add_column(column, justify="right")
    rows.add_column("gate")
    for file in files:
        if isinstance(file, NotMade):
            rows.add_row(file.target, *[""] * 6, "[red]not made[/red]")
            continue
        places = placement(file.operators)
        rows.add_row(
            file.target,
            f"{len(file.model) / 1024:.0f}",
            f"{file.verification.max_iou_drop:.4f}",
            f"{file.verification.mean_abs:.4f}",
            f"{latency_ms(file.model):.2f}",
            f"{places['edgetpu']['mapped']}/{len(file.operators)}",
            f"{places['gpu']['mapped']}/{len(file.operators)}",
            "passed" if file.gate.passed else "[red]refused[/red]",
        )
    return rows


def latency_ms(model: bytes) -> float:
    """Median milliseconds of an invoke on one CPU thread, on an input of zeros."""
    with silenced():
        interpreter = Interpreter(model, threads=1)
        interpreter.run(np.zeros(interpreter.inputs[0].shape, np.float32))
        times = []
        for _ in range(TIMED_RUNS):
            begun = time.perf_counter()
            interpreter.invoke()
            times.append(time.perf_counter() - begun)
    return 1000 * median(times)

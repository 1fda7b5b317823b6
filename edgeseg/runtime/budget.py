"""Which model, and how often: the best that a time budget allows, and the reason in words."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..spec import load_model
from . import assets
from .delegates import invoke_ms
from .effect import Effect
from .segmenter import Segmenter

# With the network on fewer frames than one in four, optical flow loses what moves quickly.
LONGEST_CADENCE = 4
REPEATS = 7


@dataclass(frozen=True)
class Candidate:
    """A model as measured here: the network alone, and everything else for one frame."""

    name: str
    size: tuple[int, int]
    invoke_ms: float
    rest_ms: float

    def cost_ms(self, cadence: int) -> float:
        """Mean cost of a frame where the network runs on every `cadence`-th."""
        return self.rest_ms + self.invoke_ms / cadence


@dataclass(frozen=True)
class Plan:
    """What was chosen. reason: one line for the user."""

    model: str
    cadence: int
    reason: str


def budget_of(*, budget_ms: float | None, cpu_percent: float | None, fps: float) -> float:
    """Milliseconds for a frame: as given, or a share of one processor at `fps`."""
    for name, value in (("budget-ms", budget_ms), ("cpu-percent", cpu_percent)):
        if value is not None and not value > 0:
            raise InputError(f"{name}: got {value:g}, expected more than 0")
    if budget_ms is not None:
        return budget_ms
    if cpu_percent is None:
        raise InputError("budget: got neither budget-ms nor cpu-percent, expected one")
    return cpu_percent / 100 * 1000 / fps


def plan(candidates: list[Candidate], budget_ms: float) -> Plan:
    """The largest model that fits on every frame, else on every second, and so on.

    candidates: at least one. A network that takes longer is taken for the better one,
    as it is among models of one family.
    """
    best_first = sorted(candidates, key=lambda candidate: -candidate.invoke_ms)
    for cadence in range(1, LONGEST_CADENCE + 1):
        for candidate in best_first:
            if candidate.cost_ms(cadence) <= budget_ms:
                return Plan(candidate.name, cadence, _fits(candidate, cadence, budget_ms))
    cheapest = min(candidates, key=lambda candidate: candidate.cost_ms(LONGEST_CADENCE))
    cost = cheapest.cost_ms(LONGEST_CADENCE)
    return Plan(
        cheapest.name,
        LONGEST_CADENCE,
        f"budget {budget_ms:.1f} ms a frame cannot be kept: {cheapest.name} on every "
        f"{LONGEST_CADENCE}th frame is the cheapest and takes {cost:.1f} ms",
    )


def measure(
    models: list[str], effect: Effect, frame: np.ndarray, *, opened: Callable[[str], Segmenter]
) -> list[Candidate]:
    """Measure each model and the effect on a frame of the source's size.

    opened: opens a model with the settings that it shall run with.
    """
    candidates = []
    for name in models:
        with opened(name) as segmenter:
            network = invoke_ms(segmenter.interpreter)
            times = []
            for _ in range(REPEATS + 1):
                start = time.perf_counter()
                view = segmenter.view(frame)
                scores = segmenter.steady(segmenter.scores(view), view)
                effect.apply(frame, segmenter.segmentation(scores, frame))
                times.append((time.perf_counter() - start) * 1000)
            rest = max(0.0, statistics.median(times[1:]) - network)
            if segmenter.focuses:
                # After so many frames without one comes a frame with it.
                rest += network / (segmenter.glance_every + 1)
            size = (segmenter.spec.width, segmenter.spec.height)
            candidates.append(Candidate(name, size, network, rest))
    return candidates


def alternatives(model: str) -> list[str]:
    """The bundled models that answer the same question as `model`, itself included."""
    labels = load_model(assets.resolve(model))[1].labels
    others = [name for name in assets.bundled() if name != Path(model).name]
    return [
        model,
        *(name for name in others if load_model(assets.resolve(name))[1].labels == labels),
    ]


def _fits(candidate: Candidate, cadence: int, budget_ms: float) -> str:
    width, height = candidate.size
    often = "every frame" if cadence == 1 else f"every {cadence}. frame, optical flow between"
    return (
        f"budget {budget_ms:.1f} ms a frame: {candidate.name} at {width}x{height} on {often}, "
        f"measured {candidate.cost_ms(cadence):.1f} ms ({candidate.invoke_ms:.1f} ms of it a run "
        "of the network), the largest that fits"
    )

"""Latency of the network alone, all subjects interleaved round by round in one process.

A machine's speed drifts by more than the subjects differ. Within a round each
subject gets a short turn, in an order that changes, and ratios are taken round
by round: what slows a whole round cancels out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseg.errors import EdgesegError
from edgeseg.metrics import interval
from edgeseg.runtime.delegates import Choice, choose

from .subjects import Subject

Tick = Callable[[], None]


@dataclass(frozen=True)
class Setting:
    """How a network is run. delegate: "cpu", "gpu" or "edgetpu"."""

    threads: int = 1
    delegate: str = "cpu"


@dataclass(frozen=True)
class Rounds:
    """How much is measured: `rounds` turns of `invokes` each, after `warm_up` unrecorded ones.

    settle: unrecorded invokes at the start of every turn, for the caches.
    """

    rounds: int = 100
    invokes: int = 8
    warm_up: int = 20
    settle: int = 2


@dataclass(frozen=True)
class Turns:
    """Invoke times of one subject and setting in ms, float64 (rounds, invokes), or why none.

    delegate: the one that ran, where the setting has "auto"; else "" or the setting's.
    """

    subject: str
    setting: Setting
    ms: np.ndarray | None
    unavailable: str = ""
    delegate: str = ""

    def rounds(self) -> np.ndarray:
        """The fastest of each round, (rounds,): what else runs on a machine only adds."""
        if self.ms is None:
            raise EdgesegError(f"{self.subject}: got no times ({self.unavailable})")
        return self.ms.min(axis=1)


def measure(
    subjects: Sequence[Subject], settings: Sequence[Setting], *, rounds: Rounds, tick: Tick
) -> list[Turns]:
    """Invoke every subject with a model file in every setting. tick: called after each round.

    A delegate that cannot run gives Turns with the reason instead of times.
    """
    cases = [(s, setting) for s in subjects if s.path is not None for setting in settings]
    opened = [_open(subject, setting, rounds.warm_up) for subject, setting in cases]
    running = [index for index, (choice, _) in enumerate(opened) if choice is not None]
    times = np.zeros((len(cases), rounds.rounds, rounds.invokes))
    order = np.random.default_rng(0)
    for number in range(rounds.rounds):
        for index in order.permutation(running):
            times[index, number] = _turn(opened[index][0].interpreter, rounds)
        tick()
    return [
        Turns(subject.name, setting, None, reason)
        if choice is None
        else Turns(subject.name, setting, times[index], delegate=choice.name)
        for index, ((subject, setting), (choice, reason)) in enumerate(zip(cases, opened))
    ]


def _open(subject: Subject, setting: Setting, warm_up: int) -> tuple[Choice | None, str]:
    """(the delegate with a warm interpreter, "") or (None, the reason)."""
    try:
        data, spec = subject.load()
        choice = choose(data, spec, delegate=setting.delegate, threads=setting.threads)
        interpreter = choice.interpreter
        # Noise costs what a photo costs; zeros may not.
        values = np.random.default_rng(0).random(interpreter.inputs[0].shape, np.float32)
        interpreter.set_input(interpreter.inputs[0].quantize(values))
        for _ in range(warm_up):
            interpreter.invoke()
    except EdgesegError as error:
        return None, str(error)
    return choice, ""


def _turn(interpreter: Any, rounds: Rounds) -> list[float]:
    for _ in range(rounds.settle):
        interpreter.invoke()
    return [invoke_ms(interpreter) for _ in range(rounds.invokes)]


def invoke_ms(interpreter: Any) -> float:
    """Milliseconds of one invoke; an accelerator is waited for by reading its output."""
    start = time.perf_counter()
    interpreter.invoke()
    if interpreter.delegate not in ("cpu", "edgetpu"):
        interpreter.get_output()
    return (time.perf_counter() - start) * 1000


def summarise(turns: Turns) -> dict:
    """The `speed` part of a report's entry, in ms and frames a second."""
    delegate = turns.delegate or turns.setting.delegate
    setting = {"threads": turns.setting.threads, "delegate": delegate}
    if turns.ms is None:
        return {**setting, "unavailable": turns.unavailable}
    p50, p90, p99 = np.percentile(turns.ms, (50, 90, 99))
    return {
        **setting,
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "fps": float(1000 / turns.ms.mean()),
        "invokes": int(turns.ms.size),
    }


def ratio(turns: Turns, reference: Turns) -> dict:
    """Median over rounds of the fastest invoke relative to the reference's, with its interval."""
    ratios = turns.rounds() / reference.rounds()
    return {
        "to": reference.subject,
        "value": float(np.median(ratios)),
        "ci": list(interval(ratios, statistic=lambda samples: np.median(samples, axis=-1))),
    }

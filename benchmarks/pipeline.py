"""Speed of the whole way, frame in and mask at the frame's size out, interleaved round by round.

Our models run as `edgeseg.Segmenter` comes, and once more bare: no temporal
filter, no refinement, no focus. Peers run bare, for that is all they bring.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgeseg import Segmenter
from edgeseg.errors import InputError
from edgeseg.metrics import interval
from edgeseg.runtime.sample import Sample
from edgeseg.runtime.segmenter import DEFAULT_TEMPORAL

from .subjects import Subject

Tick = Callable[[], None]
FRAME_SIZE = (640, 480)


@dataclass(frozen=True)
class Way:
    """A subject's whole way, open and ready. bare: no temporal filter, refinement and focus."""

    subject: Subject
    bare: bool
    segment: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Frames:
    """Times of one way in ms, float64 (rounds, frames)."""

    subject: str
    bare: bool
    ms: np.ndarray


def ways(
    subjects: Sequence[Subject], *, threads: int, delegates: Mapping[str, str] | None = None
) -> list[Way]:
    """The ways of all subjects that are no baselines.

    delegates: subject's name -> the delegate of its network, "cpu" without one.
    """
    found = []
    for subject in subjects:
        if subject.kind == "baseline":
            continue
        if subject.path is None and subject.segment is not None:
            found.append(Way(subject, True, subject.segment))
            continue
        delegate = (delegates or {}).get(subject.name, "cpu")
        if subject.kind == "model":
            whole = _segmenter(subject, threads, delegate, bare=False)
            found.append(Way(subject, False, whole.segment))
        bare = _segmenter(subject, threads, delegate, bare=True)
        found.append(Way(subject, True, bare.segment))
    return found


def _segmenter(subject: Subject, threads: int, delegate: str, *, bare: bool) -> Segmenter:
    """InputError for a subject without a model file."""
    if subject.path is None:
        raise InputError(f"{subject.name}: got no model file")
    return Segmenter(
        subject.path,
        delegate=delegate,
        threads=threads,
        temporal="none" if bare else DEFAULT_TEMPORAL,
        refine=not bare,
        focus=not bare,
        spec=subject.spec,
    )


def frames_of(images: Sequence[np.ndarray], *, count: int) -> list[np.ndarray]:
    """`count` frames of FRAME_SIZE: the images given, or the moving sample where there are none."""
    if not images:
        sample = Sample(size=FRAME_SIZE)
        return [sample.frame(index) for index in range(count)]
    return [cv2.resize(images[index % len(images)], FRAME_SIZE) for index in range(count)]


def measure(
    routes: Sequence[Way], frames: Sequence[np.ndarray], *, rounds: int, tick: Tick
) -> list[Frames]:
    """Time every way on runs of consecutive frames; each round has its own run."""
    length = max(1, len(frames) // rounds)
    times = np.zeros((len(routes), rounds, length))
    order = np.random.default_rng(0)
    for way in routes:
        for frame in frames[:10]:
            way.segment(frame)
    for number in range(rounds):
        run = [frames[(number * length + step) % len(frames)] for step in range(length)]
        for index in order.permutation(len(routes)):
            routes[index].segment(run[0])
            times[index, number] = [_ms(routes[index].segment, frame) for frame in run]
        tick()
    return [Frames(way.subject.name, way.bare, ms) for way, ms in zip(routes, times)]


def _ms(segment: Callable[[np.ndarray], np.ndarray], frame: np.ndarray) -> float:
    start = time.perf_counter()
    segment(frame)
    return (time.perf_counter() - start) * 1000


def _fps(ms: np.ndarray) -> np.ndarray:
    """Frames a second of times (..., rounds); the mean of rounds' rates would be another figure."""
    return 1000 / ms.mean(axis=-1)


def summarise(frames: Frames) -> dict[str, float | list[float]]:
    """`pipeline_*` figures of a report's `speed`, or `pipeline_bare_*`, with an FPS interval."""
    prefix = "pipeline_bare" if frames.bare else "pipeline"
    p50, p90, p99 = np.percentile(frames.ms, (50, 90, 99))
    rounds = frames.ms.mean(axis=1)
    return {
        f"{prefix}_fps": float(1000 / frames.ms.mean()),
        f"{prefix}_fps_ci": list(interval(rounds, statistic=_fps)),
        f"{prefix}_p50_ms": float(p50),
        f"{prefix}_p90_ms": float(p90),
        f"{prefix}_p99_ms": float(p99),
    }

"""Times of a stream per stage, and its frames, while it runs."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

import numpy as np

STAGES = ("capture", "preprocess", "infer", "temporal", "refine", "effect", "sink")
# Percentiles come from the newest samples: hours of a stream need bounded memory.
WINDOW = 20_000


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds that half, 95 % and 99 % of the samples stay below."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass
class Statistics:
    """Collects times from several threads. Reads a monotonic clock only."""

    samples: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=WINDOW) for stage in STAGES}
    )
    ages: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    frames: int = 0
    hidden: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _first: float | None = None
    _last: float | None = None
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=30))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as one sample of stage `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.samples[name].append(max(0.0, time.perf_counter() - start))

    def shown(self, captured: float) -> None:
        """Count a frame that was captured at `captured` and that the sink has taken now."""
        now = time.perf_counter()
        with self._lock:
            self.frames += 1
            self.ages.append(max(0.0, now - captured))
            self._recent.append(now)
            self._first = now if self._first is None else self._first
            self._last = now

    def fps(self) -> float:
        """Frames a second between the first and the last shown frame."""
        if self._first is None or self._last is None or self._last <= self._first:
            return 0.0
        return (self.frames - 1) / (self._last - self._first)

    def recent_fps(self) -> float:
        """The same over the newest frames, for a display."""
        with self._lock:
            if len(self._recent) < 2 or self._recent[-1] <= self._recent[0]:
                return 0.0
            return (len(self._recent) - 1) / (self._recent[-1] - self._recent[0])

    def last_age_ms(self) -> float:
        """Milliseconds from capture to display of the newest frame."""
        return self.ages[-1] * 1000 if self.ages else 0.0

    def age(self) -> Percentiles | None:
        """Percentiles of the time from capture to display; None before the first frame."""
        return percentiles(list(self.ages)) if self.ages else None

    def stages(self) -> dict[str, Percentiles]:
        """Percentiles of every stage that ran."""
        return {stage: percentiles(list(times)) for stage, times in self.samples.items() if times}

    def line(self, *, dropped: int = 0) -> str:
        """One JSON line of how it is going, for a log."""
        return json.dumps(
            {
                "fps": round(self.recent_fps(), 2),
                "frames": self.frames,
                "dropped": dropped,
                "hidden": self.hidden,
                "age_ms": round(self.last_age_ms(), 2),
            }
        )


@dataclass
class LineLog:
    """Writes `Statistics.line` to a stream every `every_s` seconds."""

    stream: TextIO
    every_s: float = 1.0
    _next: float = 0.0

    def maybe_write(self, statistics: Statistics, *, dropped: int) -> None:
        """Write a line where it is time to."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + self.every_s
            self.stream.write(statistics.line(dropped=dropped) + "\n")
            self.stream.flush()


def percentiles(seconds: list[float]) -> Percentiles:
    """Seconds -> percentiles in milliseconds, rounded to a microsecond."""
    values = np.percentile(np.asarray(seconds) * 1000, (50, 95, 99))
    return Percentiles(*(round(float(value), 3) for value in values))

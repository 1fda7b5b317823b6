"""A video file that keeps the time of a live source whose frames are dropped."""

from __future__ import annotations

import time

import numpy as np

from .sink import Sink


class RealTime(Sink):
    """Keeps a file in step with the clock while frames of a live source are dropped.

    A picture is written as often as its time lasts, at most for a second.
    """

    def __init__(self, sink: Sink, *, fps: float) -> None:
        self.alpha = sink.alpha
        self._sink = sink
        self._fps = fps
        self._start: float | None = None
        self._written = 0

    def write(self, picture: np.ndarray) -> None:
        """See Sink."""
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        # To the nearest: frames that come a little early or late are neither left out nor doubled.
        due = round((now - self._start) * self._fps) + 1
        # After a long pause the clock starts anew: it does not become a still picture.
        if due - self._written > self._fps:
            self._start, due, self._written = now, 1, 0
        for _ in range(due - self._written):
            self._sink.write(picture)
        self._written = max(self._written, due)

    def close(self) -> None:
        """See Sink."""
        self._sink.incomplete = self.incomplete
        self._sink.close()

    def abort(self) -> None:
        """See Sink."""
        self._sink.abort()

"""How a run is stopped before its end: its step in progress is finished, its checkpoint written."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from ..errors import EdgesegError, InputError


class Stopped(EdgesegError):
    """Training was asked to stop by a signal; its checkpoint is written."""

    exit_code = 128 + signal.SIGTERM


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`: the step in progress is finished and saved first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_step(until: int, *, at: int, steps: int) -> int:
    """`until`, for a run at step `at` of `steps`; InputError where that step is not to come."""
    if not at < until <= steps:
        raise InputError(
            f"until: got {until}, expected a step after {at}, where the run is, and up to "
            f"{steps}, where it ends"
        )
    return until

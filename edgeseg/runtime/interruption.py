"""How a stream is ended from outside: by the first signal in good order, by a second at once."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

# A signal so soon after the first is the same one: `timeout` and the like send it twice.
SAME_SIGNAL_S = 0.5


@contextlib.contextmanager
def interruptible(first: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM calls `first`, a second one raises KeyboardInterrupt.

    first: only sets a flag, for it runs in the middle of whatever the main thread does. In
    another thread than that one, which gets no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    since: float | None = None

    def interrupt(number: int, _: object) -> None:
        nonlocal since
        if since is None:
            since = time.monotonic()
            first()
        elif time.monotonic() - since > SAME_SIGNAL_S:
            raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

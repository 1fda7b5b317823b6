"""How a program of ours ends: one line for an error, a few for a summary, an exit code.

Brings nothing that takes long to import: a program can be interrupted from its beginning.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import EdgesegError

if TYPE_CHECKING:
    from .summary import Summary

# What a shell expects of a program that Ctrl-C has ended.
INTERRUPTED = 130


def exit_code_of(work: Callable[[], int]) -> int:
    """Run a program; an error of ours becomes one line on stderr and its exit code.

    So do Ctrl-C and SIGTERM, and a file that the system refuses.
    """
    try:
        with terminable(signal.default_int_handler):
            try:
                return work()
            finally:
                # What cannot be written would be a traceback at exit.
                if sys.stdout is not None:
                    sys.stdout.flush()
    except EdgesegError as error:
        print(f"edgeseg: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("edgeseg: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left.
        _drop_output()
        return 1
    except OSError as error:
        name = error.filename
        if name is None:
            name = "the output, or what else has no name"
            _drop_output()
        print(f"edgeseg: {name}: got {error.strerror or error}", file=sys.stderr)
        return EdgesegError.exit_code


def _drop_output() -> None:
    """Let what stdout still holds go nowhere: Python would complain of it again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextlib.contextmanager
def terminable(end: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """SIGTERM is an exception, which `end` raises, so that what is half made is cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report(summary: Summary) -> int:
    """Print a summary on stderr; returns the exit code of a stream that ended like this."""
    print("\n".join(lines(summary)), file=sys.stderr)
    if summary.interrupted:
        print(f"edgeseg: interrupted after {summary.frames} frames", file=sys.stderr)
        return INTERRUPTED
    return 0


def lines(summary: Summary) -> list[str]:
    """FPS, model, delegate and the time of every stage, as text."""
    from .statistics import STAGES

    devices = ", ".join(f"{count} {name}" for name, count in summary.ops_per_device.items())
    text = [
        f"model     {summary.model}, {summary.interpreter}, {summary.threads} thread(s)",
        f"delegate  {summary.delegate} (operators: {devices or 'unknown'})",
        f"frames    {summary.frames} shown, {summary.dropped} dropped, {summary.hidden} hidden",
        f"FPS       {summary.fps:.1f}",
        "stage        p50 ms   p95 ms   p99 ms",
    ]
    rows = [(stage, summary.stages[stage]) for stage in STAGES if stage in summary.stages]
    if summary.age is not None:
        rows.append(("frame age", summary.age))
    text += [f"{name:10} {t.p50_ms:8.2f} {t.p95_ms:8.2f} {t.p99_ms:8.2f}" for name, t in rows]
    return text + [f"warning   {warning}" for warning in summary.warnings]

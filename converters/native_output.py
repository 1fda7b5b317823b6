"""Keeping the converter's own chatter, in C++ and Python, out of what a command prints."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


def open_streams() -> None:
    """Standard output and error that the caller closed (`2>&-`) go nowhere instead.

    Else TensorFlow writes into whatever file gets their number next.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "w"))


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Swallow what is written to file descriptors 1 and 2 meanwhile, and Python's warnings.

    Both have to be open: see `open_streams`. Whoever wants to show progress meanwhile writes
    to a duplicate of a descriptor.
    """
    kept = [os.dup(1), os.dup(2)]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        levels = {name: logging.getLogger(name).level for name in ("absl", "tensorflow")}
        _set_levels(dict.fromkeys(levels, logging.CRITICAL))
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            for descriptor in kept:
                os.close(descriptor)
            _set_levels(levels)


def _set_levels(levels: dict[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)

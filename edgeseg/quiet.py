"""OpenCV kept from logging, from however many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

SILENT = 0  # a level of OpenCV's logging


class _Quiet:
    """How many threads want OpenCV to be quiet, and the level of before."""

    lock = threading.Lock()
    wanted = 0
    level = SILENT


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from logging what is about to be told in one line of ours."""
    # OpenCV has them in the one place up to 4.12 and in the other from 4.13 on.
    logging: Any = getattr(cv2.utils, "logging", cv2)
    with _Quiet.lock:
        if not _Quiet.wanted:
            _Quiet.level = logging.getLogLevel()
            logging.setLogLevel(SILENT)
        _Quiet.wanted += 1
    try:
        yield
    finally:
        # The last one to leave: another thread's level would be the silence of this one.
        with _Quiet.lock:
            _Quiet.wanted -= 1
            if not _Quiet.wanted:
                logging.setLogLevel(_Quiet.level)

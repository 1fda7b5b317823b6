"""Streams over the network through OpenCV, with every wait bounded."""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np

from ..errors import SourceError
from ..quiet import quiet_opencv
from .capture import REOPEN_S, Reopening, size_of
from .source import Source
from .timing import Length, sane_fps
from .web_file import is_file


class Stream(Source):
    """An RTSP or HTTP address: a live stream, or a file behind HTTP that has an end.

    wait_s: how long the address may be silent, when opened and between two frames.
    """

    def __init__(self, url: str, *, wait_s: float = 10.0, reopen_s: float = REOPEN_S) -> None:
        self._url = url
        self._wait_s = wait_s
        self.description = url
        start = time.monotonic()
        first = self._open()
        if first is None:
            waited = time.monotonic() - start >= 0.9 * wait_s
            what = f"within {wait_s:g} s" if waited else "(refused, not found, or of another kind)"
            raise SourceError(f"{url}: got no video {what}, expected a stream or a video file")
        frames = int(first.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = frames if frames > 0 else None
        self.live = self.count is None and not is_file(url, wait_s=wait_s)
        self.ends = not self.live
        self.fps = sane_fps(first.get(cv2.CAP_PROP_FPS))
        self.size = size_of(first)
        self._first = first
        self._length = Length(first, fps=self.fps)
        # Opened once above; a stream opens anew only when it stops.
        waiting = [first]
        self._reopening = Reopening(
            url, lambda: waiting.pop() if waiting else self._open(), reopen_s=reopen_s
        )

    def read(self) -> np.ndarray | None:
        """See Source."""
        if self.live:
            return self._reopening.read()
        ok, frame = self._first.read()
        if ok:
            self._length.another()
            return frame
        if not self._length.frames:
            raise SourceError(
                f"{self._url}: got a video without a single readable frame, expected some; "
                "a file with its index at the end needs a server that sends parts of files"
            )
        self._length.tell(self.description)
        return None

    def interrupt(self) -> None:
        """See Source."""
        self._reopening.interrupt()

    def close(self) -> None:
        """See Source."""
        self._reopening.close()

    def _open(self) -> cv2.VideoCapture | None:
        milliseconds = int(self._wait_s * 1000)
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            milliseconds,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            milliseconds,
        ]
        box: list[cv2.VideoCapture] = []

        def work() -> None:
            with quiet_opencv():
                box.append(cv2.VideoCapture(self._url, cv2.CAP_FFMPEG, limits))

        # FFmpeg's own limit does not cover looking the name up.
        thread = threading.Thread(target=work, name="edgeseg-open", daemon=True)
        thread.start()
        thread.join(self._wait_s + 1)
        return box[0] if box and box[0].isOpened() else None

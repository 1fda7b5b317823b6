"""Video files and cameras through OpenCV; a camera that vanishes is opened again."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from ..errors import SourceError
from ..file_names import opencv_name
from ..quiet import quiet_opencv
from .source import Source
from .timing import Length, file_fps, sane_fps

# FFmpeg's own remarks would stand around our one line. Read when a capture is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# How long a camera that vanished is looked for, and the pauses between two looks.
REOPEN_S = 60.0
LARGEST_INDEX = 2**31 - 1  # that OpenCV takes
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 4.0
# What is opened again and gives frames for less long has not come back.
STEADY_S = 5.0


class VideoFile(Source):
    """Every frame of a video file. SourceError where it is unreadable, empty or no video."""

    ends = True

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            size = path.stat().st_size
        except OSError as error:
            raise SourceError(f"{path}: got no readable file ({error.strerror})") from None
        if size == 0:
            raise SourceError(f"{path}: got an empty file, expected a video")
        with quiet_opencv():
            self._capture = cv2.VideoCapture(opencv_name(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(
                f"{path}: got something that is no video OpenCV can read, expected a whole video"
            )
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = file_fps(stated, path)
        frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        # Often a guess by the stated rate, not to be believed where that is not.
        self.count = frames if frames > 0 and self.fps == stated else None
        self.description = f"video {path}"
        self.sound = path
        self.size = size_of(self._capture)
        self._length = Length(self._capture, fps=self.fps, path=path)

    def read(self) -> np.ndarray | None:
        """See Source."""
        ok, frame = self._capture.read()
        if ok:
            self._length.another()
            return frame
        if not self._length.frames:
            raise SourceError(f"{self._path}: got a video without a single readable frame")
        self._length.tell(self.description)
        return None

    def close(self) -> None:
        """See Source."""
        self._capture.release()


class Reopening(Source):
    """A live capture that is opened again, with growing pauses, when it stops giving frames."""

    live = True

    def __init__(
        self, description: str, opener: Callable[[], cv2.VideoCapture | None], *, reopen_s: float
    ) -> None:
        self.description = description
        self.reopened = 0
        self._opener = opener
        self._reopen_s = reopen_s
        self._closing = threading.Event()
        self._pause = FIRST_PAUSE_S
        self._back = -math.inf
        capture = opener()
        if capture is None:
            raise SourceError(f"{description}: got no picture from it")
        self._capture: cv2.VideoCapture = capture
        self.fps = sane_fps(self._capture.get(cv2.CAP_PROP_FPS))
        self.size = size_of(self._capture)

    def read(self) -> np.ndarray | None:
        """See Source; None once it was closed."""
        ok, frame = self._capture.read()
        if ok:
            return frame
        return self._read_again()

    def _read_again(self) -> np.ndarray | None:
        if time.monotonic() - self._back >= STEADY_S:
            print(f"edgeseg: {self.description} gives no frames; opening it again", file=sys.stderr)
            self._pause = FIRST_PAUSE_S
        deadline = time.monotonic() + self._reopen_s
        while time.monotonic() < deadline:
            self._capture.release()
            if self._closing.wait(self._pause):
                return None
            self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
            capture = self._opener()
            if capture is None:
                continue
            self._capture = capture
            ok, frame = capture.read()
            if ok:
                self.reopened += 1
                self._back = time.monotonic()
                return frame
        raise SourceError(f"{self.description}: gone for {self._reopen_s:g} s, expected frames")

    def interrupt(self) -> None:
        """See Source."""
        self._closing.set()

    def close(self) -> None:
        """See Source."""
        self._closing.set()
        self._capture.release()


class Camera(Reopening):
    """A camera by index ("0"), device path ("/dev/video0") or, on Linux, part of its name."""

    def __init__(
        self, name: str, *, size: tuple[int, int] | None = None, reopen_s: float = REOPEN_S
    ) -> None:
        index = self.find(name)
        if index is None:
            raise SourceError(f"camera {name}: got no camera of that name")
        self._index = index
        self._size = size
        try:
            super().__init__(f"camera {name}", self._open, reopen_s=reopen_s)
        except SourceError:
            raise SourceError(
                f"camera {name}: got no camera there that gives frames, expected one; "
                "try another index, or --source sample"
            ) from None

    @staticmethod
    def find(name: str) -> int | None:
        """Index of a camera by what a user calls it, or None."""
        number = name.removeprefix("/dev/video")
        if number.isdecimal():
            return int(number) if int(number) <= LARGEST_INDEX else None
        for entry in sorted(Path("/sys/class/video4linux").glob("video*")):
            title = (entry / "name").read_text(encoding="utf-8", errors="replace")
            if name and name.lower() in title.lower():
                return int(entry.name[5:])
        return None

    def _open(self) -> cv2.VideoCapture | None:
        with quiet_opencv():
            capture = cv2.VideoCapture(self._index)
            if not capture.isOpened():
                return None
            if self._size is not None:
                capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
                capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
            # The driver's queue is where stale frames come from.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture


def size_of(capture: cv2.VideoCapture) -> tuple[int, int] | None:
    """(width, height) of a capture's frames, or None where it does not say."""
    width, height = (
        int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    return (width, height) if width > 0 and height > 0 else None

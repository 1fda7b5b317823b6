"""Where frames come from: one class per kind, and `open_source` that reads a user's word for it."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from pathlib import Path

import numpy as np

from ..errors import InputError, SourceError
from ..image_files import image_paths, is_image, read_image
from .capture import Camera, VideoFile
from .network_stream import Stream
from .sample import Sample
from .source import Source

LARGEST_SIDE = 16384
URL_SCHEMES = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "tcp://")


class Folder(Source):
    """The images of a folder by name. SourceError where there are none."""

    ends = True

    def __init__(self, path: Path, *, fps: float = 25.0) -> None:
        self.fps = fps
        self.paths = image_paths(path)
        self.count = len(self.paths)
        self.description = f"folder {path} ({self.count} images)"
        self._next = 0

    def read(self) -> np.ndarray | None:
        """See Source."""
        if self._next >= len(self.paths):
            return None
        self._next += 1
        return read_image(self.paths[self._next - 1])


class RawInput(Source):
    """Raw BGR frames of one size on a file descriptor, such as `ffmpeg -f rawvideo` writes.

    wait_s: how long to wait for more bytes before SourceError. A last frame that
    is not complete is an error too, for something has died upstream.
    """

    ends = True

    def __init__(
        self, *, width: int, height: int, fps: float = 30.0, wait_s: float = 10.0, fd: int = 0
    ) -> None:
        self.fps = fps
        self.description = f"raw {width}x{height} BGR frames on stdin"
        self.size = width, height
        self._shape = (height, width, 3)
        self._wait_s = wait_s
        self._fd = fd
        self._interrupted = False

    def read(self) -> np.ndarray | None:
        """See Source."""
        frame = np.empty(self._shape, np.uint8)
        view = memoryview(frame.data).cast("B")
        filled = 0
        while filled < len(view) and self._wait(filled):
            count = os.readv(self._fd, [view[filled:]])
            if count == 0:
                break
            filled += count
        if filled == 0 or self._interrupted:
            return None
        if filled < len(view):
            raise SourceError(
                f"stdin: got {filled} bytes of a last frame, expected {len(view)} "
                f"({self._shape[1]}x{self._shape[0]} BGR)"
            )
        return frame

    def interrupt(self) -> None:
        """See Source."""
        self._interrupted = True

    def _wait(self, filled: int) -> bool:
        """Wait for bytes; False once interrupted. SourceError after too long."""
        deadline = time.monotonic() + self._wait_s
        while not self._interrupted:
            if select.select([self._fd], [], [], 0.1)[0]:
                return True
            if time.monotonic() > deadline:
                raise SourceError(
                    f"stdin: got nothing for {self._wait_s:g} s ({filled} bytes into a frame), "
                    "expected raw BGR frames"
                )
        return False


def parse_size(text: str | None) -> tuple[int, int] | None:
    """ "1280x720" -> (1280, 720), width first; None stays None."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        width, height = int(parts[0]), int(parts[1])
        if 0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE:
            return width, height
    raise InputError(
        f"size: got {text!r}, expected WIDTHxHEIGHT such as 1280x720, each at most {LARGEST_SIDE}"
    )


def open_source(name: str, *, size: tuple[int, int] | None = None, wait_s: float = 10.0) -> Source:
    """Open what a user calls a source.

    name: "sample", a camera's index, device path or name, a video file, an image,
        a folder of images, an rtsp:// or http:// address, or "-" for raw frames
        on stdin.
    size: (width, height) of the sample, of a camera, and of raw frames.
    wait_s: how long an address or stdin may be silent.
    Raises SourceError that says what was got and what was expected.
    """
    if name == "sample":
        return Sample(size=size or (1280, 720))
    if name == "-":
        if size is None:
            raise SourceError("stdin: got no size, expected --size WIDTHxHEIGHT for raw frames")
        if os.name == "nt":
            raise SourceError("stdin: got raw frames on Windows, where they are not read yet")
        if sys.stdin is None:
            raise SourceError("stdin: got a closed one, expected a pipe or file with raw frames")
        return RawInput(width=size[0], height=size[1], wait_s=wait_s, fd=sys.stdin.fileno())
    if name.lower().startswith(URL_SCHEMES):
        # FFmpeg knows its protocols in small letters only.
        scheme, _, rest = name.partition("://")
        return Stream(f"{scheme.lower()}://{rest}", wait_s=wait_s)
    if name.isdecimal() or name.startswith("/dev/video"):
        return Camera(name, size=size)
    path = Path(name)
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Still(path) if is_image(path) else VideoFile(path)
    if Camera.find(name) is not None:
        return Camera(name, size=size)
    raise SourceError(
        f"{name}: got no such file, folder or camera, expected sample, a camera, a video file, "
        "a folder of images, an rtsp:// or http:// address, or - for stdin"
    )


class Still(Source):
    """One image as a source of one frame, or with `stay` of that frame for ever."""

    fps = 25.0
    ends = True
    count: int | None = 1

    def __init__(self, path: Path) -> None:
        self.description = f"image {path}"
        frame = read_image(path)
        self.size = frame.shape[1], frame.shape[0]
        self._frame: np.ndarray | None = frame

    def stay(self) -> None:
        """For somebody who looks at it: often enough that a key's effect is seen at once."""
        self.ends, self.count, self.fps = False, None, 5.0

    def read(self) -> np.ndarray | None:
        """See Source."""
        frame = self._frame
        if self.ends:
            self._frame = None
        return frame


class Paced(Source):
    """Any source, slowed down to `fps`: for a display, and to spare a processor."""

    def __init__(self, source: Source, *, fps: float) -> None:
        self._source = source
        self.fps = fps
        self.live = True
        self.description = source.description
        self.sound = source.sound
        self.ends = source.ends
        self.count = source.count
        self.size = source.size
        self._due: float | None = None
        self._leaving = threading.Event()

    def read(self) -> np.ndarray | None:
        """See Source."""
        frame = self._source.read()
        now = time.monotonic()
        # A late frame starts a new beat: catching up would be a burst.
        self._due = now if self._due is None else max(self._due + 1 / (self.fps or 30), now - 0.1)
        if self._due > now:
            self._leaving.wait(self._due - now)
        return frame

    def close(self) -> None:
        """See Source."""
        self._source.close()

    def interrupt(self) -> None:
        """See Source."""
        self._leaving.set()
        self._source.interrupt()

"""Where pictures go: one class per kind, and `open_sink` that reads a user's word for it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError, SinkError
from ..quiet import quiet_opencv
from .mjpeg import MjpegPage
from .sink import Sink
from .video_file import VIDEO_SUFFIXES, VideoSink
from .virtual_camera import VirtualCamera
from .window import Window


@dataclass(frozen=True)
class Display:
    """What a window asks of the pipeline: keys go in, a status line comes out."""

    on_key: Callable[[str], None]
    status: Callable[[], str]


class RawOutput(Sink):
    """Raw frames on a file descriptor: BGR, or BGRA where the effect has alpha."""

    def __init__(self, *, fd: int = 1) -> None:
        self._fd = fd

    def write(self, picture: np.ndarray) -> None:
        """See Sink."""
        view = np.ascontiguousarray(picture).data.cast("B")
        try:
            # Not through sys.stdout, whose lock a blocked write would hold at exit.
            while view:
                view = view[os.write(self._fd, view) :]
        except BrokenPipeError:
            raise SinkError("stdout: got a closed pipe, nobody reads the frames") from None
        except OSError as error:
            raise SinkError(f"stdout: got {error.strerror} when writing a frame") from None


class ImageFolder(Sink):
    """A numbered PNG for every picture, with alpha where the effect has it."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{folder}: got {error.strerror}, expected a folder") from None
        self._folder = folder
        self._next = 0

    def write(self, picture: np.ndarray) -> None:
        """See Sink."""
        write_image(self._folder / f"{self._next:05d}.png", picture)
        self._next += 1


def write_image(path: Path, picture: np.ndarray) -> None:
    """Write an image beside `path` and rename it. SinkError where that fails."""
    check_image_path(path)
    ok = False
    # OpenCV raises for a suffix it does not know, and says False for some that it only reads.
    with quiet_opencv(), contextlib.suppress(cv2.error):
        ok, data = cv2.imencode(path.suffix or ".png", picture)
    if not ok:
        raise SinkError(
            f"{path}: got {path.suffix!r} for {picture.shape[1]}x{picture.shape[0]} pixels, "
            "expected .png, or .jpg or .webp where their limits of size allow it"
        )
    beside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data.tobytes())
        os.replace(beside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise SinkError(f"{path}: got {error.strerror} when writing it") from None


def check_image_path(path: Path) -> None:
    """Raise SinkError for a suffix of no image, and for what is a folder or device."""
    # A name of other bytes than UTF-8 would crash OpenCV, which asks for the suffix alone.
    suffix = path.suffix
    if suffix and not (suffix.isascii() and cv2.haveImageWriter(f"image{suffix}")):
        raise _unknown_format(path)
    if path.exists() and not path.is_file():
        raise SinkError(f"{path}: got a folder or device, expected a file to write the image to")


def _unknown_format(path: Path) -> SinkError:
    return SinkError(f"{path}: got {path.suffix!r}, expected .png, .jpg or .webp")


def is_folder(name: str) -> bool:
    """Whether a sink of this name is a folder of pictures."""
    return name.endswith(("/", os.sep)) or (bool(name) and Path(name).is_dir())


def is_video(name: str) -> bool:
    """Whether a sink of this name is a video file."""
    return not is_folder(name) and Path(name).suffix.lower() in VIDEO_SUFFIXES


def open_sink(
    name: str,
    *,
    fps: float = 30.0,
    sound: Path | None = None,
    display: Display | None = None,
    public: bool = False,
) -> Sink:
    """Open what a user calls a sink.

    name: "none", "window", a video file, a folder (with a slash at its end) for
        PNGs, "-" for raw frames on stdout, "mjpeg" or "mjpeg:PORT" for a page to
        watch in a browser, "virtualcam" or "virtualcam:DEVICE".
    fps: rate of a video file and a virtual camera. sound: file whose sound a video
        file gets. display: what the window shows and whom it tells of keys.
    public: let the MJPEG page be reached from other machines.
    Raises SinkError or InputError that says what was got and what was expected.
    """
    kind, _, detail = name.partition(":")
    if name == "none":
        return Sink()
    if name == "-":
        if sys.stdout is None:
            raise SinkError("stdout: got a closed one, expected a pipe or file for raw frames")
        if sys.stdout.isatty():
            raise SinkError("stdout: got a terminal, expected a pipe or file for raw frames")
        return RawOutput()
    if name == "window":
        return Window(display.on_key if display else None, display.status if display else None)
    if kind == "mjpeg":
        return MjpegPage(port=_port(name, detail), public=public)
    if kind == "virtualcam":
        return VirtualCamera(fps=fps, device=detail or None)
    if is_folder(name):
        return ImageFolder(Path(name))
    if is_video(name):
        return VideoSink(Path(name), fps=fps, sound=sound)
    raise InputError(
        f"sink: got {name!r}, expected none, window, a video file "
        f"({' '.join(VIDEO_SUFFIXES)}), a folder with / at its end, -, mjpeg[:PORT] "
        "or virtualcam[:DEVICE]"
    )


def _port(name: str, detail: str) -> int:
    """The number after "mjpeg:", 0 where there is none."""
    port = int(detail or 0) if detail.isdecimal() or not detail else -1
    if not 0 <= port <= 65535:
        raise InputError(f"sink: got {name!r}, expected mjpeg:PORT with a number up to 65535")
    return port

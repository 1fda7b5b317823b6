"""Frames into a video file: through a process of ffmpeg, or through OpenCV."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import IO, cast

import cv2
import numpy as np

from ..errors import SinkError
from ..file_names import opencv_name
from ..quiet import quiet_opencv

FRAGMENTED = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
# OpenCV does not say that a disk is full: writing stops while so much is left.
SPARE_BYTES = 32 * 2**20
FINISH_S = 120.0
# What Windows has in the place of a new session.
OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


class FfmpegWriter:
    """Raw frames into the standard input of an ffmpeg process."""

    def __init__(
        self, path: Path, size: tuple[int, int], channels: int, fps: float, codec: list[str]
    ) -> None:
        self._path = path
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        source = ["-f", "rawvideo", "-pix_fmt", "bgra" if channels == 4 else "bgr24"]
        # 29.97 frames a second are 30000/1001.
        rate = Fraction(fps).limit_denominator(1001)
        source += ["-s", f"{size[0]}x{size[1]}", "-r", str(rate), "-i", "-"]
        # What is encoded goes to the disk at once, should this process or ffmpeg be killed.
        flush = ["-flush_packets", "1"]
        self._process = subprocess.Popen(
            [str(ffmpeg()), "-y", "-loglevel", "error", *source, *codec, *flush, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            # Ctrl-C is for us: ffmpeg has to finish the file.
            start_new_session=True,
            creationflags=OWN_GROUP,
        )
        self._input = cast(IO[bytes], self._process.stdin)

    def write(self, picture: np.ndarray) -> None:
        """One frame. SinkError with ffmpeg's reason once it has given up."""
        try:
            self._input.write(np.ascontiguousarray(picture).data.cast("B"))
        except (BrokenPipeError, ValueError):
            self._process.wait(FINISH_S)
            raise SinkError(f"{self._path}: ffmpeg stopped writing ({self._reason()})") from None

    def close(self) -> None:
        """Wait until the file is complete."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            code = self._process.wait(FINISH_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            self._process.kill()
            code = self._process.wait()
            if isinstance(error, KeyboardInterrupt):
                raise
        reason, failed = self._reason(), code != 0 or complains_of(self._stderr(), self._path)
        self._errors.close()
        if failed:
            raise SinkError(f"{self._path}: ffmpeg could not finish the video ({reason})")

    def abort(self) -> None:
        """Kill the process, so that a blocked write returns."""
        self._process.kill()

    def _stderr(self) -> bytes:
        self._errors.seek(0)
        return self._errors.read()

    def _reason(self) -> str:
        lines = self._stderr().decode("utf-8", "replace").strip().splitlines()
        return lines[0] if lines else f"exit code {self._process.returncode}"


class OpenCvWriter:
    """MPEG-4 or VP8 through OpenCV's own FFmpeg, which is always there."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self._path = path
        code = "VP80" if path.suffix.lower() == ".webm" else "mp4v"
        with quiet_opencv():
            self._writer = cv2.VideoWriter(
                opencv_name(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), fps, size
            )
        if not self._writer.isOpened():
            raise SinkError(f"{path}: got no video writer for {path.suffix}, {size}, {fps:g} fps")
        self._frames = 0

    def write(self, picture: np.ndarray) -> None:
        """One frame. SinkError once the disk is all but full."""
        if self._frames % 16 == 0 and shutil.disk_usage(self._path.parent).free < SPARE_BYTES:
            raise SinkError(f"{self._path}: the disk is full")
        self._frames += 1
        self._writer.write(picture[..., :3])

    def close(self) -> None:
        """Write the index; without it an .mp4 does not play."""
        self._writer.release()

    def abort(self) -> None:
        """Nothing here blocks for long."""


def ffmpeg() -> str | None:
    """Path of the ffmpeg program, or None."""
    return shutil.which("ffmpeg")


def codec_of(suffix: str, *, alpha: bool) -> list[str]:
    """ffmpeg's arguments for the picture; even sizes where the format asks for them."""
    even = ["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2"]
    if suffix == ".mov" and alpha:
        return ["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", *FRAGMENTED]
    if suffix == ".webm":
        pixels = "yuva420p" if alpha else "yuv420p"
        fast = ["-deadline", "realtime", "-cpu-used", "8", "-crf", "28", "-b:v", "0"]
        return ["-c:v", "libvpx-vp9", "-pix_fmt", pixels, *fast, "-auto-alt-ref", "0", *even]
    # Key frames every second or so: a fragment ends at each.
    h264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
    if suffix == ".avi":
        # It has no times of display, which frames out of order would need.
        h264 += ["-bf", "0"]
    return [*h264, "-g", "30", *even, *(FRAGMENTED if suffix in (".mp4", ".mov") else [])]


def complains_of(errors: bytes, path: Path) -> bool:
    """Whether ffmpeg complains of a file: where the disk is full at its end, the exit code is 0."""
    return os.fsencode(path) in errors

"""Video files: through ffmpeg where it is installed, through OpenCV where not.

What is being written lies beside its final name. With ffmpeg it is fragmented, so
that it plays up to its end whatever happens to the process; at the end it is
rewritten in the usual order, with the source's sound.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from ..errors import SinkError
from ..file_names import opencv_name
from .probe import picture_begins_s
from .sink import Sink
from .video_writers import (
    FINISH_S,
    OWN_GROUP,
    FfmpegWriter,
    OpenCvWriter,
    codec_of,
    complains_of,
    ffmpeg,
)

log = logging.getLogger("edgeseg")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
# Containers that hold a codec with alpha: ProRes 4444 and VP9.
ALPHA_SUFFIXES = (".mov", ".webm")


class VideoSink(Sink):
    """A video file of constant size and rate; the first picture decides the size.

    path: its suffix decides the container. fps: frames a second. sound: a file
    whose sound goes into the video, where ffmpeg is there.
    Raises SinkError where the file cannot be written or is the one with the sound, and
    when the disk is full; what was written until then plays. A file that was there before is
    only replaced by a whole one: else what was written keeps its own name, which is told.
    """

    def __init__(self, path: Path, *, fps: float, sound: Path | None = None) -> None:
        if sound is not None and path.exists() and path.samefile(sound):
            raise SinkError(f"{path}: got the source itself, expected another file to write to")
        self._path = path
        self._fps = fps
        self._sound = sound
        self._part: Path  # from the first picture on
        self._writer: FfmpegWriter | OpenCvWriter | None = None
        self._size = (0, 0)
        self._count = 0
        self.alpha = path.suffix.lower() in ALPHA_SUFFIXES
        if ffmpeg() is None:
            opencv_name(path)
            lost = "no sound and no alpha" if self.alpha else "no sound"
            print(f"edgeseg: no ffmpeg on PATH: {path} gets {lost}", file=sys.stderr)
            self.alpha = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{path}: got {error.strerror}, expected a place to write to") from None
        # Asked before the first frame; whoever is stopped until then leaves nothing behind.
        _reserved(path, "part").unlink()

    def write(self, picture: np.ndarray) -> None:
        """See Sink. A picture of another size is resized to the first one's."""
        if self._writer is None:
            self._size = (picture.shape[1], picture.shape[0])
            self._writer = self._open(picture.shape[2])
        if (picture.shape[1], picture.shape[0]) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture)
        self._count += 1

    def close(self) -> None:
        """See Sink. The file gets its name here, unless a whole one has it and this is a part."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        hurried = False
        try:
            writer.close()
        except BaseException as error:
            # Whoever presses Ctrl-C again does not wait for the order and the sound.
            self.incomplete, hurried = True, isinstance(error, KeyboardInterrupt)
            raise
        finally:
            if self._part.exists() and self._part.stat().st_size == 0:
                # Refused from the beginning, such as by an ffmpeg without this codec.
                self._part.unlink()
            elif hurried or (self.incomplete and self._path.exists()):
                self._name()
            else:
                self._finish()

    def abort(self) -> None:
        """See Sink."""
        if self._writer is not None:
            self._writer.abort()

    def _open(self, channels: int) -> FfmpegWriter | OpenCvWriter:
        self._part = _reserved(self._path, "part")
        if ffmpeg() is not None:
            codec = codec_of(self._path.suffix.lower(), alpha=channels == 4)
            return FfmpegWriter(self._part, self._size, channels, self._fps, codec)
        try:
            return OpenCvWriter(self._part, self._size, self._fps)
        except SinkError:
            self._part.unlink()
            raise

    def _finish(self) -> None:
        """Rewrite the fragments in the usual order, or rename them where that fails."""
        if ffmpeg() is not None:
            ordered = _reserved(self._path, "ordered")
            try:
                if _rewrite(self._part, self._sound, ordered, self._count / self._fps):
                    os.replace(ordered, self._path)
                    self._part.unlink(missing_ok=True)
                    return
            except KeyboardInterrupt:
                self._name()
                raise
            finally:
                ordered.unlink(missing_ok=True)
        if self._part.exists():
            os.replace(self._part, self._path)

    def _name(self) -> None:
        """Give what was written the name as it is, unless a whole video has it."""
        if self._path.exists():
            news = f"{self._path} is as it was, what was written is {self._part}"
            print(f"edgeseg: {news}", file=sys.stderr)
        else:
            os.replace(self._part, self._path)


def _reserved(path: Path, word: str) -> Path:
    """A new, empty file beside `path`: NAME.part.mp4, or NAME.part2.mp4 where that is taken.

    What has such a name may be left of a killed process, and wanted. SinkError where nothing
    can be written there.
    """
    beside, number = path.with_name(f"{path.stem}.{word}{path.suffix}"), 1
    while True:
        try:
            beside.open("xb").close()
        except FileExistsError:
            number += 1
            beside = path.with_name(f"{path.stem}.{word}{number}{path.suffix}")
        except OSError as error:
            raise SinkError(f"{path}: got {error.strerror}, expected a place to write to") from None
        else:
            return beside


def _rewrite(part: Path, sound: Path | None, target: Path, seconds: float) -> bool:
    """Copy the picture and encode `seconds` of the sound; False where ffmpeg cannot."""
    codec = {".mkv": "copy", ".webm": "libopus"}.get(part.suffix.lower(), "aac")
    # Not "-shortest", by which sound that ends early would end the picture as well.
    extra = []
    if sound is not None:
        # The picture begins at 0 here, however late it does in the source.
        late = picture_begins_s(sound)
        extra = ["-ss", f"{late:.6f}"] if late else []
        extra += ["-t", f"{seconds:.6f}", "-i", str(sound)]
    maps = ["-map", "0:v", "-map", "1:a?", "-c:a", codec] if extra else ["-map", "0:v"]
    faststart = ["-movflags", "+faststart"]
    # The sound begins a little before 0, and an .avi would show its first frame twice as long.
    early = ["-avoid_negative_ts", "disabled"]
    order = {".mp4": faststart, ".mov": faststart, ".avi": early}.get(part.suffix.lower(), [])
    command = [str(ffmpeg()), "-y", "-loglevel", "error", "-i", str(part), *extra, *maps]
    try:
        done = subprocess.run(
            [*command, "-c:v", "copy", *order, str(target)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            # Sound of hours takes a slow processor minutes.
            timeout=FINISH_S + seconds,
            start_new_session=True,
            creationflags=OWN_GROUP,
            check=False,
        )
        failed = done.returncode != 0 or complains_of(done.stderr, target)
    except subprocess.TimeoutExpired:
        failed = True
    if failed and sound is not None and _rewrite(part, None, target, seconds):
        log.warning("%s: its sound could not be taken over", sound)
        return True
    return not failed

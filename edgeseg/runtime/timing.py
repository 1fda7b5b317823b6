"""The rate and the length of a video file: what it states, and whether that is to be believed."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import cv2

from .probe import goes_on_at, mean_fps

# A file whose last frame comes before this share of the time it states is told of.
WHOLE = 0.9
# Frames a second that are believed unseen, from a slide show to a fast camera.
SLOWEST, FASTEST = 1 / 60, 240
# So many frames tell a file's rate where ffprobe is not there to read all of their times.
FIRST_FRAMES = 100
# A mean rate so near to the stated one is the stated one.
NEAR = 0.02


class Length:
    """How far into a file its frames have come, to tell of one that was cut off.

    fps: the rate that is believed. path: of the file, where it is one here.
    """

    def __init__(self, capture: cv2.VideoCapture, *, fps: float, path: Path | None = None) -> None:
        self.frames = 0
        self._path = path
        self._capture = capture
        self._rate = fps
        # The number is a guess by the stated rate where it is not known.
        stated = capture.get(cv2.CAP_PROP_FPS)
        self._stated_s = capture.get(cv2.CAP_PROP_FRAME_COUNT) / (stated or fps)
        self._time_s = 0.0

    def another(self) -> None:
        """Count a frame that was read."""
        self.frames += 1
        self._time_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def tell(self, description: str) -> None:
        """Say it where the frames have ended long before the time that the file states."""
        # Some containers have no times, and a variable rate makes the count a guess.
        end_s = max(self._time_s + 1 / self._rate, self.frames / self._rate)
        enough_s = WHOLE * self._stated_s
        # Some state how long they are with their sound, which may be longer than the picture.
        if end_s < enough_s and not (self._path and goes_on_at(self._path, enough_s)):
            _tell_cut_off(description, f"{end_s:.1f} s of {self._stated_s:.1f} s")


@functools.cache
def _tell_cut_off(description: str, what: str) -> None:
    """One line, and no other when a background is repeated."""
    print(f"edgeseg: {description} has frames for {what}; is it cut off?", file=sys.stderr)


def sane_fps(fps: float) -> float:
    """The rate a container or driver states, or 30 where it states nonsense."""
    return fps if SLOWEST <= fps <= FASTEST else 30.0


@functools.cache  # One line, and no other when a background is repeated.
def file_fps(stated: float, path: Path) -> float:
    """The rate that a file states; where that is beyond most cameras', as its frames have it.

    Some .webm files state the 1000 ticks a second of their clock, a slow motion its 480 frames.
    """
    if stated <= FASTEST:
        return sane_fps(stated)
    fps = mean_fps(path) or first_fps(path) or sane_fps(stated)
    if abs(fps / stated - 1) <= NEAR:
        return stated
    print(f"edgeseg: {path} states {stated:g} frames a second; taking {fps:.4g}", file=sys.stderr)
    return fps


def first_fps(path: Path) -> float:
    """The rate at which a file's first frames follow each other; 0 where they have no times."""
    times: list[float] = []
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while len(times) < FIRST_FRAMES and capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    capture.release()
    lasted = max(times) - min(times) if times else 0.0
    return (len(times) - 1) / lasted if lasted > 0 else 0.0

"""The rate and the length of a video file: what it states, and whether that is to be believed."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import cv2

from .probe import goes_on_at

# A file whose last frame comes before this share of the time it states is told of.
WHOLE = 0.9
# Frames a second that are believed, from a slide show to a fast camera.
SLOWEST, FASTEST = 1 / 60, 240


class Length:
    """How far into a file its frames have come, to tell of one that was cut off.

    path: of the file, where it is one here.
    """

    def __init__(self, capture: cv2.VideoCapture, path: Path | None = None) -> None:
        self.frames = 0
        self._path = path
        self._capture = capture
        self._rate = sane_fps(capture.get(cv2.CAP_PROP_FPS))
        self._stated_s = capture.get(cv2.CAP_PROP_FRAME_COUNT) / self._rate
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

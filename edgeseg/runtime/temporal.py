"""Temporal filters: they keep a mask still. State is explicit; reset() clears it.

Every filter maps the scores of a frame, float32 (h, w, classes) in [0, 1], and its
thumbnail (see `motion`) to scores of the same shape, which become `previous`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from ..errors import InputError
from .motion import FlowWarp


class TemporalFilter(Protocol):
    """What the segmenter asks of a filter."""

    previous: np.ndarray | None

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """Filtered scores; they become `previous`."""

    def reset(self) -> None:
        """Forget every earlier frame."""


class NoFilter:
    """The network's scores as they are."""

    def __init__(self) -> None:
        self.previous: np.ndarray | None = None

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        self.previous = scores
        return scores

    def reset(self) -> None:
        """See TemporalFilter."""
        self.previous = None


class Ema(NoFilter):
    """Exponential moving average; `keep` is the share of the previous mask, 0 to 1."""

    def __init__(self, *, keep: float = 0.5) -> None:
        super().__init__()
        self._keep = np.float32(keep)

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        if self.previous is not None:
            scores = scores + (self.previous - scores) * self._keep
        self.previous = scores
        return scores


class Blend(NoFilter):
    """MediaPipe's blend: the less certain a score is, the more of the previous one stays.

    ratio: share of the previous mask where the new one is 0.5.
    """

    def __init__(self, *, ratio: float = 0.9) -> None:
        super().__init__()
        self._ratio = np.float32(ratio)

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        if self.previous is not None:
            scores = scores + (self.previous - scores) * (uncertainty(scores) * self._ratio)
        self.previous = scores
        return scores


class Flow(NoFilter):
    """The blend with a previous mask that optical flow has moved along, and with hysteresis.

    Moved along, the previous mask no longer trails what it covers, so that more of
    it can stay: `ratio` is its share where the new score is 0.5. What is left of
    flicker are scores that cross 0.5 and come back: undecided scores are pushed
    towards the side of the previous mask by up to `push`.
    """

    def __init__(self, *, ratio: float = 1.0, push: float = 0.1) -> None:
        super().__init__()
        self._ratio = np.float32(ratio)
        self._push = np.float32(push)
        self._warp = FlowWarp()
        self._before: np.ndarray | None = None

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        if self.previous is not None and self._before is not None:
            moved = self._warp(self.previous, self._before, thumbnail)
            scores = scores + (moved - scores) * (uncertainty(scores) * self._ratio)
            side = np.clip((moved - 0.5) * 4, -1, 1)
            undecided = np.clip(2 - np.abs(scores - 0.5) * 4, 0, 1)
            scores = np.clip(scores + side * undecided * self._push, 0, 1)
        self.previous, self._before = scores, thumbnail
        return scores

    def reset(self) -> None:
        """See TemporalFilter."""
        super().reset()
        self._before = None


FILTERS: dict[str, Callable[[], TemporalFilter]] = {
    "none": NoFilter,
    "ema": Ema,
    "blend": Blend,
    "flow": Flow,
}


def make_filter(name: str) -> TemporalFilter:
    """A new filter by name; InputError lists the names where there is none such."""
    if name not in FILTERS:
        raise InputError(f"temporal: got {name!r}, expected one of {', '.join(FILTERS)}")
    return FILTERS[name]()


def _uncertainty_table() -> np.ndarray:
    """MediaPipe's polynomial over the scores 0, 1/255 .. 1: near 1 at 0.5, 0 at the ends."""
    x = (np.arange(256, dtype=np.float64) / 255 - 0.5) ** 2
    polynomial = 5.68842 - 0.748699 * x - 57.8051 * x**2 + 291.309 * x**3 - 624.717 * x**4
    return (1 - np.minimum(1, x * polynomial)).astype(np.float32)


_UNCERTAINTY = _uncertainty_table()


def uncertainty(scores: np.ndarray) -> np.ndarray:
    """float32 scores in [0, 1] -> float32 of the same shape: 1 where undecided, 0 where sure."""
    return cv2.LUT(cv2.convertScaleAbs(scores, alpha=255), _UNCERTAINTY).reshape(scores.shape)

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
from .region import Region


class TemporalFilter(Protocol):
    """What the segmenter asks of a filter."""

    previous: np.ndarray | None

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """Filtered scores; they become `previous`."""

    def carry(self, thumbnail: np.ndarray) -> np.ndarray:
        """For a frame that the network does not see: `previous`, moved along; needs one."""

    def reframe(self, before: Region, now: Region) -> None:
        """Let `previous`, of the region `before` of its frame, be that of another one."""

    def reset(self) -> None:
        """Forget every earlier frame."""


class NoFilter:
    """The network's scores as they are; what the other filters have in common."""

    def __init__(self) -> None:
        self.previous: np.ndarray | None = None
        self._before: np.ndarray | None = None
        self._warp = FlowWarp()

    def apply(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        self.previous, self._before = self._filtered(scores, thumbnail), thumbnail
        return self.previous

    def carry(self, thumbnail: np.ndarray) -> np.ndarray:
        """See TemporalFilter."""
        found = self._moved(thumbnail)
        if found is None:
            raise ValueError("carry: got no previous mask, expected a frame before this one")
        self.previous, self._before = found[0], thumbnail
        return self.previous

    def reframe(self, before: Region, now: Region) -> None:
        """See TemporalFilter."""
        if self.previous is None or self._before is None:
            return
        # Outside of the region before nobody was seen.
        self.previous = before.moved(self.previous, now, border=cv2.BORDER_CONSTANT)
        self._before = before.moved(self._before, now, border=cv2.BORDER_REPLICATE)

    def reset(self) -> None:
        """See TemporalFilter."""
        self.previous = self._before = None

    def _filtered(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        return scores

    def _moved(self, thumbnail: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The previous mask where optical flow says that its content is now, and the trust."""
        if self.previous is None or self._before is None:
            return None
        return self._warp(self.previous, self._before, thumbnail)


class Ema(NoFilter):
    """Exponential moving average; `keep` is the share of the previous mask, 0 to 1."""

    def __init__(self, *, keep: float = 0.5) -> None:
        super().__init__()
        self._keep = np.float32(keep)

    def _filtered(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        if self.previous is None:
            return scores
        return scores + (self.previous - scores) * self._keep


class Blend(NoFilter):
    """MediaPipe's blend: the less certain a score is, the more of the previous one stays.

    ratio: share of the previous mask where the new one is 0.5.
    """

    def __init__(self, *, ratio: float = 0.9) -> None:
        super().__init__()
        self._ratio = np.float32(ratio)

    def _filtered(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        if self.previous is None:
            return scores
        return scores + (self.previous - scores) * (uncertainty(scores) * self._ratio)


class Flow(NoFilter):
    """The blend with a previous mask that optical flow has moved along, and with hysteresis.

    Moved along, the previous mask no longer trails what it covers, so that more of
    it can stay: all of it where the new score is 0.5, at least `keep` of it where the
    score is sure. What is left of flicker are scores that cross 0.5 and come back:
    scores within `undecided` of 0.5 are pushed towards the side of the previous mask by
    up to `push`. No further than that: the push feeds on itself, and what is soft at rest,
    an edge or a gap between arm and hip, must not harden frame by frame.
    Both only as far as the moved mask is trusted (see `FlowWarp`).
    """

    def __init__(self, *, keep: float = 0.5, push: float = 0.3, undecided: float = 0.2) -> None:
        super().__init__()
        self._undecided = np.float32(undecided)
        self._keep = np.float32(keep)
        self._push = np.float32(push)

    def _filtered(self, scores: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
        found = self._moved(thumbnail)
        if found is None:
            return scores
        moved, trust = found
        share = np.maximum(uncertainty(scores), self._keep) * trust
        scores = scores + (moved - scores) * share
        side = np.clip((moved - 0.5) * 4, -1, 1)
        undecided = np.clip(1 - np.abs(scores - 0.5) / self._undecided, 0, 1)
        return np.clip(scores + side * undecided * (trust * self._push), 0, 1)


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

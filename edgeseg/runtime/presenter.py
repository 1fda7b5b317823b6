"""The end of a frame's way: its scores become a picture, and the picture is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .effect import Effect
from .focus import View
from .segmentation import Segmentation
from .segmenter import Segmenter
from .sink import Sink
from .statistics import Statistics


@dataclass(frozen=True)
class Captured:
    """A frame, the moment at which it was captured on the monotonic clock, and what the
    model probably sees of it where that was made right away."""

    frame: np.ndarray
    moment: float
    ahead: View | None = None


@dataclass(frozen=True)
class Segmented:
    """A captured frame with its scores, and whether the temporal filter has seen them."""

    captured: Captured
    view: View
    scores: np.ndarray | None
    steady: bool


# Called with the frame's number, the frame, its segmentation and the picture shown.
Observer = Callable[[int, np.ndarray, Segmentation, np.ndarray], None]


class Presenter:
    """Writes what an effect makes of segmented frames, or what hides them.

    effect: may be another one at any moment. masks: refine masks for the observer even where
    the effect makes no use of them. stall_ms: a live sink shows a hidden frame when nothing
    came for so long. `shape` of the frames is to be set when one is known, and `writing_since`
    is the monotonic clock's time at which a write began that has not returned, else None.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        effect: Effect,
        sink: Sink,
        statistics: Statistics,
        *,
        masks: bool,
        stall_ms: float,
        observer: Observer | None,
    ) -> None:
        self.effect = effect
        self.shape: tuple[int, ...] | None = None
        self.writing_since: float | None = None
        self._segmenter = segmenter
        self._sink = sink
        self._statistics = statistics
        self._masks = masks
        self._stall_ms = stall_ms
        self._observer = observer
        self.begin()

    def begin(self) -> None:
        """Count the time without a picture from now on."""
        self._last_output = time.monotonic()

    def show(self, answer: Segmented) -> None:
        """Filter, refine, apply the effect and write."""
        frame, stage, scores = answer.captured.frame, self._statistics.stage, answer.scores
        if scores is None or not answer.steady:
            with stage("temporal"):
                scores = self._segmenter.steady(scores, answer.view)
        with stage("refine"):
            segmentation = self._segmentation(scores, frame)
        with stage("effect"):
            picture = self.effect.apply(frame, segmentation)
        with stage("sink"):
            self._write(picture)
        if self._observer is not None:
            self._observer(self._statistics.frames, frame, segmentation, picture)
        self._statistics.shown(answer.captured.moment)
        self.begin()

    def wait(self) -> None:
        """Called now and then while there is nothing to show: hide what is there when it is old."""
        self._sink.idle()
        if (time.monotonic() - self._last_output) * 1000 >= self._stall_ms:
            self.hide()
            self.begin()

    def hide(self) -> None:
        """Show a live audience a frame that shows nothing, where the effect is there to hide."""
        if self._sink.live and self.effect.hides and self.shape is not None:
            self._write(self.effect.hidden(np.empty(self.shape, np.uint8)))
            self._statistics.hidden += 1

    def _segmentation(self, scores: np.ndarray, frame: np.ndarray) -> Segmentation:
        """Refined at the frame's size, unless nobody is going to look at it."""
        if self.effect.uses_mask or self._masks:
            return self._segmenter.segmentation(scores, frame)
        return Segmentation(np.zeros((0, 0), np.uint8))

    def _write(self, picture: np.ndarray) -> None:
        self.writing_since = time.monotonic()
        try:
            self._sink.write(picture)
        finally:
            self.writing_since = None

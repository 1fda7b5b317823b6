"""Capture, inference and output side by side, with bounded queues between them.

Three threads: one reads and shrinks frames, one runs the network, one filters in
time, refines, composites and writes. The caller's thread waits, or is the third where
the sink asks for the main thread. The first error of any of them ends all and is
raised in the caller's thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import SinkError
from .effect import Effect
from .focus import View
from .handoff import Finished, Handoff
from .interruption import interruptible
from .presenter import Captured, Observer, Presenter, Segmented
from .segmenter import Segmenter
from .sink import Sink
from .source import Source
from .statistics import LineLog, Statistics
from .summary import Summary, summarise

# How often the waiting ends look around, and how long a thread may take to leave.
POLL_S = 0.05
LEAVE_S = 5.0


@dataclass(frozen=True)
class Options:
    """every_frame: keep all frames; False lets newer frames overtake, and counts them.
    frames: stop after so many. stall_ms: a live sink shows a hidden frame when nothing
    came for so long. sink_wait_s: a write that takes longer is an error. masks: refine
    masks for the observer even where the effect makes no use of them.
    """

    every_frame: bool = True
    frames: int | None = None
    stall_ms: float = 500.0
    sink_wait_s: float = 15.0
    masks: bool = False


class Pipeline:
    """From a source through a segmenter and an effect to a sink. Runs once."""

    def __init__(
        self,
        source: Source,
        segmenter: Segmenter,
        effect: Effect,
        sink: Sink,
        *,
        options: Options | None = None,
        observer: Observer | None = None,
        log: LineLog | None = None,
        choice: str = "",
    ) -> None:
        self.statistics = Statistics()
        self.interrupted = False
        self._source = source
        self._segmenter = segmenter
        self._sink = sink
        self._options = options or Options()
        self._presenter = Presenter(
            segmenter,
            effect,
            sink,
            self.statistics,
            masks=self._options.masks,
            stall_ms=self._options.stall_ms,
            observer=observer,
        )
        self._log = log
        self._choice = choice
        newest = not self._options.every_frame
        self._frames = Handoff[Captured](capacity=1 if newest else 2, newest=newest)
        self._answers = Handoff[Segmented](capacity=2)
        self._error: BaseException | None = None
        self._stopping = False

    @property
    def effect(self) -> Effect:
        """What is made of the frames; another one may be assigned at any moment."""
        return self._presenter.effect

    @effect.setter
    def effect(self, effect: Effect) -> None:
        self._presenter.effect = effect

    def run(self) -> Summary:
        """Run to the end of the source, `frames`, `stop`, Ctrl-C or an error.

        Source and sink are closed on every way out. Raises the first error.
        """
        threads = [
            threading.Thread(target=self._guard, args=(work,), name=f"edgeseg-{name}", daemon=True)
            for name, work in (("capture", self._capture), ("infer", self._infer))
        ]
        with interruptible(self._note_interruption):
            for thread in threads:
                thread.start()
            try:
                self._output_somewhere()
            finally:
                self.stop()
                self._leave(threads)
        if self._error is not None:
            raise self._error
        return self.summary()

    def stop(self) -> None:
        """End soon: frames already segmented are still written."""
        self._stopping = True
        self._source.interrupt()
        self._frames.close(discard=True)

    @property
    def dropped(self) -> int:
        """Frames that were captured and overtaken by newer ones."""
        return self._frames.dropped

    def summary(self) -> Summary:
        """What happened until now."""
        return summarise(
            self._segmenter,
            self.statistics,
            dropped=self.dropped,
            interrupted=self.interrupted,
            choice=self._choice,
        )

    # One method a thread.

    def _capture(self) -> None:
        count = 0
        limit = self._options.frames if self._options.every_frame else None
        while not self._stopping and (limit is None or count < limit):
            with self.statistics.stage("capture"):
                frame = self._source.read()
            if frame is None:
                break
            self._presenter.shape = frame.shape
            moment = time.perf_counter()
            # Here it overlaps with the network; for a frame that may be dropped it would be waste.
            ahead = self._look(frame) if self._options.every_frame else None
            if not self._frames.give(Captured(frame, moment, ahead)):
                break
            count += 1
        self._frames.close()

    def _infer(self) -> None:
        segmenter = self._segmenter
        for captured in self._frames:
            ahead = captured.ahead or self._look(captured.frame)
            with self.statistics.stage("infer"):
                view = segmenter.view(captured.frame, ahead)
                scores = segmenter.scores(view)
            # Where the network does not wait for the filter, it does not share its thread.
            steady = segmenter.sequential
            if steady:
                with self.statistics.stage("temporal"):
                    scores = segmenter.steady(scores, view)
            if not self._answers.give(Segmented(captured, view, scores, steady)):
                break
        self._answers.close()

    def _look(self, frame: np.ndarray) -> View:
        with self.statistics.stage("preprocess"):
            return self._segmenter.look(frame)

    def _output(self) -> None:
        self._presenter.begin()
        while True:
            try:
                answer = self._answers.take(POLL_S)
            except Finished:
                return
            if answer is not None:
                self._presenter.show(answer)
                if self._log is not None:
                    self._log.maybe_write(self.statistics, dropped=self.dropped)
                if self.statistics.frames == self._options.frames:
                    return
            else:
                self._presenter.wait()
            if self.interrupted and not self._stopping:
                self.stop()

    # Starting, watching, ending.

    def _guard(self, work: Callable[[], None]) -> None:
        """Run one thread's work; its error becomes the caller's."""
        try:
            work()
        except BaseException as error:
            self._fail(error)
        finally:
            # Whoever waits for this thread's items must not wait for ever.
            (self._frames if work == self._capture else self._answers).close()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._stopping = True
        self._frames.close(discard=True)

    def _output_somewhere(self) -> None:
        """Run `_output` here where the sink wants that, and in a watched thread otherwise."""
        if self._sink.main_thread:
            self._output_guarded()
            return
        thread = threading.Thread(target=self._output_guarded, name="edgeseg-output", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(POLL_S)
            if self.interrupted and not self._stopping:
                self.stop()
            since = self._presenter.writing_since
            if since is not None and time.monotonic() - since > self._options.sink_wait_s:
                wait = self._options.sink_wait_s
                self._fail(SinkError(f"sink: did not take a frame for {wait:g} s"))
                self._answers.close(discard=True)
                self._sink.abort()
                thread.join(LEAVE_S)
                return

    def _output_guarded(self) -> None:
        try:
            self._output()
        except BaseException as error:
            self._fail(error)
        finally:
            self._answers.close(discard=True)
        if self._error is not None:
            # What was shown last stays on a screen: let it be a frame that shows nothing.
            with contextlib.suppress(Exception):
                self._presenter.hide()

    def _leave(self, threads: list[threading.Thread]) -> None:
        self._answers.close(discard=True)
        for thread in threads:
            thread.join(LEAVE_S)
        # A driver that hangs in `read` would crash if its capture were released under it.
        if not threads[0].is_alive():
            self._source.close()
        try:
            if self._presenter.writing_since is None:
                # The others have no end: to be interrupted is how they are stopped.
                cut_short = self.interrupted and self._source.ends
                self._sink.incomplete = self._error is not None or cut_short
                self._sink.close()
        except Exception as error:
            if self._error is None:
                self._error = error

    def _note_interruption(self) -> None:
        self.interrupted = True

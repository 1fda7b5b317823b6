"""One call for a whole stream: from the words of a command line to a summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import EdgesegError, SourceError
from ..spec import load_model
from . import assets, budget
from .background import open_background
from .effect import Effect
from .effects import EFFECTS, make_effect
from .pipeline import Options, Pipeline
from .real_time import RealTime
from .segmentation import Segmentation
from .segmenter import Segmenter
from .side_by_side import SideBySide
from .sink import Sink
from .sinks import Display, open_sink, write_image
from .source import Source
from .sources import Paced, Still, open_source
from .statistics import LineLog
from .stream_paths import check_paths
from .stream_settings import StreamSettings
from .summary import Summary
from .temporal import FILTERS
from .video_file import VideoSink


def run_stream(settings: StreamSettings) -> Summary:
    """Run a stream to its end and return what it did; errors are those of the parts."""
    with Stream(settings) as stream:
        return stream.run()


class Stream:
    """The parts of a stream, put together; what a window's keys act on."""

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        # Called with the number of frames shown so far, for a progress bar.
        self.on_frame: Callable[[int], None] | None = None
        self._latest: np.ndarray | None = None
        self._ran = self._left = False
        # What "m" returns to.
        self._unmasked = settings.effect if settings.effect != "mask" else "none"
        check_paths(settings)
        # Whatever the effect: a key may ask for another one later.
        open_background(settings.background)
        self._source = _source(settings)
        try:
            self._sink = self._open_sink()
        except BaseException:
            self._source.close()
            raise
        try:
            if self._sink.live and isinstance(self._source, Still):
                self._source.stay()
            if self._sink.live and not self._source.live:
                self._source = Paced(self._source, fps=self._source.fps or 30.0)
            self._effect = self._make_effect(settings.effect)
            self._segmenter, choice = self._open_segmenter()
            self._picture = self._make_picture()
            options = self._options()
            if isinstance(self._sink, VideoSink) and self._source.live and not options.every_frame:
                self._sink = RealTime(self._sink, fps=self._source.fps or 30.0)
            self._pipeline = Pipeline(
                self._source,
                self._segmenter,
                self._effect,
                self._sink,
                options=options,
                observer=self._observe,
                log=LineLog(sys.stderr) if settings.stats == "-" else None,
                choice=choice,
            )
        except BaseException:
            self._source.close()
            self._sink.close()
            raise

    def run(self) -> Summary:
        """Run to the end, and write the picture and the statistics that were asked for."""
        settings = self.settings
        self._ran = True
        try:
            summary = self._pipeline.run()
        finally:
            try:
                if settings.picture is not None and self._picture is not None:
                    self._picture.write(settings.picture)
            finally:
                if settings.stats not in (None, "-"):
                    self._pipeline.summary().write(str(settings.stats))
        if summary.frames == 0 and not (summary.interrupted or self._left):
            raise SourceError(f"{self._source.description}: got no frame at all")
        return summary

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ran:
            # Else the pipeline has closed them, or knows why not.
            self._source.close()
            self._sink.close()
        self._segmenter.close()

    @property
    def count(self) -> int | None:
        """Number of frames to come, where it is known."""
        known = [n for n in (self.settings.frames, self._source.count) if n is not None]
        return min(known) if known else None

    def on_key(self, key: str) -> None:
        """What the window's keys do; see `window.KEYS`. What fails is told and ends nothing."""
        try:
            self._obey(key)
        except EdgesegError as error:
            print(f"edgeseg: {error}", file=sys.stderr)

    def _obey(self, key: str) -> None:
        if key == "q":
            self._left = True
            self._pipeline.stop()
        elif key == "e":
            self._show_effect(EFFECTS[(EFFECTS.index(self._shown) + 1) % len(EFFECTS)])
        elif key == "m":
            if self._shown != "mask":
                self._unmasked = self._shown
            self._show_effect(self._unmasked if self._shown == "mask" else "mask")
        elif key == "t":
            names = list(FILTERS)
            following = (names.index(self._segmenter.temporal) + 1) % len(names)
            self._segmenter.temporal = names[following]
        elif key == "s" and self._latest is not None:
            path = Path(time.strftime("edgeseg-%Y%m%d-%H%M%S.png"))
            write_image(path, self._latest)
            print(f"edgeseg: {path}", file=sys.stderr)

    def status(self) -> str:
        """The line that the window shows."""
        statistics = self._pipeline.statistics
        return (
            f"{statistics.recent_fps():.0f} FPS   age {statistics.last_age_ms():.0f} ms   "
            f"dropped {self._pipeline.dropped}   {self._shown}   {self._segmenter.temporal}   "
            f"{self._segmenter.delegate}"
        )

    def _observe(
        self, number: int, frame: np.ndarray, answer: Segmentation, picture: np.ndarray
    ) -> None:
        if self._picture is not None:
            self._picture(number, frame, answer, picture)
        self._latest = picture
        if self.on_frame is not None:
            self.on_frame(number + 1)

    def _make_picture(self) -> SideBySide | None:
        if self.settings.picture is None:
            return None
        return SideBySide(wanted=(self.settings.frames or self._source.count or 60) // 2)

    def _show_effect(self, name: str) -> None:
        self._pipeline.effect = self._make_effect(name)

    def _make_effect(self, name: str) -> Effect:
        effect = make_effect(
            name,
            spec=load_model(assets.resolve(self.settings.model))[1],
            background=self.settings.background,
            blur=self.settings.blur,
            alpha=self._sink.alpha,
        )
        self._shown = name
        return effect

    def _open_sink(self) -> Sink:
        return open_sink(
            self.settings.sink,
            fps=self._source.fps or 30.0,
            sound=self._source.sound,
            display=Display(self.on_key, self.status),
            public=self.settings.public,
        )

    def _open_segmenter(self) -> tuple[Segmenter, str]:
        settings = self.settings
        model, cadence, reason = settings.model, 1, ""
        if settings.budget_ms is not None or settings.cpu_percent is not None:
            chosen = self._plan()
            model, cadence, reason = chosen.model, chosen.cadence, chosen.reason
            print(f"edgeseg: {reason}", file=sys.stderr)
        return self._opened(model, cadence), reason

    def _opened(self, model: str, cadence: int = 1) -> Segmenter:
        settings = self.settings
        return Segmenter(
            model,
            delegate=settings.delegate,
            threads=settings.threads,
            temporal=settings.temporal,
            refine=settings.refine,
            focus=settings.focus,
            glance_every=settings.glance_every,
            cadence=cadence,
        )

    def _plan(self) -> budget.Plan:
        settings = self.settings
        fps = self._source.fps or 30.0
        # A folder's images may be of any size.
        width, height = self._source.size or (1280, 720)
        if settings.cpu_percent is not None and not self._source.live:
            self._source = Paced(self._source, fps=fps)
        # Grey noise costs what any picture costs.
        frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        candidates = budget.measure(
            budget.alternatives(settings.model),
            self._effect,
            frame,
            opened=self._opened,
        )
        return budget.plan(
            candidates,
            budget.budget_of(
                budget_ms=settings.budget_ms, cpu_percent=settings.cpu_percent, fps=fps
            ),
        )

    def _options(self) -> Options:
        settings = self.settings
        every = settings.every_frame
        if every is None:
            every = not self._source.live
        return Options(
            every_frame=every,
            frames=settings.frames,
            stall_ms=settings.stall_ms,
            masks=settings.picture is not None,
        )


def _source(settings: StreamSettings) -> Source:
    if settings.source != "auto":
        return open_source(settings.source, size=settings.size, wait_s=settings.wait_s)
    try:
        return open_source("0", size=settings.size, wait_s=settings.wait_s)
    except SourceError:
        print("edgeseg: no camera can be opened; showing the sample instead", file=sys.stderr)
        return open_source("sample", size=settings.size, wait_s=settings.wait_s)

"""The pipeline: order, drops, hiding, and every fault without a hang."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from edgeseg import InputError, ModelSpec, Segmenter, SinkError, SourceError
from edgeseg.runtime.effect import Effect
from edgeseg.runtime.effects import make_effect
from edgeseg.runtime.handoff import Finished, Handoff
from edgeseg.runtime.pipeline import Options, Pipeline
from edgeseg.runtime.sink import Sink
from edgeseg.runtime.source import Source
from edgeseg.runtime.statistics import STAGES, LineLog, Statistics
from edgeseg.runtime.stream import Stream, run_stream
from edgeseg.runtime.stream_settings import StreamSettings

SPEC = ModelSpec(name="fake", width=32, height=32)
ROOM = 200


class Frames(Source):
    """`count` frames with a bright "room" value and their number in the first pixel."""

    description = "frames"

    def __init__(self, count: int, *, pause: float = 0.0, error: Exception | None = None) -> None:
        self.given = 0
        self.closed = False
        self._count = count
        self._pause = pause
        self._error = error

    def read(self) -> np.ndarray | None:
        time.sleep(self._pause)
        if self.given >= self._count:
            if self._error is not None:
                raise self._error
            return None
        frame = np.full((48, 64, 3), ROOM, np.uint8)
        frame[0, 0] = self.given % 256
        self.given += 1
        return frame

    def close(self) -> None:
        self.closed = True


class Kept(Sink):
    """Keeps what it gets; `fault` is called before."""

    def __init__(self, *, live: bool = False, fault: Callable[[int], None] | None = None) -> None:
        self.live = live
        self.pictures: list[np.ndarray] = []
        self.closed = 0
        self._fault = fault

    def write(self, picture: np.ndarray) -> None:
        if self._fault is not None:
            self._fault(len(self.pictures))
        self.pictures.append(picture.copy())

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def make_segmenter(fake_model, fake_interpreter, on_cpu) -> Callable[..., Segmenter]:
    """A segmenter that takes nothing for foreground, so that an effect hides all of the room."""

    def make(answer: Callable[[np.ndarray], np.ndarray] | None = None) -> Segmenter:
        on_cpu(fake_interpreter(answer or (lambda stored: np.zeros((1, 32, 32, 1)))))
        return Segmenter(fake_model(), delegate="cpu", refine=False)

    return make


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [t.name for t in threading.enumerate() if t.name.startswith("edgeseg-")]
        if not left:
            return
        time.sleep(0.02)
    pytest.fail(f"threads left: {left}")


def effect(name: str = "replace") -> Effect:
    return make_effect(name, spec=SPEC, background="#000000")


def numbers(sink: Kept) -> list[int]:
    return [int(picture[0, 0, 0]) for picture in sink.pictures]


def no_room(sink: Kept) -> bool:
    return all(int(picture.max()) < ROOM / 2 for picture in sink.pictures)


def test_every_frame_in_order_with_all_stages(make_segmenter) -> None:
    source, sink = Frames(50), Kept()
    summary = Pipeline(source, make_segmenter(), effect("none"), sink).run()
    assert numbers(sink) == list(range(50))
    assert (summary.frames, summary.dropped, summary.hidden) == (50, 0, 0)
    assert set(summary.stages) == set(STAGES)
    assert summary.fps > 0
    assert summary.model == "fake"
    assert summary.delegate == "cpu"
    assert summary.ops_per_device == {"fake": 3}
    assert summary.age is not None
    assert source.closed
    assert sink.closed == 1


def test_a_log_has_a_line_for_every_frame_that_it_is_due_at(make_segmenter) -> None:
    log = LineLog(io.StringIO(), every_s=0.0)
    Pipeline(Frames(5), make_segmenter(), effect("none"), Kept(), log=log).run()
    lines = [json.loads(line) for line in log.stream.getvalue().splitlines()]
    assert [line["frames"] for line in lines] == [1, 2, 3, 4, 5]
    assert {line["dropped"] for line in lines} == {0}


def test_a_sink_that_waits_is_told_so(make_segmenter) -> None:
    """A window has to answer its events while a source is slow."""

    class Waiting(Kept):
        waits = 0

        def idle(self) -> None:
            self.waits += 1

    sink = Waiting()
    Pipeline(Frames(2, pause=0.4), make_segmenter(), effect("none"), sink).run()
    assert sink.waits >= 1
    assert len(sink.pictures) == 2


def test_the_first_error_is_the_callers_also_where_closing_fails(make_segmenter) -> None:
    class Stuck(Kept):
        def close(self) -> None:
            raise SinkError("cannot be finished")

    with pytest.raises(SinkError, match="cannot be finished"):
        Pipeline(Frames(3), make_segmenter(), effect("none"), Stuck()).run()
    with pytest.raises(SourceError, match="camera gone"):
        Pipeline(
            Frames(3, error=SourceError("camera gone")), make_segmenter(), effect("none"), Stuck()
        ).run()


def test_newest_frame_wins_and_drops_are_counted(make_segmenter) -> None:
    sink = Kept(fault=lambda _: time.sleep(0.03))
    summary = Pipeline(
        Frames(60, pause=0.002),
        make_segmenter(),
        effect("none"),
        sink,
        options=Options(every_frame=False),
    ).run()
    seen = numbers(sink)
    assert seen == sorted(set(seen))
    assert len(seen) < 60
    assert summary.frames + summary.dropped == 60
    assert seen[-1] == 59, "the newest is never the one that is dropped"


@pytest.mark.parametrize("every_frame", [True, False])
def test_frames_stops_after_so_many(make_segmenter, every_frame: bool) -> None:
    sink = Kept()
    options = Options(every_frame=every_frame, frames=7)
    summary = Pipeline(
        Frames(10_000, pause=0.002), make_segmenter(), effect("none"), sink, options=options
    ).run()
    assert summary.frames == len(sink.pictures) == 7


def test_mask_is_composited_onto_its_own_frame(make_segmenter, honest) -> None:
    """Frames flash: a mask on another frame than its own would show the room."""

    class Flashing(Frames):
        def read(self) -> np.ndarray | None:
            frame = super().read()
            if frame is not None and self.given % 2:
                frame[:] = 0
            return frame

    def dark_is_foreground(stored: np.ndarray) -> np.ndarray:
        return (stored[..., :1] < 127).astype(np.float32)

    segmenter = make_segmenter(dark_is_foreground)
    segmenter.temporal = "none"
    sink = Kept()
    Pipeline(Flashing(40), segmenter, effect(), sink, options=Options(every_frame=True)).run()
    assert len(sink.pictures) == 40
    assert no_room(sink)


class Broken:
    """Effects that fail on the n-th frame, or are slow."""

    hides = True
    uses_mask = True

    def __init__(self, at: int) -> None:
        self._at = at
        self._inner = effect()

    def apply(self, frame, answer):
        if int(frame[0, 0, 0]) == self._at:
            raise ZeroDivisionError("effect broke")
        return self._inner.apply(frame, answer)

    def hidden(self, frame):
        return self._inner.hidden(frame)


def test_error_of_the_source_is_the_callers(make_segmenter) -> None:
    source, sink = Frames(5, error=SourceError("camera gone")), Kept()
    with pytest.raises(SourceError, match="camera gone"):
        Pipeline(source, make_segmenter(), effect(), sink).run()
    assert source.closed
    assert sink.closed == 1


@pytest.mark.parametrize(
    ("ends", "error", "interrupted", "expected"),
    [
        (True, None, False, False),
        (True, SourceError("camera gone"), False, True),
        (True, None, True, True),
        (False, None, True, False),
        (False, SourceError("camera gone"), False, True),
    ],
)
def test_a_sink_is_told_that_pictures_are_missing(
    make_segmenter, ends: bool, error: Exception | None, interrupted: bool, expected: bool
) -> None:
    """Ctrl-C is how a recording from what has no end is stopped, and cuts a file's short."""
    source, sink = Frames(5, error=error), Kept()
    source.ends = ends
    pipeline = Pipeline(source, make_segmenter(), effect(), sink)
    pipeline.interrupted = interrupted
    with contextlib.suppress(SourceError):
        pipeline.run()
    assert (sink.closed, sink.incomplete) == (1, expected)


def test_error_of_the_network_is_the_callers(make_segmenter) -> None:
    calls = {"n": 0}

    def fails(stored: np.ndarray) -> np.ndarray:
        calls["n"] += 1
        if calls["n"] == 4:
            raise RuntimeError("invoke failed")
        return np.zeros((1, 32, 32, 1))

    sink = Kept(live=True)
    with pytest.raises(RuntimeError, match="invoke failed"):
        Pipeline(Frames(50), make_segmenter(fails), effect(), sink).run()
    assert sink.closed == 1
    assert no_room(sink)
    assert np.array_equal(sink.pictures[-1], effect().hidden(sink.pictures[-1]))


def test_error_of_the_effect_hides_the_last_picture(make_segmenter) -> None:
    sink = Kept(live=True)
    with pytest.raises(ZeroDivisionError, match="effect broke"):
        Pipeline(Frames(50), make_segmenter(), Broken(3), sink).run()
    assert len(sink.pictures) == 4
    assert no_room(sink)


def test_error_of_the_sink_is_the_callers(make_segmenter) -> None:
    def full(count: int) -> None:
        if count == 3:
            raise SinkError("disk full")

    source, sink = Frames(5000), Kept(fault=full)
    with pytest.raises(SinkError, match="disk full"):
        Pipeline(source, make_segmenter(), effect(), sink).run()
    assert sink.closed == 1
    assert source.given < 100


def test_a_sink_that_blocks_is_given_up(make_segmenter) -> None:
    release = threading.Event()

    class Blocking(Kept):
        def abort(self) -> None:
            release.set()

    sink = Blocking(fault=lambda count: release.wait(20) if count == 2 else None)
    start = time.monotonic()
    with pytest.raises(SinkError, match="did not take a frame for 0.3 s"):
        Pipeline(
            Frames(500), make_segmenter(), effect(), sink, options=Options(sink_wait_s=0.3)
        ).run()
    assert time.monotonic() - start < 10


def test_nothing_is_shown_until_the_first_mask_but_a_hidden_frame(make_segmenter) -> None:
    calls = {"n": 0}

    def slow_start(stored: np.ndarray) -> np.ndarray:
        calls["n"] += 1
        time.sleep(0.5 if calls["n"] == 1 else 0)
        return np.ones((1, 32, 32, 1))

    sink = Kept(live=True)
    summary = Pipeline(
        Frames(3), make_segmenter(slow_start), effect(), sink, options=Options(stall_ms=100)
    ).run()
    assert summary.hidden >= 1
    assert len(sink.pictures) == summary.hidden + 3
    for picture in sink.pictures[: summary.hidden]:
        assert picture.max() == 0
    assert numbers(sink)[summary.hidden :] == [0, 1, 2]


def test_a_stall_hides_a_live_picture_and_no_file(make_segmenter) -> None:
    class Stalling(Frames):
        def read(self) -> np.ndarray | None:
            if self.given == 3:
                time.sleep(0.6)
            return super().read()

    for live in (True, False):
        sink = Kept(live=live)
        summary = Pipeline(
            Stalling(5), make_segmenter(), effect(), sink, options=Options(stall_ms=150)
        ).run()
        assert (summary.hidden > 0) == live
        assert len(sink.pictures) == 5 + summary.hidden
        assert no_room(sink)


def test_an_effect_that_hides_nothing_is_not_interrupted(make_segmenter) -> None:
    class Stalling(Frames):
        def read(self) -> np.ndarray | None:
            if self.given == 3:
                time.sleep(0.4)
            return super().read()

    sink = Kept(live=True)
    options = Options(stall_ms=100)
    summary = Pipeline(Stalling(5), make_segmenter(), effect("none"), sink, options=options).run()
    assert summary.hidden == 0


def test_stop_from_another_thread(make_segmenter) -> None:
    def fault(count: int) -> None:
        if count == 2:
            threading.Thread(target=pipeline.stop).start()

    sink = Kept(fault=fault)
    pipeline = Pipeline(Frames(10**6, pause=0.001), make_segmenter(), effect(), sink)
    summary = pipeline.run()
    assert 0 < summary.frames < 10**6
    assert sink.closed == 1


def test_a_signal_that_comes_twice_at_once_is_one(make_segmenter) -> None:
    """As `timeout` sends it, to the program and to its group."""

    def fault(count: int) -> None:
        if count == 2:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    sink = Kept(fault=fault)
    sink.main_thread = True
    summary = Pipeline(Frames(1000), make_segmenter(), effect("none"), sink).run()
    assert summary.interrupted
    assert sink.closed == 1


def test_a_clock_that_jumps_does_no_harm(make_segmenter, monkeypatch) -> None:
    """Wall-clock time goes back a day and forward a year while frames come."""
    real = time.time
    jumps = iter([-86400, 31_536_000] * 1000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps, 0))
    sink = Kept(live=True)
    summary = Pipeline(Frames(30), make_segmenter(), effect(), sink).run()
    assert summary.frames == 30
    assert summary.hidden == 0
    assert summary.fps > 0


def test_statistics_survive_a_clock_that_goes_back(monkeypatch) -> None:
    ticks = iter([10.0, 9.0, 5.0, 5.0, 4.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    statistics = Statistics()
    with statistics.stage("infer"):
        pass
    statistics.shown(captured=8.0)
    statistics.shown(captured=8.0)
    assert statistics.stages()["infer"].p50_ms == 0
    assert statistics.fps() == 0
    assert statistics.last_age_ms() == 0


def test_handoff_keeps_or_drops() -> None:
    newest = Handoff[int](capacity=1, newest=True)
    for number in range(5):
        assert newest.give(number)
    assert newest.take() == 4
    assert newest.dropped == 4
    assert newest.take(0.01) is None
    newest.close()
    assert not newest.give(9)
    with pytest.raises(Finished):
        newest.take()


def test_handoff_wakes_a_giver_that_waits() -> None:
    every = Handoff[int](capacity=1)
    every.give(1)
    given: list[bool] = []
    thread = threading.Thread(target=lambda: given.append(every.give(2)))
    thread.start()
    every.close(discard=True)
    thread.join(5)
    assert given == [False]


def test_two_thousand_frames_leave_no_memory_behind(make_segmenter) -> None:
    """The short form of `python -m edgeseg.runtime.soak`."""
    segmenter = make_segmenter()
    marks: list[int] = []

    def mark(number: int, *_: object) -> None:
        if number in (500, 1999):
            marks.append(_resident_bytes())

    Pipeline(Frames(2000), segmenter, effect("blur"), Sink(), observer=mark).run()
    assert marks[1] - marks[0] < 10 * 2**20


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        pytest.skip("no /proc here")


def test_m_shows_the_mask_and_returns_to_the_effect_before() -> None:
    pytest.importorskip("skimage")
    settings = StreamSettings(source="sample", effect="blur", sink="none", size=(64, 48))
    with Stream(settings) as stream:
        shown = []
        for key in "mmemm":
            stream.on_key(key)
            shown.append(stream.status().split()[7])
    assert shown == ["mask", "blur", "replace", "mask", "replace"]


def test_a_recording_lasts_as_long_as_the_live_source_that_is_slower_than_it_says(
    monkeypatch, tmp_path
) -> None:
    camera = Frames(5, pause=0.2)
    camera.live, camera.fps = True, 30.0
    monkeypatch.setattr("edgeseg.runtime.stream.open_source", lambda *_, **__: camera)
    path = tmp_path / "out.mp4"
    summary = run_stream(StreamSettings(source="0", sink=str(path), effect="none"))
    assert summary.frames == 5
    frames = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
    assert 20 <= frames <= 30, "0.8 s between the first and the last"


def test_a_screenshot_that_cannot_be_written_ends_no_stream(tmp_path, monkeypatch, capsys) -> None:
    camera = Frames(3)
    monkeypatch.setattr("edgeseg.runtime.stream.open_source", lambda *_, **__: camera)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "away/edgeseg.png")
    (tmp_path / "away").write_bytes(b"a file where a folder would be")
    with Stream(StreamSettings(source="0", sink="none", effect="none")) as stream:
        stream.on_frame = lambda _: stream.on_key("s")
        assert stream.run().frames == 3
    assert "edgeseg: away/edgeseg.png: got" in capsys.readouterr().err


def test_whoever_leaves_before_the_first_frame_is_told_of_no_error(monkeypatch) -> None:
    monkeypatch.setattr("edgeseg.runtime.stream.open_source", lambda *_, **__: Frames(3))
    with Stream(StreamSettings(source="0", sink="none", effect="none")) as stream:
        stream.on_key("q")
        assert stream.run().frames == 0


def test_a_photo_stays_where_somebody_looks_at_it(tmp_path, monkeypatch) -> None:
    """Until the key q, and through stalls; elsewhere it is one frame."""
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((48, 64, 3), ROOM, np.uint8))
    for live in (True, False):
        sink = Kept(live=live)
        monkeypatch.setattr("edgeseg.runtime.stream.open_sink", lambda *_, sink=sink, **__: sink)
        with Stream(StreamSettings(source=str(photo), effect="none")) as stream:
            stream.on_frame = lambda shown, stream=stream: shown == 3 and stream.on_key("q")
            assert stream.run().frames == (3 if live else 1)


def test_a_background_is_checked_whatever_the_effect() -> None:
    with pytest.raises(InputError, match=r"background: got 'missing\.jpg'"):
        Stream(StreamSettings(source="sample", sink="none", background="missing.jpg"))


@pytest.mark.parametrize(
    "words",
    [
        {"size": (0, 5)},
        {"size": (5,)},
        {"picture": "p.png"},
        {"frames": 2.5},
        {"frames": 0},
        {"glance_every": 1.5},
    ],
)
def test_settings_of_a_wrong_type_are_named(words: dict[str, object]) -> None:
    with pytest.raises(
        InputError, match=rf"^{next(iter(words)).replace('_', '-')}: got .*expected"
    ):
        StreamSettings(source="sample", sink="none", **words)


@pytest.mark.parametrize("words", [{"model": None}, {"spec": 5}])
def test_a_segmenters_arguments_of_a_wrong_type_are_named(words: dict[str, object]) -> None:
    with pytest.raises(InputError, match=rf"^{next(iter(words))}: got .*expected"):
        Segmenter(**words)


def test_a_segmenter_refuses_a_second_thread(fake_model, fake_interpreter, honest, on_cpu) -> None:
    within, leave = threading.Event(), threading.Event()

    def slow(stored: np.ndarray) -> np.ndarray:
        within.set()
        leave.wait(30)
        return honest(stored)

    on_cpu(fake_interpreter(slow))
    segmenter = Segmenter(fake_model(), delegate="cpu")
    frame, masks = np.full((40, 40, 3), 255, np.uint8), []
    first = threading.Thread(target=lambda: masks.append(segmenter.segment(frame)))
    first.start()
    assert within.wait(30)
    for call in (segmenter.segment, segmenter.segment_classes):
        with pytest.raises(InputError, match="another thread has one in it; open one for each"):
            call(frame)
    leave.set()
    first.join()
    assert masks[0].mean() == pytest.approx(0.95, abs=1e-3)
    # An error frees it as well.
    with pytest.raises(InputError, match="expected uint8"):
        segmenter.segment(frame.astype(float))
    assert np.array_equal(segmenter.segment(frame), masks[0])


def test_a_stream_that_never_ran_leaves_nothing_open(monkeypatch) -> None:
    camera, sink = Frames(3), Kept()
    monkeypatch.setattr("edgeseg.runtime.stream.open_source", lambda *_, **__: camera)
    monkeypatch.setattr("edgeseg.runtime.stream.open_sink", lambda *_, **__: sink)
    with Stream(StreamSettings(source="0", sink="none", effect="none")):
        pass
    assert camera.closed
    assert sink.closed == 1

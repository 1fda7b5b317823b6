"""What a stream's numbers mean, by a clock that the test sets."""

from __future__ import annotations

import io
import json
from contextlib import suppress

import pytest

from edgeseg.runtime import statistics
from edgeseg.runtime.statistics import LineLog, Percentiles, Statistics, percentiles


@pytest.fixture
def clock(monkeypatch) -> dict[str, float]:
    """The time in seconds, as `t`."""
    now = {"t": 100.0}
    monkeypatch.setattr(statistics.time, "perf_counter", lambda: now["t"])
    return now


def shown(clock: dict[str, float], *times: float) -> Statistics:
    """Frames that were captured a tenth of a second before each time, and shown then."""
    found = Statistics()
    for at in times:
        clock["t"] = at
        found.shown(at - 0.1)
    return found


def test_percentiles_lie_between_the_samples() -> None:
    # Of 0 to 100 ms, in any order: sample number 50, 95 and 99.
    assert percentiles([n / 1000 for n in range(100, -1, -1)]) == Percentiles(50, 95, 99)
    assert percentiles([0.01, 0.02]) == Percentiles(15, 19.5, 19.9)
    assert percentiles([0.0012345678]) == Percentiles(1.235, 1.235, 1.235)


def test_a_rate_is_of_the_steps_between_frames(clock) -> None:
    assert shown(clock).fps() == shown(clock, 3.0).fps() == shown(clock, 3.0, 3.0).fps() == 0
    found = shown(clock, 10.0, 10.1, 10.2, 10.5)
    # Three steps in half a second.
    assert found.fps() == pytest.approx(6)
    assert found.recent_fps() == pytest.approx(6)
    assert found.frames == 4
    assert shown(clock).recent_fps() == shown(clock, 3.0).recent_fps() == 0


def test_the_recent_rate_is_of_thirty_frames(clock) -> None:
    slow, quick = [n * 1.0 for n in range(10)], [9 + n * 0.1 for n in range(1, 31)]
    found = shown(clock, *slow, *quick)
    assert found.recent_fps() == pytest.approx(10)
    assert found.fps() == pytest.approx(39 / 12)


def test_ages_and_stages_are_milliseconds(clock) -> None:
    found = Statistics()
    assert found.age() is None
    assert found.last_age_ms() == 0
    assert found.stages() == {}
    for captured in (99.98, 99.96, 100.5):
        found.shown(captured)
    # A frame from the future, by clocks that differ, has no age.
    assert found.age() == Percentiles(20, 38, 39.6)
    assert found.last_age_ms() == 0
    for duration in (0.25, 0.75):
        with found.stage("infer"):
            clock["t"] += duration
    with suppress(ZeroDivisionError), found.stage("effect"):
        clock["t"] += 0.5
        raise ZeroDivisionError
    assert found.stages() == {
        "infer": Percentiles(500, 725, 745),
        "effect": Percentiles(500, 500, 500),
    }


def test_a_line_a_second(clock) -> None:
    found, log = shown(clock, 10.0, 10.5), LineLog(io.StringIO(), every_s=1.0)
    for at in (11.0, 11.9, 12.0, 12.5, 13.25):
        clock["t"] = at
        log.maybe_write(found, dropped=4)
    lines = log.stream.getvalue().splitlines()
    assert len(lines) == 3, "at 11.0, 12.0 and 13.25"
    assert json.loads(lines[0]) == {
        "fps": 2.0, "frames": 2, "dropped": 4, "hidden": 0, "age_ms": 100.0,
    }  # fmt: skip

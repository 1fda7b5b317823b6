"""The arithmetic of latency on given times, and a short measurement of the bundled model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from edgeseg.benchmarks import pipeline, probe, speed, sustained
from edgeseg.benchmarks.speed import Rounds, Setting, Turns
from edgeseg.benchmarks.subjects import model_subjects

from edgeseg.errors import EdgesegError


def turns(name, ms):
    return Turns(name, Setting(), np.asarray(ms, float))


def test_summary_by_hand():
    summary = speed.summarise(turns("m", [[1, 2], [3, 4]]))
    assert summary["p50_ms"] == 2.5
    assert summary["fps"] == pytest.approx(1000 / 2.5)
    assert (summary["threads"], summary["delegate"], summary["invokes"]) == (1, "cpu", 4)


def test_ratio_cancels_what_slows_a_round():
    drift = np.array([[1.0], [5.0], [2.0], [9.0]])
    ours, peer = turns("ours", drift * [2, 3]), turns("peer", drift * [4, 4.5])
    ratio = speed.ratio(ours, peer)
    assert ratio["to"] == "peer"
    assert ratio["value"] == pytest.approx(0.5)
    assert ratio["ci"] == pytest.approx([0.5, 0.5])


class Timed:
    """An interpreter whose invoke and whose reading take time, by the clock `now`."""

    def __init__(self, now, delegate):
        self.now, self.delegate, self.calls = now, delegate, 0

    def invoke(self):
        self.calls += 1
        self.now["t"] += 0.002 * self.calls

    def get_output(self):
        self.now["t"] += 0.005


@pytest.mark.parametrize(("delegate", "extra"), [("cpu", 0), ("edgetpu", 0), ("gpu", 5)])
def test_an_invoke_is_timed_in_milliseconds(monkeypatch, delegate, extra):
    """An accelerator that answers at once is waited for; the first invokes only settle."""
    now = {"t": 7.0}
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now["t"])
    timed = Timed(now, delegate)
    assert speed.invoke_ms(timed) == pytest.approx(2 + extra)
    found = speed._turn(timed, Rounds(rounds=1, invokes=3, warm_up=0, settle=2))
    assert found == pytest.approx([8 + extra, 10 + extra, 12 + extra])


def test_the_interval_of_a_ratio_is_of_its_median():
    """One slow round of nine moves their mean, not their median."""
    ours, peer = turns("ours", [[2.0]] * 8 + [[2000.0]]), turns("peer", [[4.0]] * 9)
    found = speed.ratio(ours, peer)
    assert found["value"] == 0.5
    assert found["ci"] == pytest.approx([0.5, 0.5])


def test_measures_the_bundled_model_and_says_why_not():
    subjects = model_subjects(["person"])
    settings = [Setting(1, "cpu"), Setting(1, "edgetpu")]
    ticks = []
    found = speed.measure(
        subjects,
        settings,
        rounds=Rounds(rounds=3, invokes=2, warm_up=1, settle=1),
        tick=lambda: ticks.append(1),
    )
    assert len(ticks) == 3
    assert found[0].ms is not None
    assert found[0].ms.shape == (3, 2)
    assert (found[0].ms > 0).all()
    unavailable = speed.summarise(found[1])
    assert "edgetpu" in unavailable["unavailable"]
    assert "p50_ms" not in unavailable


def test_whole_way_with_and_without_filter():
    ways = pipeline.ways(model_subjects(["person"]), threads=1)
    assert [way.bare for way in ways] == [False, True]
    frames = pipeline.frames_of([np.zeros((48, 64, 3), np.uint8)], count=4)
    assert {frame.shape for frame in frames} == {(480, 640, 3)}
    found = pipeline.measure(ways, frames, rounds=2, tick=lambda: None)
    assert found[0].ms.shape == (2, 2)
    assert "pipeline_fps" in pipeline.summarise(found[0])
    assert "pipeline_bare_fps" in pipeline.summarise(found[1])


def test_the_interval_of_frames_a_second_is_of_the_figure_beside_it():
    """One slow round of twenty: the mean of the rounds' rates would be 95 and more."""
    ms = np.full((20, 5), 10.0)
    ms[7] = 1000
    found = pipeline.summarise(pipeline.Frames("m", True, ms))
    low, high = found["pipeline_bare_fps_ci"]
    assert found["pipeline_bare_fps"] == pytest.approx(1000 / 59.5)
    assert low == pytest.approx(1000 / (10 + 990 * 3 / 20))
    assert high == pytest.approx(100)


@pytest.mark.parametrize(("bare", "prefix"), [(False, "pipeline"), (True, "pipeline_bare")])
def test_the_whole_ways_figures_by_hand(bare, prefix):
    found = pipeline.summarise(pipeline.Frames("m", bare, np.array([[10.0, 30.0], [40.0, 40.0]])))
    # Frames of 30 ms on average; rounds of 20 and of 40.
    assert found.pop(f"{prefix}_fps_ci") == pytest.approx([25, 50])
    expected = {"fps": 1000 / 30, "p50_ms": 35, "p90_ms": 40, "p99_ms": 40}
    assert found == pytest.approx({f"{prefix}_{name}": value for name, value in expected.items()})


def test_a_slowdown_is_of_the_last_tenth_over_the_first(monkeypatch):
    """Of 60 stretches the first and the last six; an outlier among them moves no median."""
    times = iter([2.0] * 5 + [90.0] + [1.0] * 48 + [3.0] * 5 + [0.1])
    stretches = []

    def stretch(interpreter, seconds):
        stretches.append(seconds)
        return next(times)

    monkeypatch.setattr(sustained, "_stretch", stretch)
    subject = model_subjects(["person"])[0]
    found = sustained.measure(subject, seconds=30, threads=1, tick=lambda: None)
    assert found["slowdown"] == 1.5
    assert found["p50_ms"][5] == 90
    assert stretches == [0.5] * 60


def test_probe_runs_in_a_process_of_its_own():
    subject = model_subjects(["person"])[0]
    found = probe.measure(subject.path, threads=1)
    assert found["load_ms"] > 0
    assert found["memory_mib"] is None or found["memory_mib"] > 0


def test_probe_says_what_is_wrong_in_one_line(tmp_path):
    (tmp_path / "no.tflite").write_bytes(b"nothing")
    with pytest.raises(EdgesegError, match=r"no\.tflite: could not be probed \(model: got no TFL"):
        probe.measure(tmp_path / "no.tflite", threads=1)
    command = [sys.executable, "-m", "edgeseg.benchmarks.probe"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the following arguments are required: model, threads" in done.stderr
    assert "Traceback" not in done.stderr


def test_sustained_load_has_a_time_for_every_stretch():
    ticks = []
    found = sustained.measure(
        model_subjects(["person"])[0], seconds=0.1, threads=1, tick=lambda: ticks.append(1)
    )
    assert len(ticks) == len(found["p50_ms"]) == sustained.BUCKETS
    assert found["slowdown"] > 0

"""What a video file states of its rate and length, and when that is not believed."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeseg.runtime import timing
from edgeseg.runtime.timing import Length, file_fps, sane_fps


class Stated:
    """A capture that states a rate and a number of frames, and is `at` so many milliseconds."""

    def __init__(self, *, fps: float, frames: float) -> None:
        self.at = 0.0
        self._stated = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: frames}

    def get(self, name: int) -> float:
        return self.at if name == cv2.CAP_PROP_POS_MSEC else self._stated[name]


def told(capsys, *, fps: float, frames: float, read: int, step_ms: float, path=None) -> str:
    """What is said where so many frames have been read, each so long after the other."""
    capture = Stated(fps=fps, frames=frames)
    length = Length(capture, fps=fps or 25.0, path=path)
    for number in range(read):
        capture.at = number * step_ms
        length.another()
    assert length.frames == read
    timing._tell_cut_off.cache_clear()
    length.tell("clip")
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(25, 25), (1 / 60, 1 / 60), (240, 240), (1 / 61, 30), (241, 30), (0, 30), (float("nan"), 30)],
)
def test_rates_from_a_slide_show_to_a_fast_camera_are_believed(fps: float, rate: float) -> None:
    assert sane_fps(fps) == rate


def test_an_end_before_nine_tenths_of_what_is_stated_is_told(capsys) -> None:
    """Of 100 frames at 25 a second the last 10 may be missing."""
    cut = "edgeseg: clip has frames for 3.6 s of 4.0 s; is it cut off?\n"
    assert told(capsys, fps=25, frames=100, read=89, step_ms=40) == cut
    assert told(capsys, fps=25, frames=100, read=90, step_ms=40) == ""
    # By the later of two ends: times may be missing, and a variable rate has fewer frames.
    assert told(capsys, fps=25, frames=100, read=90, step_ms=0) == ""
    assert told(capsys, fps=25, frames=100, read=45, step_ms=80) == cut
    assert told(capsys, fps=25, frames=100, read=46, step_ms=80) == ""
    # A number of frames without a rate is read at the one that is believed.
    assert told(capsys, fps=0, frames=100, read=80, step_ms=40) == cut.replace("3.6", "3.2")


def test_a_file_whose_pictures_go_on_is_not_cut_off(capsys, monkeypatch) -> None:
    asked = []

    def goes_on_at(path: Path, second: float) -> bool:
        asked.append((path, second))
        return path.name == "on"

    monkeypatch.setattr(timing, "goes_on_at", goes_on_at)
    short = {"fps": 25, "frames": 100, "read": 50, "step_ms": 40}
    assert told(capsys, **short, path=Path("on")) == ""
    assert "cut off" in told(capsys, **short, path=Path("off"))
    assert asked == [(Path("on"), pytest.approx(3.6)), (Path("off"), pytest.approx(3.6))]


def test_a_rate_beyond_cameras_is_measured(capsys, monkeypatch) -> None:
    means = {"a": 480.0, "b": 471.0, "c": 25.0, "d": None}
    monkeypatch.setattr(timing, "mean_fps", lambda path: means[path.name])
    file_fps.cache_clear()
    # Within 2 % the stated rate is meant.
    assert file_fps(480, Path("a")) == file_fps(480, Path("b")) == 480
    assert file_fps(240, Path("c")) == 240
    assert capsys.readouterr().err == ""
    assert file_fps(1000, Path("c")) == 25
    assert file_fps(1000, Path("d")) == 30
    assert capsys.readouterr().err.splitlines() == [
        "edgeseg: c states 1000 frames a second; taking 25",
        "edgeseg: d states 1000 frames a second; taking 30",
    ]
    means["e"] = 470.0
    assert file_fps(480, Path("e")) == 470

"""What a stream did, as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeseg.errors import SinkError
from edgeseg.runtime import summary as module
from edgeseg.runtime.statistics import Percentiles
from edgeseg.runtime.summary import Summary


def summary(**changes) -> Summary:
    values = dict.fromkeys(("model", "delegate", "interpreter", "temporal"), "x")
    values |= {"fps": 12.5, "frames": 3, "dropped": 1, "hidden": 0, "threads": 2}
    values |= {"ops_per_device": {"cpu": 7}, "delegates_refused": {}, "resets": {}}
    return Summary(**{**values, "warnings": [], "age": None, "stages": {}, **changes})


def test_statistics_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "new" / "stats.json"
    summary(age=Percentiles(1, 2, 3)).write(path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["fps"], found["age"]["p95_ms"]) == (12.5, 2)
    summary(frames=9).write(path)
    assert json.loads(path.read_text(encoding="utf-8"))["frames"] == 9
    before = path.read_text(encoding="utf-8")

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "replace", full)
    with pytest.raises(SinkError, match=r"stats: cannot write .* \(No space left on device\)"):
        summary(frames=10).write(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["stats.json"]
    assert path.read_text(encoding="utf-8") == before
    with pytest.raises(SinkError, match="which is no file"):
        summary().write(tmp_path)

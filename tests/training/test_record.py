"""What a run writes down about itself, and what a resumed one is told of it."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest
from rich.console import Console

from edgeseg.commands.train import _train
from edgeseg.training.config import TrainConfig
from edgeseg.training.record import changes_since


@pytest.fixture
def settings(config) -> TrainConfig:
    stage = dataclasses.replace(config.stages[0], steps=8, rate=(1e-3, 1e-4))
    model = dataclasses.replace(config.model, options={"depth": 1})
    return dataclasses.replace(config, model=model, stages=(stage,))


def test_changes_are_named_with_both_values(settings, tmp_path):
    assert changes_since(tmp_path, settings) == [], "a new folder knows of nothing"
    (tmp_path / "config.json").write_text(json.dumps(dataclasses.asdict(settings)))
    assert changes_since(tmp_path, settings) == []
    stage = dataclasses.replace(settings.stages[0], steps=12, rate=(1e-3, 1e-5))
    model = dataclasses.replace(settings.model, options={"depth": 1, "dropout": 0.5})
    changed = dataclasses.replace(settings, seed=settings.seed + 1, stages=(stage,), model=model)
    assert sorted(changes_since(tmp_path, changed)) == [
        "model.options.dropout: null, now 0.5",
        f"seed: {settings.seed}, now {settings.seed + 1}",
        "stages.0.rate.1: 0.0001, now 1e-05",
        "stages.0.steps: 8, now 12",
    ]
    longer = dataclasses.replace(settings, stages=(stage, stage))
    (line,) = changes_since(tmp_path, longer)
    assert line.startswith('stages: [{"steps": 8,')
    (tmp_path / "config.json").write_text("{")
    assert changes_since(tmp_path, settings) == []


def train(config, folder, root, console, *, resume) -> None:
    options = {"until": None, "devices": 1, "skip_bad": False}
    _train(config, folder, root=root, resume=resume, console=console, **options)


def resumed(config, folder, root) -> str:
    text = io.StringIO()
    train(config, folder, root, Console(file=text, width=200), resume=True)
    return text.getvalue()


def test_a_finished_run_is_left_as_it_is_unless_there_are_more_steps(config, tmp_path):
    stage = dataclasses.replace(config.stages[0], steps=2)
    short = dataclasses.replace(config, stages=(stage,), validate_every=2, checkpoint_every=2)
    folder = tmp_path / "run"
    train(short, folder, tmp_path, Console(quiet=True), resume=False)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    other = dataclasses.replace(short, seed=short.seed + 1)
    said = resumed(other, folder, tmp_path)
    assert f"changed since the run began: seed: {short.seed}, now {other.seed}" in said
    assert "at its end after 2 steps, and left as it is" in said
    assert {path: path.read_bytes() for path in before} == before
    longer = dataclasses.replace(short, stages=(dataclasses.replace(stage, steps=3),))
    said = resumed(longer, folder, tmp_path)
    assert "changed since the run began: stages.0.steps: 2, now 3" in said
    assert "at its end" not in said
    assert "weights-3.npz" in [path.name for path in folder.iterdir()]

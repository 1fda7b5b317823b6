"""Every option of the programs beside the commands reaches what does the work."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgeseg.training.encoder import Teaching
from edgeseg.training.graft import Grafting
from edgeseg.training.looks import Looks
from edgeseg.training.relabel import Opinions

PATHS = (Path("c.toml"), Path("w.npz"), Path("o.npz"))
WORDS = "c.toml w.npz -o o.npz"

CASES = {
    "thin": (f"{WORDS} --as-for a.npz", (*PATHS, Path("a.npz"))),
    "entry": (f"{WORDS} --steps 5", (*PATHS, 5)),
    "encoder": (
        f"{WORDS} --steps 5 --batch 3 --rate 0.25 --classes 0.5 --start s.npz",
        (*PATHS, Teaching(steps=5, batch=3, rate=0.25, classes=0.5, start=Path("s.npz"))),
    ),
    "graft": (
        f"{WORDS} --other plain --steps 5 --batch 3",
        (*PATHS, Grafting(other="plain", steps=5, batch=3)),
    ),
    "release": (
        "a.npz=1 b.npz=2 -o o.npz --threshold 0.25 --temperature 2 --only stem --only head",
        (["a.npz=1", "b.npz=2"], Path("o.npz"), 0.25, 2.0, ["stem", "head"]),
    ),
}


@dataclass(frozen=True)
class Loaded:
    """A configuration by where it was read."""

    path: Path
    mixed_precision: bool = False


def invoke(monkeypatch, name: str, words: str) -> tuple[tuple, dict]:
    """What a program's `main` is called with."""
    module = importlib.import_module(f"edgeseg.training.{name}")
    calls = []

    def main(*words, **options) -> int:
        calls.append((words, options))
        return 0

    monkeypatch.setattr(module, "main", main)
    monkeypatch.setattr(module, "load_config", Loaded, raising=False)
    program = typer.Typer()
    program.command()(module._command)
    result = CliRunner().invoke(program, words.split())
    assert result.exit_code == 0, result.output
    (call,) = calls
    return call


@pytest.mark.parametrize("name", CASES)
def test_programs(monkeypatch, name: str) -> None:
    words, expected = CASES[name]
    assert invoke(monkeypatch, name, words) == (expected, {})


def test_relabel(monkeypatch) -> None:
    words = "in/c.toml w.npz d.npz --size 64 --size 96 --deeplab 0.5 --shift 0.125"
    expected, options = invoke(monkeypatch, "relabel", words)
    assert expected == (Loaded(Path("in/c.toml")), Path("w.npz"), Path("d.npz"))
    assert options["root"] == Path("in")
    assert options["opinions"] == Opinions(sizes=((64, 64), (96, 96)), deeplab=0.5, shift=0.125)
    _, options = invoke(monkeypatch, "relabel", "c.toml w.npz d.npz")
    assert options["opinions"] == Opinions()


@pytest.mark.parametrize(
    ("words", "network", "looks", "size", "deeplab"),
    [
        ("", Loaded(PATHS[0]), Looks((1.0,), (1.45,), 0.0, 0.0), None, None),
        (
            "--size 64 96 --scale 1 --scale 2 --mirrored 3 --near 0.5 --deeplab d.npz --share 0.25 "
            "--deeplab-size 161 --shift 0.125 --mixed-precision",
            Loaded(PATHS[0], mixed_precision=True),
            Looks((1.0, 2.0), (3.0,), 0.5, 0.25, 161, 0.125),
            (64, 96),
            Path("d.npz"),
        ),
        # One kind of look alone, and what DeepLab's opinion counts without any.
        ("--mirrored 2", Loaded(PATHS[0]), Looks((), (2.0,), 0.0, 0.0), None, None),
        ("--scale 2 --share 1", Loaded(PATHS[0]), Looks((2.0,), (), 0.0, 0.0), None, None),
    ],
)
def test_looks(monkeypatch, words, network, looks, size, deeplab) -> None:
    expected, options = invoke(monkeypatch, "looks", f"{WORDS} {words}")
    assert expected == (network, *PATHS[1:], looks)
    assert options == {"size": size, "deeplab": deeplab}

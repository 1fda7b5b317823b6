"""Fixtures of the inspect and doctor tests: the bundled model, the compiled pairs, the verbs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgeseg.commands import doctor, inspect
from edgeseg.runtime.assets import resolve


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data is absent: no folder {root}; set EDGESEG_DATA")
    return root


@pytest.fixture(scope="session")
def person() -> bytes:
    return resolve("person").read_bytes()


@pytest.fixture(scope="session")
def run():
    """run("inspect", "person") -> the command's result."""
    app = typer.Typer()
    inspect.register(app)
    doctor.register(app)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))

"""Fixtures of the benchmark tests: a tiny data set and sequence, the real data, the command."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edgeseg.commands import benchmark


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data is absent: no folder {root}; set EDGESEG_DATA")
    return root


def write_pair(folder: Path, name: str, image: np.ndarray, mask: np.ndarray | None) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
    if mask is not None:
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), mask)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Three red squares before green, families a and b, and a plain picture without one."""
    folder = tmp_path_factory.mktemp("data")
    for number, family in enumerate(("a", "a", "b")):
        mask = np.zeros((64, 64), np.uint8)
        mask[16 : 48 + number, 20:44] = 255
        image = np.where(mask[..., np.newaxis] > 0, (30, 30, 220), (40, 160, 40))
        write_pair(folder, f"{family}_{number}", image.astype(np.uint8), mask)
    write_pair(folder, "neg_0", np.full((64, 64, 3), (40, 160, 40), np.uint8), None)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """A folder with one sequence of four frames, a square that moves."""
    folder = tmp_path_factory.mktemp("video")
    for number in range(4):
        mask = np.zeros((48, 64), np.uint8)
        mask[12:36, 10 + number : 34 + number] = 255
        image = np.where(mask[..., np.newaxis] > 0, (30, 30, 220), (40, 160, 40))
        write_pair(folder / "walk", f"{number:05d}", image.astype(np.uint8), mask)
    return folder


@pytest.fixture(scope="session")
def run():
    """run("person", "--only", "speed") -> the command's result."""
    app = typer.Typer()
    benchmark.register(app)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))

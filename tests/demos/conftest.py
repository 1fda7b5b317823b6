"""Fixtures of the demos' tests: programs run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python program of the project in an empty folder."""

    def call(*words: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *(str(word) for word in words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


@pytest.fixture
def demos() -> Path:
    return ROOT / "demos"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 30 frames of the sample, 320x240, 25 fps."""
    pytest.importorskip("skimage")
    from edgeseg.runtime.sample import Sample

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    sample = Sample(size=(320, 240))
    for index in range(30):
        writer.write(sample.frame(index))
    writer.release()
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pytest.importorskip("skimage")
    from edgeseg.runtime.sample import Sample

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), Sample(size=(320, 240)).frame(0))
    return path


@pytest.fixture
def frames_in() -> Callable[[Path], list[np.ndarray]]:
    def read(path: Path) -> list[np.ndarray]:
        capture = cv2.VideoCapture(str(path))
        frames = []
        while True:
            ok, frame = capture.read()
            if not ok:
                return frames
            frames.append(frame)

    return read

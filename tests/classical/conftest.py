"""Fixtures of the classical tests: pictures with a known answer, the real data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data is absent: no folder {root}; set EDGESEG_DATA")
    return root


@pytest.fixture(scope="session")
def figure() -> tuple[np.ndarray, np.ndarray]:
    """A red figure that stands on the lower edge before a green wall, with some noise; truth."""
    truth = np.zeros((150, 120), bool)
    rows, columns = np.mgrid[:150, :120]
    truth[(rows - 55) ** 2 + (columns - 60) ** 2 < 18**2] = True
    truth[70:, 35:85] = True
    image = np.where(truth[..., np.newaxis], (40, 40, 200), (60, 160, 60)).astype(float)
    image += np.random.default_rng(0).normal(0, 6, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), truth

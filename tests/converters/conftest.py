"""Fixtures of the converter tests: the data folder, a tiny network, its frames."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before anything imports keras: the models are built with Keras 3 on TensorFlow.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data is absent: no folder {root}; set EDGESEG_DATA")
    return root

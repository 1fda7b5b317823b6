"""Where the real samples lie."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the sample data; tests that read it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "../shared/data"
    root = Path(os.environ.get("EDGESEG_DATA", default)).resolve()
    if not root.is_dir():
        pytest.skip(f"no sample data at {root}; set EDGESEG_DATA to its folder")
    return root

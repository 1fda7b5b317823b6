"""Where the real samples lie, and small ones that are made."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.data.folder import Sample


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the sample data; tests that read it skip where it is absent."""
    default = Path(__file__).resolve().parents[2] / "../shared/data"
    root = Path(os.environ.get("EDGESEG_DATA", default)).resolve()
    if not root.is_dir():
        pytest.skip(f"no sample data at {root}; set EDGESEG_DATA to its folder")
    return root


@pytest.fixture
def samples(tmp_path):
    """Three photos with masks: a bright disc on noise."""
    rng = np.random.default_rng(0)
    made = []
    for index in range(3):
        image = rng.integers(0, 120, (64, 96, 3), dtype=np.uint8)
        mask = np.zeros((64, 96), np.uint8)
        cv2.circle(mask, (30 + 15 * index, 32), 16, 255, -1)
        image[mask > 0] += 120
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
        cv2.imwrite(str(tmp_path / f"{index}_mask.png"), mask)
        made.append(Sample(tmp_path / f"{index}.png", tmp_path / f"{index}_mask.png"))
    return tuple(made)

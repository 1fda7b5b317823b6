"""CamVid in the layout of the SegNet tutorial: `train/X.png` with `trainannot/X.png`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset import IGNORE, Dataset, found, pair
from .folder import read_grey

LABELS = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)
VOID = 11


def read_camvid(root: str | Path, *, split: str = "train") -> Dataset:
    """Street scenes of one split (train, val or test); void is ignored."""
    root = Path(root)
    folder = root / f"{split}annot"
    samples, problems = pair(found(root / split, "*.png"), lambda i: folder / i.name, decode)
    return Dataset(f"camvid {split}", samples, LABELS, PALETTE, problems)


def decode(path: Path) -> np.ndarray:
    """uint8 (H, W) class ids 0 to 10, void as IGNORE."""
    ids = read_grey(path)
    return np.where(ids == VOID, IGNORE, ids).astype(np.uint8)

"""ISBI 2012 electron microscopy: `image/N.png` with `label/N.png`, 0 where a membrane is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset import Dataset, found, pair
from .folder import check_range, read_grey

LABELS = ("cell", "membrane")
PALETTE = ((70, 90, 150), (250, 200, 60))


def read_isbi(root: str | Path, *, split: str = "train") -> Dataset:
    """Slices of one stack, in the order of their numbers."""
    folder = Path(root) / split
    samples, problems = pair(
        found(folder / "image", "*.png"), lambda i: folder / "label" / i.name, decode
    )
    return Dataset(f"isbi {split}", samples, LABELS, PALETTE, problems)


def decode(path: Path) -> np.ndarray:
    """uint8 (H, W): 1 on membranes."""
    values = read_grey(path)
    check_range(values, path)
    return (values < 128).astype(np.uint8)

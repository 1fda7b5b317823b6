"""LGG brain MRI: `TCGA_PATIENT/NAME_N.tif`, three sequences as channels, with `NAME_N_mask.tif`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .dataset import Dataset, found, pair
from .folder import check_range, read_grey

LABELS = ("background", "tumour")
PALETTE = ((0, 0, 0), (230, 60, 60))
SUFFIX = "_mask.tif"


def read_lgg(root: str | Path, *, split: str = "") -> Dataset:
    """Slices of the patients whose folder begins with `split`, all where it is empty.

    Split by patient: slices of one brain resemble each other.
    """
    root = Path(root)
    images = [p for p in found(root, f"{split or 'TCGA_'}*/*.tif") if not p.name.endswith(SUFFIX)]
    if not images:
        raise InputError(f"{root}: got masks alone, expected NAME_N.tif with NAME_N{SUFFIX}")
    samples, problems = pair(images, lambda i: i.with_name(i.stem + SUFFIX), decode)
    return Dataset(f"lgg {split}".strip(), samples, LABELS, PALETTE, problems)


def decode(path: Path) -> np.ndarray:
    """uint8 (H, W): 1 in the tumour."""
    values = read_grey(path)
    check_range(values, path)
    return (values > 127).astype(np.uint8)

"""Video with a mask for every frame, as DAVIS has it, in either of two layouts.

`SEQUENCE/images/00000.jpg` with `SEQUENCE/masks/00000.png`, or DAVIS's own
`JPEGImages/480p/SEQUENCE/00000.jpg` with `Annotations/480p/SEQUENCE/00000.png`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..image_files import is_listed
from .dataset import Dataset, found, pair
from .folder import mask_in
from .indexed_png import read_indexed

LABELS = ("background", "object")
PALETTE = ((0, 0, 0), (230, 80, 80))


def read_davis(root: str | Path, *, split: str = "") -> Dataset:
    """All frames of the sequences whose name begins with `split`, in order of time.

    root: holds the sequences, or is one.
    """
    root = Path(root)
    if (root / "JPEGImages").is_dir():
        images = found(root / "JPEGImages", f"*/{split}*/*")
        samples, problems = pair(filter(is_listed, images), _annotation, decode)
    else:
        pattern = "images/*" if (root / "images").is_dir() else f"{split}*/images/*"
        samples, problems = pair(filter(is_listed, found(root, pattern)), _beside, decode)
    return Dataset(f"davis {split}".strip(), samples, LABELS, PALETTE, problems)


def _annotation(image: Path) -> Path:
    sequence, resolution = image.parent, image.parent.parent
    base = resolution.parent.parent / "Annotations" / resolution.name
    return mask_in(base / sequence.name, image.stem)


def _beside(image: Path) -> Path:
    return mask_in(image.parent.parent / "masks", image.stem)


def decode(path: Path) -> np.ndarray:
    """uint8 (H, W): 1 on any object; grey 255, and object numbers of indexed files alike."""
    return (read_indexed(path) > 0).astype(np.uint8)

"""Cityscapes: `leftImg8bit/SPLIT/CITY` with `gtFine/SPLIT/CITY`, label ids to training ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset import IGNORE, UNKNOWN, Dataset, found, pair
from .folder import read_grey

# Label id, name and colour of the 19 classes that are trained and scored, by training id.
CLASSES = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
LABELS = tuple(name for _, name, _ in CLASSES)
PALETTE = tuple(colour for _, _, colour in CLASSES)
LABEL_IDS = 34
SUFFIX = "_leftImg8bit.png"


def _table() -> np.ndarray:
    table = np.full(256, UNKNOWN, np.uint8)
    table[:LABEL_IDS] = IGNORE
    for training_id, (label_id, _, _) in enumerate(CLASSES):
        table[label_id] = training_id
    return table


def read_cityscapes(root: str | Path, *, split: str = "val") -> Dataset:
    """Street scenes of one split, 19 classes; everything else is ignored."""
    root = Path(root)
    images = found(root / "leftImg8bit" / split, f"*/*{SUFFIX}")

    def labels(image: Path) -> Path:
        stem = image.name.removesuffix(SUFFIX)
        return root / "gtFine" / split / image.parent.name / f"{stem}_gtFine_labelIds.png"

    samples, problems = pair(images, labels, decode)
    return Dataset(f"cityscapes {split}", samples, LABELS, PALETTE, problems)


def decode(path: Path) -> np.ndarray:
    """uint8 (H, W) training ids from a file of label ids."""
    return _table()[read_grey(path)]

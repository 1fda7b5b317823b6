"""The data sets by name, and which one a folder looks like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from .camvid import read_camvid
from .cityscapes import read_cityscapes
from .coco import read_coco
from .dataset import Dataset
from .davis import read_davis
from .isbi import read_isbi
from .lgg import read_lgg
from .palette_folder import read_folder

READERS: dict[str, Callable[..., Dataset]] = {
    "folder": read_folder,
    "coco": read_coco,
    "cityscapes": read_cityscapes,
    "camvid": read_camvid,
    "lgg": read_lgg,
    "isbi": read_isbi,
    "davis": read_davis,
}

# What gives a layout away: the first pattern that matches a folder names its reader.
SIGNS = (
    ("annotations/instances_*.json", "coco"),
    ("leftImg8bit", "cityscapes"),
    ("*annot", "camvid"),
    ("TCGA_*", "lgg"),
    ("*/label", "isbi"),
    ("JPEGImages", "davis"),
    ("images", "folder"),
    ("labels.txt", "folder"),
    ("train/images", "folder"),
    ("val/images", "folder"),
    ("*/images", "davis"),
)


def read_dataset(
    kind: str, root: str | Path, *, split: str = "", classes: Sequence[str] = ()
) -> Dataset:
    """Read a data set.

    kind: a name of `READERS`, or "auto" for the one that the folder looks like.
    split: which part, such as "train"; empty means the reader's own default.
    classes: a subset of the classes, for readers that offer it (COCO).
    Raises InputError for an unknown kind, a missing folder, or no samples.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: got no such folder, expected a data set")
    kind = detect(root) if kind == "auto" else kind
    if kind not in READERS:
        raise InputError(f"data set: got {kind!r}, expected one of {', '.join(READERS)}, auto")
    reader = READERS[kind]
    options: dict[str, object] = {"split": split} if split else {}
    if classes:
        if "classes" not in inspect.signature(reader).parameters:
            raise InputError(f"{kind}: got classes {list(classes)}, which only coco can choose")
        options["classes"] = classes
    dataset = reader(root, **options)
    if not dataset.samples and not dataset.problems:
        raise InputError(f"{root}: got no samples, expected a {kind} data set")
    return dataset


def detect(root: Path) -> str:
    """The reader's name for the layout of `root`. InputError where none is recognised."""
    for pattern, kind in SIGNS:
        if next(root.glob(pattern), None) is not None:
            return kind
    expected = ", ".join(f"{pattern} ({kind})" for pattern, kind in SIGNS)
    raise InputError(f"{root}: got no layout that is known, expected one of {expected}")

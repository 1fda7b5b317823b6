"""COCO: instances from `annotations/instances_SPLIT.json`, merged to class ids per pixel."""

from __future__ import annotations

import colorsys
import contextlib
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, require
from .dataset import IGNORE, Colour, Dataset, Labelled, check_count
from .folder import Problem


def read_coco(root: str | Path, *, split: str = "val2017", classes: Sequence[str] = ()) -> Dataset:
    """Images of `root`/SPLIT; polygons and run lengths become class ids.

    classes: category names to keep, such as ("person",); all of them where empty.
        Class 0 is the background and everything else.
    Where instances overlap the smaller one is in front. A crowd region without a
    single instance is ignored.
    Raises InputError for a missing file or a category that COCO has not got.
    """
    root = Path(root)
    file = root / "annotations" / f"instances_{split}.json"
    coco = _open(file)
    names = {category["id"]: category["name"] for category in coco.dataset["categories"]}
    unknown = sorted(set(classes) - set(names.values()))
    if unknown:
        raise InputError(f"classes: got {unknown}, expected some of {sorted(names.values())}")
    kept = list(classes) or list(names.values())
    ids = {number: kept.index(name) + 1 for number, name in names.items() if name in kept}
    samples, problems = [], []
    for number in sorted(coco.imgs):
        image = root / split / coco.imgs[number]["file_name"]
        if image.is_file():
            samples.append(Labelled(image, file, partial(_labels, coco, number, ids)))
        else:
            problems.append(Problem(image, f"got no such image, expected it from {file.name}"))
    labels = ("background", *kept)
    check_count(labels, file)
    return Dataset(f"coco {split}", tuple(samples), labels, colours(len(labels)), tuple(problems))


def _open(file: Path) -> Any:
    module = require("pycocotools.coco", extra="benchmark")
    if not file.is_file():
        raise InputError(f"{file}: got no such file, expected COCO's instances")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its timings
            return module.COCO(str(file))
    except (ValueError, KeyError, AssertionError) as error:
        raise InputError(f"{file}: got no readable COCO annotations ({error})") from None


def _labels(coco: Any, number: int, ids: dict[int, int], path: Path) -> np.ndarray:
    image = coco.imgs[number]
    labels = np.zeros((image["height"], image["width"]), np.uint8)
    annotations = [a for a in coco.imgToAnns[number] if a["category_id"] in ids]
    for annotation in sorted(annotations, key=lambda a: (not a.get("iscrowd", 0), -a["area"])):
        mask = coco.annToMask(annotation).astype(bool)
        labels[mask] = IGNORE if annotation.get("iscrowd", 0) else ids[annotation["category_id"]]
    return labels


def colours(count: int) -> tuple[Colour, ...]:
    """Black, then colours that are far apart: the golden angle around the colour circle."""
    found = [(0, 0, 0)]
    for index in range(count - 1):
        value = 0.95 - 0.25 * (index // 3 % 3)
        red, green, blue = colorsys.hsv_to_rgb(index * 0.618 % 1, 0.75, value)
        found.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(found[:count])

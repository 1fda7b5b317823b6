"""IoU by group of a person or a picture: lighting, skin tone, age, pose, device.

The CSV has a column `image`, the file name with or without suffix, and one column
per attribute; an empty cell means that the attribute is not known.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgeseg.errors import InputError
from edgeseg.metrics import interval

from .accuracy import ImageScore

# image name -> attribute -> group
Groups = Mapping[str, Mapping[str, str]]


def read_groups(path: Path) -> Groups:
    """Read the CSV. InputError where it is missing, has no `image` column or no attribute."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
    except OSError as error:
        raise InputError(f"{path}: got no readable file ({error.strerror})") from None
    columns = list(reader.fieldnames or ())
    if "image" not in columns or len(columns) < 2:
        raise InputError(
            f"{path}: got columns {', '.join(columns) or 'none'}, "
            "expected image and one or more attributes"
        )
    return {
        Path(line["image"]).stem: {
            attribute: (line[attribute] or "").strip()
            for attribute in columns
            if attribute != "image" and (line[attribute] or "").strip()
        }
        for line in lines
    }


def check_images(groups: Groups, names: Collection[str]) -> None:
    """Raise InputError where no image, by its name without suffix, has a group."""
    if not any(groups.get(name) for name in names):
        raise InputError("groups: got no image of the data in the CSV, expected their file names")


def summarise(scores: Sequence[ImageScore], groups: Groups) -> dict:
    """Attribute -> {"groups": {group: {images, iou, ci}}, "largest_gap": {...}}.

    Only images with the class count. InputError where none of them is in the CSV.
    """
    members: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in scores:
        if one.iou is None:
            continue
        for attribute, group in groups.get(one.name, {}).items():
            members[attribute][group].append(one.iou)
    if not members:
        raise InputError("groups: got none but images without the class, expected others as well")
    return {attribute: _attribute(by_group) for attribute, by_group in sorted(members.items())}


def _attribute(by_group: Mapping[str, Sequence[float]]) -> dict:
    summary = {
        group: {
            "images": len(ious),
            "iou": float(np.mean(ious)),
            "ci": list(interval(np.asarray(ious))),
        }
        for group, ious in sorted(by_group.items())
    }
    means = {group: float(np.mean(ious)) for group, ious in sorted(by_group.items())}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    gap = means[best] - means[worst]
    return {"groups": summary, "largest_gap": {"best": best, "worst": worst, "iou": gap}}

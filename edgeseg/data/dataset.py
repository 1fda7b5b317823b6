"""What every reader gives: samples with class ids, the classes' names and colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .folder import Problem, Sample, read_grey

# Class id of pixels that count neither in the loss nor in a score.
IGNORE = 255
# Class id of pixels whose stored value no class has.
UNKNOWN = 254

Decode = Callable[[Path], np.ndarray]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Labelled(Sample):
    """An image whose pixels have class ids.

    mask: the file that holds the labels, None where everything is class 0.
    decode: reads that file into uint8 (H, W) class ids, IGNORE where none counts.
    """

    decode: Decode = read_grey

    def read_labels(self) -> np.ndarray:
        """uint8 (H, W) class ids, IGNORE and UNKNOWN among them."""
        if self.mask is None:
            return np.zeros(self.read_image().shape[:2], np.uint8)
        return self.decode(self.mask)

    def read_mask(self) -> np.ndarray:
        """uint8 (H, W), 255 where the class is neither 0 nor ignored."""
        labels = self.read_labels()
        return np.where((labels > 0) & (labels < UNKNOWN), 255, 0).astype(np.uint8)


@dataclass(frozen=True)
class Dataset:
    """Samples of one data set.

    labels: name of each class id. palette: its (red, green, blue).
    problems: what was found wrong while the files were listed, missing masks above all.
    notes: what is passed over, and may be meant otherwise.
    """

    name: str
    samples: tuple[Labelled, ...]
    labels: tuple[str, ...]
    palette: tuple[Colour, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


def check_count(labels: Sequence[str], path: Path) -> None:
    """Raise InputError for more classes than ids of eight bits have room for."""
    if len(labels) > UNKNOWN:
        raise InputError(f"{path}: got {len(labels)} classes, expected at most {UNKNOWN}")


def pair(
    images: Iterable[Path], label_path: Callable[[Path], Path], decode: Decode
) -> tuple[tuple[Labelled, ...], tuple[Problem, ...]]:
    """Samples of the images whose label file exists, and a problem for each other one."""
    samples, problems = [], []
    for image in images:
        labels = label_path(image)
        if labels.is_file():
            samples.append(Labelled(image, labels, decode))
        else:
            problems.append(Problem(image, f"got no mask, expected {labels}"))
    return tuple(samples), tuple(problems)


def found(root: Path, pattern: str) -> list[Path]:
    """Files under `root` that match, sorted by name with numbers in numeric order."""
    paths = sorted(root.glob(pattern), key=natural)
    if not paths:
        raise InputError(
            f"{root}: got no files {pattern}, expected some; is this the right folder?"
        )
    return paths


def natural(path: Path) -> list[tuple[int, int | str]]:
    """Sort key under which `2.png` comes before `10.png`."""
    key: list[tuple[int, int | str]] = []
    text = str(path)
    number = ""
    for character in [*text, ""]:
        if character.isdigit():
            number += character
            continue
        if number:
            key.append((0, int(number)))
            number = ""
        key.append((1, character))
    return key

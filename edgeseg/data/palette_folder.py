"""Plain `images/` + `masks/` folders with any palette, described by an optional `labels.txt`.

A line of labels.txt is `NAME RED GREEN BLUE`, its class id is its number from 0;
a line whose name is `ignore` gives the colour of pixels that do not count. Masks
may hold colours, palette indices or class ids. Without labels.txt the masks are
binary: values above 127 are foreground.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image_files import image_paths, is_listed
from .dataset import IGNORE, UNKNOWN, Colour, Dataset, Labelled, check_count
from .folder import (
    THRESHOLD,
    Problem,
    check_any_foreground,
    check_range,
    mask_in,
    read_soft,
    read_values,
)
from .indexed_png import png_palette, read_coloured

BINARY = ("background", "foreground"), ((0, 0, 0), (64, 200, 120))
NEGATIVES = ("neg", "object")


def read_folder(root: str | Path, *, split: str = "") -> Dataset:
    """`root`/SPLIT/images with `root`/SPLIT/masks, file names equal up to the suffix.

    Files whose name begins with `neg_` or `object_` need no mask: it is empty.
    Raises InputError for the folder of a split whose labels.txt lies beside it, and for a folder
    of splits without `split`.
    """
    folder = Path(root) / split
    if not split and not (folder / "images").is_dir():
        splits = sorted(path.parent.name for path in folder.glob("*/images"))
        if splits:
            raise InputError(
                f"{root}: got the splits {', '.join(splits)}, expected one of them as --split"
            )
    file = next(
        (f / "labels.txt" for f in (folder, Path(root)) if (f / "labels.txt").is_file()), None
    )
    above = Path(root).resolve().parent / "labels.txt"
    if file is None and above.is_file():
        raise InputError(
            f"{root}: got a folder without a labels.txt beside {above}, expected the data set "
            f"{above.parent}, its split {Path(root).resolve().name}"
        )
    labels, palette, ignored = read_labels_file(file) if file else (*BINARY, None)
    decode = partial(decode_classes, palette=palette, ignored=ignored) if file else decode_binary
    samples, problems = [], []
    images = image_paths(folder / "images")
    for image in images:
        mask = mask_in(folder / "masks", image.stem)
        if mask.is_file():
            samples.append(Labelled(image, mask, decode))
        elif image.stem.split("_")[0] in NEGATIVES:
            samples.append(Labelled(image, None, decode))
        else:
            problems.append(Problem(image, f"got no mask, expected {mask}"))
    notes = tuple(_passed_over(folder, images))
    return Dataset(folder.name, tuple(samples), labels, palette, tuple(problems), notes)


def _passed_over(folder: Path, images: list[Path]) -> Iterator[Problem]:
    """A line for each kind of file that is not read, or read twice, with the first of them."""
    below = [path for path in (folder / "images").glob("*/**/*") if is_listed(path)]
    if below:
        yield Problem(
            folder / "images",
            f"got {len(below)} images in folders of its own, the first {min(below)}; expected "
            "them beside the others, they are passed over",
        )
    stems = Counter(image.stem for image in images)
    masks = [path for path in (folder / "masks").glob("*") if is_listed(path)]
    if alone := sorted(mask for mask in masks if mask.stem not in stems):
        yield Problem(
            folder / "masks",
            f"got {len(alone)} masks without an image, the first {alone[0].name}; they are "
            "passed over",
        )
    if twice := [image.name for image in images if stems[image.stem] > 1]:
        yield Problem(
            folder / "images",
            f"got {len(twice)} images that share a name and with it a mask, the first "
            f"{twice[0]} and {twice[1]}; expected a name for each",
        )


def read_labels_file(
    path: Path,
) -> tuple[tuple[str, ...], tuple[Colour, ...], Colour | None]:
    """Names, colours, and the colour of ignored pixels, from a labels.txt."""
    labels, palette, ignored = [], [], None
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: got no text in UTF-8 ({error})") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        numbers = words[-3:]
        if len(words) < 4 or not all(w.isdigit() and int(w) < 256 for w in numbers):
            raise InputError(f"{path}:{number}: got {line!r}, expected NAME RED GREEN BLUE")
        colour = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
        name = " ".join(words[:-3])
        if name == "ignore":
            ignored = colour
        else:
            if name in labels or colour in palette:
                raise InputError(
                    f"{path}:{number}: got {line!r} after a class of that name or colour, expected "
                    "each once"
                )
            labels.append(name)
            palette.append(colour)
    if not labels:
        raise InputError(f"{path}: got no classes, expected lines NAME RED GREEN BLUE")
    check_count(labels, path)
    return tuple(labels), tuple(palette), ignored


def decode_binary(path: Path) -> np.ndarray:
    """uint8 (H, W): 1 where the mask is above 127."""
    values = read_soft(path)
    check_range(values, path)
    return (values > THRESHOLD).astype(np.uint8)


def check_not_all_empty(samples: Iterable[Labelled]) -> None:
    """Raise InputError where binary masks are empty only because they hold numbers of classes.

    samples: those of a data set in which no mask shows the foreground.
    """
    binary = (s.mask for s in samples if s.mask is not None and s.decode is decode_binary)
    check_any_foreground(max((int(read_soft(mask).max()) for mask in binary), default=0))


def decode_classes(
    path: Path, *, palette: tuple[Colour, ...], ignored: Colour | None
) -> np.ndarray:
    """uint8 (H, W) class ids of a coloured, indexed or grey mask."""
    own = png_palette(path)
    known = np.array([*palette, ignored] if ignored else palette, np.uint8)
    ids = read_values(path) if own is None else read_coloured(path, own)
    if ids.ndim == 3 or not _numbered(ids, len(palette)) or (own is None and _grey(ids, known)):
        coloured = read_coloured(path, known)
        ids = np.where(coloured == len(palette), IGNORE, coloured)
    return np.where((ids >= len(palette)) & (ids != IGNORE), UNKNOWN, ids).astype(np.uint8)


def _grey(values: np.ndarray, known: np.ndarray) -> bool:
    """Whether values, 255 among them, are colours: black and white, not class 0 and ignored."""
    greys = known[(known[:, :1] == known).all(axis=1), 0]
    return bool((values == IGNORE).any() and np.isin(values, greys).all())


def _numbered(ids: np.ndarray, classes: int) -> bool:
    return bool(((ids < classes) | (ids == IGNORE)).all())

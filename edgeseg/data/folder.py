"""Plain folders, `images/` and `masks/` with equal names: reading binary samples."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..image_files import image_paths, read_image, read_stored

# Lossy compression of grey makes its channels differ by so much.
TINGE = 2
# Share of a mask, of which more at 1 and none above are a foreground.
LEAST_OF_ONES = 0.001
# What is above it is foreground.
THRESHOLD = 127
# Family of whatever has no prefix: one for all, not one for each.
UNNAMED = "photos"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file: which, and what."""

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class Sample:
    """One image and its mask; `mask` is None where the mask is empty by definition."""

    image: Path
    mask: Path | None

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.image.stem

    @property
    def family(self) -> str:
        """The name's prefix up to the first underscore; "photos" for names without one."""
        prefix, underscore, _ = self.name.partition("_")
        return prefix if underscore else UNNAMED

    def is_of(self, families: Collection[str]) -> bool:
        """Whether its family, or a name without a prefix itself, is among `families`."""
        return self.family in families or self.name in families

    def read_image(self) -> np.ndarray:
        """uint8 (H, W, 3), BGR."""
        return read_image(self.image)

    def read_mask(self) -> np.ndarray:
        """uint8 (H, W), 0 background to 255 foreground."""
        if self.mask is None:
            height, width = self.read_image().shape[:2]
            return np.zeros((height, width), np.uint8)
        mask = read_soft(self.mask)
        check_range(mask, self.mask)
        return mask

    def read_pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Image and mask as above; InputError where the mask is of another size."""
        image, mask = self.read_image(), self.read_mask()
        check_size(mask, image, self.mask)
        return image, mask


@dataclass(frozen=True)
class Group:
    """Samples drawn together: `share` of all draws, each weighted by `weight` in the loss.

    crop: another crop range than the configuration's, for close portraits say.
    emptiest_of: of so many crops drawn, the one that shows least of what the mask holds is
        taken: surroundings of people, which are none.
    taught: share of a teacher's answer in what a step asks for, the rest being the mask.
    shift: added to the log odds that a teacher answers.
    """

    name: str
    samples: tuple[Sample, ...]
    share: float = 1.0
    weight: float = 1.0
    crop: tuple[float, float] | None = None
    emptiest_of: int = 1
    taught: float = 1.0
    shift: float = 0.0


def read_values(path: Path) -> np.ndarray:
    """A mask file's values as they are: uint8 (H, W), or (H, W, 3) BGR where it has colours.

    Raises InputError for a file that is unreadable, has other than 8 bits, or holds nothing
    but transparency.
    """
    image = read_stored(path)
    if image.dtype != np.uint8:
        raise InputError(f"{path}: got a mask of {image.dtype}, expected 8 bits")
    if image.ndim == 2:
        return image
    colours = image[..., :3]
    if image.shape[2] == 4 and np.ptp(image[..., 3]) and not np.ptp(colours, axis=(0, 1)).any():
        raise InputError(
            f"{path}: got one colour and a mask in its transparency, expected an opaque mask"
        )
    if (colours[..., :1] == colours[..., 1:]).all():
        return np.ascontiguousarray(colours[..., 0])
    return np.ascontiguousarray(colours)


def read_grey(path: Path) -> np.ndarray:
    """`read_values` of a file without colours, uint8 (H, W); InputError for others."""
    return _grey(read_values(path), path)


def read_soft(path: Path) -> np.ndarray:
    """The same of a mask from 0 to 255, which a lossy format may have tinged."""
    values = read_values(path)
    if values.ndim == 3 and np.ptp(values, axis=2).max() <= TINGE:
        return cv2.cvtColor(values, cv2.COLOR_BGR2GRAY)
    return _grey(values, path)


def _grey(values: np.ndarray, path: Path) -> np.ndarray:
    if values.ndim == 3:
        raise InputError(
            f"{path}: got a mask in colours, expected one plane of grey values; a labels.txt "
            "beside images/ and masks/ tells which colour is which class"
        )
    return values


def check_size(mask: np.ndarray, image: np.ndarray, path: Path | None) -> None:
    """Raise InputError for a mask (H, W) of another size than its image (H, W, ...)."""
    if mask.shape != image.shape[:2]:
        raise InputError(
            f"{path}: got a mask of {mask.shape[1]}x{mask.shape[0]}, expected its image's "
            f"{image.shape[1]}x{image.shape[0]}"
        )


def check_range(mask: np.ndarray, path: Path) -> None:
    """Raise InputError for a mask of 0 and 1, which as 0 to 255 would be empty.

    A soft mask of nobody may hold a few pixels of 1.
    """
    if mask.max() == 1 and mask.mean() > LEAST_OF_ONES:
        raise InputError(
            f"{path}: got a mask of 0 and 1, expected 0 for the background to 255 for the "
            "foreground; multiply it by 255"
        )


def check_any_foreground(highest: int) -> None:
    """Raise InputError where no mask of all has a foreground, though they hold something.

    highest: of the values of all masks. One mask alone may be a soft one of nobody; all of
    them are numbers of classes or objects, which as 0 to 255 would be empty.
    """
    if 0 < highest <= THRESHOLD:
        raise InputError(
            f"data: got masks whose values are {highest} at most, expected 0 for the background to "
            "255 for the foreground; a labels.txt beside images/ and masks/ tells which number is "
            "which class"
        )


def mask_in(folder: Path, name: str) -> Path:
    """The file in `folder` with the mask of the image `name`, there or not.

    Its suffix is .png, or .PNG where only that is there, as some cameras' programs write it.
    """
    mask, loud = folder / f"{name}.png", folder / f"{name}.PNG"
    return loud if not mask.exists() and loud.exists() else mask


def read_pairs(
    root: str | Path,
    *,
    masks: str | Path | None = None,
    negatives: Collection[str] = ("neg", "object"),
    families: Collection[str] = (),
    leave_out: Collection[str] = (),
    problems: list[Problem] | None = None,
) -> list[Sample]:
    """Samples of `root`/images with `root`/masks.

    masks: another folder to take the masks from.
    negatives: families whose mask is empty and has no file.
    families: the others are passed over; empty means all.
    leave_out: names without suffix of images that are passed over.
    problems: a list that takes images whose mask is missing in any other family;
        without it the first one is an InputError that names the image.
    """
    samples: list[Sample] = []
    folder = Path(root) / "masks" if masks is None else Path(masks)
    for image in image_paths(Path(root) / "images"):
        mask = mask_in(folder, image.stem)
        sample = Sample(image, mask if mask.exists() else None)
        if image.stem in leave_out or (families and not sample.is_of(families)):
            continue
        if sample.mask is None and sample.family not in negatives:
            problem = Problem(image, f"got no mask, expected {mask}")
            if problems is None:
                raise InputError(f"{problem}; `edgeseg dataset verify {root}` names all such files")
            problems.append(problem)
        else:
            samples.append(sample)
    return samples


def read_backgrounds(folder: str | Path, *, leave_out: Collection[str] = ()) -> list[Sample]:
    """Images without the class: negatives, and backgrounds to composite onto.

    leave_out: as in `read_pairs`.
    """
    return [Sample(image, None) for image in image_paths(folder) if image.stem not in leave_out]

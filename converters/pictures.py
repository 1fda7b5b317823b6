"""Real images for calibration and verification, with the masks that lie beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.data.folder import check_range, check_size, mask_in, read_soft
from edgeseg.errors import InputError
from edgeseg.image_files import image_paths, read_image
from edgeseg.preprocess import resize

# A picture of one colour says nothing; photographs have a deviation of 30 to 80.
PLAIN_DEVIATION = 4.0
# Well above a network's input, and photographs of phones by the hundred still fit into memory.
PHOTO_SIDE = 1280
# Of fewer images a single one can decide whether a file passes.
FEW = 10


@dataclass(frozen=True)
class Picture:
    """An image, uint8 (H, W, 3) BGR, its file, and where it is known its mask, bool (H, W)."""

    path: Path
    frame: np.ndarray
    truth: np.ndarray | None = None


def plain(frames: Sequence[np.ndarray]) -> bool:
    """True where all images are next to one colour, so that nothing can be learnt from them."""
    return all(frame.std() < PLAIN_DEVIATION for frame in frames)


def read_pictures(folder: str | Path, *, limit: int, avoid: Collection[Path] = ()) -> list[Picture]:
    """At most `limit` images of a folder, evenly spread over its names, with their masks.

    folder: holds images itself or in a subfolder `images`. A mask has the image's
    name, as PNG, in a folder `masks` beside `images`; without that folder, or with a
    labels.txt beside both or above, no mask is known, and one missing in it is an empty
    mask. avoid: files that are taken only where no others are left. Images are scaled down to
    a longer side of PHOTO_SIDE.
    Raises InputError where there are no images or one cannot be read or is cut off.
    """
    paths, masks = _paths(Path(folder))
    paths = [path for path in paths if path not in avoid] or paths
    chosen = np.unique(np.linspace(0, len(paths) - 1, num=min(limit, len(paths))).round())
    return [_scaled(_read(paths[int(index)], masks), PHOTO_SIDE) for index in chosen]


def spared(folder: str | Path, *, limit: int) -> int:
    """How many images to calibrate on, `limit` at most: a fifth is left to verify on."""
    return min(limit, max(1, len(_paths(Path(folder))[0]) * 4 // 5))


def doubts(calibration: Sequence[Picture], pictures: Sequence[Picture]) -> list[str]:
    """What makes a gate that is decided by `pictures` say little, each with the mend."""
    found = []
    known = len({picture.path for picture in calibration} & {picture.path for picture in pictures})
    if known:
        found.append(
            f"{known} of the {len(pictures)} images to verify on were calibrated on, which hides "
            "what other images lose: pass --images with others"
        )
    if len(pictures) < FEW:
        found.append(
            f"got {len(pictures)} images to verify on, expected {FEW} or more, as single ones "
            "decide: pass --images with more"
        )
    return found


def read_clip(folder: str | Path, *, limit: int, side: int = 640) -> list[Picture]:
    """The first `limit` frames of a clip, in the order of their names, with their masks.

    side: larger frames are scaled down to this longer side.
    Raises InputError for frames of several sizes, and for a single frame: nothing flickers.
    """
    paths, masks = _paths(Path(folder))
    first, clip = None, []
    for path in paths[:limit]:
        picture = _read(path, masks)
        first = first or picture
        if picture.frame.shape != first.frame.shape:
            sizes = [f"{p.frame.shape[1]}x{p.frame.shape[0]}" for p in (picture, first)]
            raise InputError(
                f"{path}: got a frame of {sizes[0]}, expected {sizes[1]} like the first of the clip"
            )
        # Scaled at once: the frames of a long clip do not fit into memory as they are.
        clip.append(_scaled(picture, side))
    if len(clip) < 2:
        raise InputError(f"{folder}: got a clip of one frame, expected 2 or more to see flicker")
    return clip


def _paths(folder: Path) -> tuple[list[Path], Path | None]:
    images = folder / "images" if (folder / "images").is_dir() else folder
    masks = images.parent / "masks"
    # Masks of classes are not compared with, and their values are no 0 to 255.
    classes = any((folder / "labels.txt").is_file() for folder in list(masks.parents)[:2])
    known = images.name == "images" and masks.is_dir() and not classes
    return image_paths(images), masks if known else None


def _read(path: Path, masks: Path | None) -> Picture:
    image = read_image(path)
    truth = None if masks is None else _truth(mask_in(masks, path.stem), image)
    return Picture(path, image, truth)


def _truth(path: Path, frame: np.ndarray) -> np.ndarray:
    if not path.exists():
        return np.zeros(frame.shape[:2], bool)
    mask = read_soft(path)
    check_size(mask, frame, path)
    check_range(mask, path)
    return mask > 127


def _scaled(picture: Picture, side: int) -> Picture:
    height, width = picture.frame.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (round(width * scale), round(height * scale))
    truth = picture.truth
    if truth is not None:
        truth = resize(truth.astype(np.float32), *size) > 0.5
    return Picture(picture.path, resize(picture.frame, *size), truth)

"""Which files are images, and their pixels."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np

from .complete import cut_off
from .errors import InputError, SourceError
from .file_names import opencv_name
from .quiet import quiet_opencv

IMAGE_SUFFIXES = (".avif", ".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Photos that OpenCV does not read, unless they are JPEGs by another name. FFmpeg would take
# one for a video, or a tile of it.
UNREAD_SUFFIXES = (".heic", ".heif", ".jxl")


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name, one that cannot be read included."""
    return path.suffix.lower() in (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)


def is_listed(path: Path) -> bool:
    """Whether what was found in a folder is an image, and is neither hidden nor a folder.

    macOS puts a `._b.jpg`, which is no image, beside each `b.jpg` on other systems' disks.
    """
    return is_image(path) and not path.name.startswith(".") and not path.is_dir()


def image_paths(folder: str | Path) -> list[Path]:
    """The images of a folder, by name, but hidden files. SourceError where there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no such folder"
        raise SourceError(f"{folder}: got {got}, expected a folder of images")
    paths = sorted(path for path in folder.iterdir() if is_listed(path))
    if not paths:
        known = " ".join(IMAGE_SUFFIXES)
        raise SourceError(f"{folder}: got a folder without images, expected some of {known}")
    return paths


def read_image(path: Path) -> np.ndarray:
    """An image as uint8 (H, W, 3) BGR, turned as its EXIF data say, without its transparency.

    Of several pictures in a file the first one. Raises SourceError where it is unreadable,
    empty or cut off.
    """
    return _read(path, cv2.IMREAD_COLOR)


def write_pixels(path: Path, pixels: np.ndarray) -> None:
    """Write a new file of uint8 pixels, (H, W) or (H, W, 3) BGR; InputError where that fails."""
    if not cv2.imwrite(opencv_name(path), pixels):
        raise InputError(f"{path}: could not be written; is the disk full?")


def read_stored(path: Path) -> np.ndarray:
    """An image's values as they are stored: (H, W) grey, or (H, W, 3) BGR or (H, W, 4) BGRA.

    uint8, or whatever the file has. Not turned. Raises SourceError as `read_image` does.
    """
    return _read(path, cv2.IMREAD_UNCHANGED)


def _read(path: Path, how: int) -> np.ndarray:
    # Read here: OpenCV crashes on names that are no UTF-8.
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: got no readable file ({error.strerror})") from None
    if not data:
        raise SourceError(f"{path}: got an empty file, expected an image")
    # OpenCV may fill with grey what is missing, and libpng would write lines of its own.
    kind = cut_off(data)
    if kind is not None:
        raise SourceError(f"{path}: got a {kind} that is cut off, expected a whole one")
    image = None
    # OpenCV raises for one that says it is larger than OpenCV takes.
    with quiet_opencv(), contextlib.suppress(cv2.error):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if image is None:
        raise SourceError(
            f"{path}: got something that is no image OpenCV can read, "
            f"expected {' '.join(IMAGE_SUFFIXES)}"
        )
    return image

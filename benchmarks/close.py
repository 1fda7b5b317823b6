"""Close crops of photos with masks: `python -m edgeseg.benchmarks.close FOLDER -o CROPS`.

Photos of whole people say little of whoever sits in front of a camera. What is cut out here are
the head and shoulders of the largest person of a photo, so that they fill the view: a folder as
`edgeseg benchmark --data` takes it, whose families are `close-` and the photo's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from edgeseg.data.folder import read_pairs
from edgeseg.errors import InputError
from edgeseg.file_names import opencv_name
from edgeseg.output import new_folder
from edgeseg.regions import largest_region
from edgeseg.runtime.console import exit_code_of

# Of the height of somebody who is at least twice as high as wide, and of anybody else.
STANDING, OTHERS = 0.3, 0.75
HEADROOM = 0.15  # above the head, of what is seen of the person
WIDTH = 1.2  # of the height of the crop
SMALLEST = 64  # sides in pixels
FULLEST = 0.25  # of the crop is the person, at least


def close_window(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of the head and shoulders of the largest region of a mask.

    mask: uint8 (H, W), foreground from 128 on. None where they would be less than 64 pixels high or
    wide, or less than a quarter of the window is foreground.
    """
    truth = np.asarray(mask >= 128)
    largest = largest_region(truth)
    if largest is None:
        return None
    _, top, width, height = cv2.boundingRect(largest.view(np.uint8))
    seen = round(height * (STANDING if height >= 2 * width else OTHERS))
    columns = np.flatnonzero(largest[top : top + seen].any(axis=0))
    rows = slice(max(0, top - round(HEADROOM * seen)), top + seen)
    middle, half = (columns[0] + columns[-1]) / 2, WIDTH * (rows.stop - rows.start) / 2
    across = slice(max(0, round(middle - half)), min(truth.shape[1], round(middle + half)))
    crop = truth[rows, across]
    return (rows, across) if min(crop.shape) >= SMALLEST and crop.mean() >= FULLEST else None


def write_close(folder: Path, output: Path, *, families: tuple[str, ...] = ()) -> int:
    """Write the crops of `folder` to a new folder `output`; returns how many there are.

    families: the others are passed over; empty means all.
    Raises InputError where `output` exists or there is nothing to write.
    """
    if output.exists():
        raise InputError(f"{output}: got a folder that exists, expected a new one")
    samples = [s for s in read_pairs(folder, families=families) if s.mask is not None]
    count, console = 0, Console(stderr=True)
    with new_folder(output) as beside:
        for part in ("images", "masks"):
            (beside / part).mkdir()
        for sample in track(samples, "close crops", console=console):
            image, mask = sample.read_pair()
            if window := close_window(mask):
                for part, pixels in (("images", image), ("masks", mask)):
                    _write(beside / part / f"close-{sample.name}.png", pixels[window])
                count += 1
        if not count:
            shutil.rmtree(beside)
            raise InputError(f"{folder}: got no photo of somebody who can be seen from close by")
    console.print(f"{output}: {count} crops of {len(samples)} photos")
    return count


def _write(path: Path, pixels: np.ndarray) -> None:
    """As PNG, lossless: what is written has been compressed once."""
    if not cv2.imwrite(opencv_name(path), pixels):
        raise InputError(f"{path}: could not be written, expected a writable folder with room")


def _command(
    folder: Path = typer.Argument(..., help="Photos in images/, masks in masks/."),  # noqa: B008
    output: Path = typer.Option(..., "--output", "-o", help="A new folder."),  # noqa: B008
    family: list[str] = typer.Option(  # noqa: B008
        [], help="Prefix of the names that are taken; repeatable. All without it."
    ),
) -> None:
    def run() -> int:
        write_close(folder, output, families=tuple(family))
        return 0

    raise typer.Exit(exit_code_of(run))


if __name__ == "__main__":
    typer.run(_command)

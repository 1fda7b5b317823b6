"""Cut things out of the training photos, for `augment.cutouts`.

People who are put onto backgrounds teach a network that what stands out is somebody. So things are
to be pasted as well: animals, furniture, vehicles, whatever a published DeepLab tells from the
background and from people. It says where, coarsely; GrabCut (Rother et al. 2004) draws the border.
Photos without a person, backgrounds and what is beside people in the others are looked through.
With `--clothes` what people wear in the photos of a family is a thing, too (`clothes`).

    python -m edgeseg.training.cutouts CONFIG WEIGHTS.npz --clothes ccp
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from ..data.folder import Sample
from ..errors import InputError, require
from ..image_files import write_pixels
from ..metrics import iou
from ..models.deeplab import deeplab_scores
from ..models.weights import load_weights
from ..output import new_folder, refuse_existing
from ..preprocess import resize
from ..regions import largest_region
from ..runtime.console import exit_code_of
from .binary_task import BinaryTask
from .checking import check_files
from .clothes import clothes_of
from .config import TrainConfig
from .config_file import load_config
from .feed import made_ahead
from .opinions import PERSON, check_deeplab_size

# Of the input: photos of the training are hardly larger.
SIZE = 321
BATCH = 8
BACKGROUND = 0  # of Pascal VOC's classes
# Probabilities of a thing: from which on GrabCut may call it one, begins by doing so, and must.
POSSIBLE, LIKELY, CERTAIN = 0.35, 0.5, 0.93
# Somebody in a photo that should have nobody: then it is left alone.
SOMEBODY = 0.6
# Of a photo's pixels, a thing's share. Less is nothing to learn from, more has no outline.
LEAST, MOST = 0.02, 0.75
# IoU of what GrabCut draws and what DeepLab sees; below it one of them is lost.
AGREED = 0.45
AROUND_PEOPLE = 15  # pixels in which what touches people, or is held by them, is left out
ROUNDS = 3  # of GrabCut
CLOTHES_SEED = 1  # of where clothes are cut off
REACH = 1.0  # of its picture to each side of a thing's middle, times its longer side

# A photo, its pixels, and what is cut out of it: None where there is nothing.
Cut = tuple[Sample, np.ndarray, np.ndarray | None]


def cut_out(image: np.ndarray, thing: np.ndarray) -> np.ndarray | None:
    """The largest thing of a photo, uint8 (H, W) from 0 to 255 with a soft border.

    image: uint8 (H, W, 3) BGR. thing: float32 (H, W), the probability of one.
    None where there is none that is worth pasting.
    """
    likely = thing > LIKELY
    if not LEAST <= likely.mean() <= MOST:
        return None
    labels = np.full(thing.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate((thing > POSSIBLE).view(np.uint8), np.ones((9, 9))) > 0] = cv2.GC_PR_BGD
    labels[likely] = cv2.GC_PR_FGD
    labels[thing > CERTAIN] = cv2.GC_FGD
    cv2.setRNGSeed(1)  # it begins with clusters of colours that are drawn
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, labels, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    largest = largest_region((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    if largest is None:
        return None
    whole = largest.view(np.uint8) * np.uint8(255)
    alone = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    if not LEAST <= (alone > 0).mean() <= MOST or iou(alone > 0, likely) < AGREED:
        return None
    return cv2.GaussianBlur(alone, (0, 0), 0.8)


def things_of(scores: np.ndarray, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The probability of a thing, float32 (H, W), that is nowhere near people.

    scores: DeepLab's, float32 (h, w, 21). image: uint8 (H, W, 3). mask: uint8 (H, W) of people,
    None where there are none: then whoever DeepLab sees there makes it zero everywhere.
    """
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares = odds / odds.sum(axis=-1, keepdims=True)
    height, width = image.shape[:2]
    if mask is None and shares[..., PERSON].max() > SOMEBODY:
        return np.zeros((height, width), np.float32)
    thing = 1 - shares[..., BACKGROUND] - shares[..., PERSON]
    thing = np.clip(cv2.resize(thing, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    if mask is not None:
        around = np.ones((AROUND_PEOPLE, AROUND_PEOPLE), np.uint8)
        thing[cv2.dilate(resize(mask, width, height), around) > 20] = 0
    return thing.astype(np.float32)


def surroundings(alpha: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a square around a thing, as far as the photo goes.

    Of its own proportions it would be stretched to those of the network's input.
    """
    left, top, width, height = cv2.boundingRect(alpha)
    half = round(REACH * max(width, height))
    across, down = left + width // 2, top + height // 2
    return (
        slice(max(0, down - half), down + half),
        slice(max(0, across - half), across + half),
    )


def wearers(samples: Sequence[Sample], family: str) -> list[Sample]:
    """The photos of people of a family; InputError where there is none."""
    people = [sample for sample in samples if sample.mask is not None]
    worn = [sample for sample in people if sample.family == family]
    if not worn:
        raise InputError(
            f"clothes: got no photo of people of a family {family!r}, expected one of "
            f"{', '.join(sorted({sample.family for sample in people}))}"
        )
    return worn


def write_cutouts(
    samples: Sequence[Sample],
    model: Any,
    folder: Path,
    *,
    worn: Sequence[Sample] = (),
    console: Console,
) -> int:
    """Write what is around things to `folder`/images and their masks to `folder`/masks.

    model: from `deeplab_scores`. worn: photos whose clothes are things as well.
    The folder appears when all are there. Returns how many.
    Raises InputError where it exists, and where there is no thing in any photo.
    """
    refuse_existing(folder)
    size, found = model.input_shape[1], 0

    def read(part: Sequence[Sample]) -> tuple[list[np.ndarray], np.ndarray]:
        images = [sample.read_image() for sample in part]
        tensor = np.stack([resize(image, size, size)[..., ::-1] for image in images])
        return images, tensor.astype(np.float32) / 127.5 - 1

    def cut(sample: Sample, image: np.ndarray, scores: np.ndarray) -> np.ndarray | None:
        mask = None if sample.mask is None else sample.read_mask()
        return cut_out(image, things_of(scores, image, mask))

    def things() -> Iterator[Cut]:
        parts = [samples[first : first + BATCH] for first in range(0, len(samples), BATCH)]
        for part, (images, tensor) in made_ahead(iter(parts), read):
            scores = np.asarray(model.predict_on_batch(tensor), np.float32)
            yield from zip(part, images, pool.map(cut, part, images, scores))

    def without_wearers() -> Iterator[Cut]:
        rng = np.random.default_rng(CLOTHES_SEED)
        for sample in worn:
            image = sample.read_image()
            mask = resize(sample.read_mask(), *image.shape[1::-1])
            yield sample, image, clothes_of(rng, image, mask)

    with (
        new_folder(folder) as beside,
        Progress(console=console) as progress,
        ThreadPoolExecutor() as pool,
    ):
        for place in ("images", "masks"):
            (beside / place).mkdir()
        task = progress.add_task("cut-outs", total=len(samples) + len(worn))
        for sample, image, alpha in chain(things(), without_wearers()):
            if alpha is not None:
                # Photos of two folders may have one name.
                name, window = f"{found:05d}-{sample.name}.png", surroundings(alpha)
                write_pixels(beside / "images" / name, image[window])
                write_pixels(beside / "masks" / name, alpha[window])
                found += 1
            progress.advance(task)
        if not found:
            shutil.rmtree(beside)
            raise InputError(f"data: got no thing in any of {len(samples)} photos, expected some")
    return found


def main(
    config: TrainConfig,
    weights: Path,
    *,
    root: Path,
    size: int,
    clothes: str = "",
    console: Console,
) -> int:
    """Write the cut-outs that `config` names; returns the exit code."""
    data = config.data
    if not data.cutouts:
        raise InputError(f"{config.name}: got no data.cutouts, expected where they shall lie")
    folder = root / data.cutouts
    refuse_existing(folder)  # before anything is loaded
    keras = require("keras", extra="train")
    before = dataclasses.replace(config, data=dataclasses.replace(data, cutouts=""))
    task = BinaryTask(before, root / data.root, labels=root)
    samples = task.trained()
    worn = wearers(samples, clothes) if clothes else []  # before all files are read
    check_files(task, workers=data.workers, skip_bad=False, console=console)
    model = deeplab_scores(keras=keras, size=size)
    load_weights(model, weights)
    count = write_cutouts(samples, model, folder, worn=worn, console=console)
    console.print(f"{folder}: {count} things of {len(samples)} photos")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration with data.cutouts."),  # noqa: B008
    weights: Path = typer.Argument(..., help="The published DeepLab's weights, width 1.0."),  # noqa: B008
    size: int = typer.Option(SIZE, help="Side of DeepLab's input, 16 n + 1 pixels."),
    clothes: str = typer.Option(
        "", help="Family of photos of people who stand, as ccp: their clothes are things."
    ),
) -> None:
    console = Console(stderr=True)

    def run() -> int:
        check_deeplab_size(size)
        loaded = load_config(config)
        return main(
            loaded, weights, root=config.parent, size=size, clothes=clothes, console=console
        )

    raise typer.Exit(exit_code_of(run))


if __name__ == "__main__":
    typer.run(_command)

"""Better masks for photos whose masks another network made.

A matting network cuts out who stands in front; who stands behind, beside or half in the picture
has no mask, and what somebody holds may have one. For every group of CONFIG with `labels`, this
writes masks there from three opinions, whose log odds are added:

- a network that was trained on them all the same, of the weights WEIGHTS, the mean over `--size`
  and over the photo and its mirror image: on photos it has not seen this mean is clearly better
  than the network alone, so the network can learn from it (Radosavovic et al. 2018, "Data
  distillation"; Xie et al. 2020, "Noisy student"),
- a published DeepLab, which is coarse but hardly ever takes a thing for a person,
- the mask that is there, whose border is fine, held to at most 9 : 1 either way.

    python -m edgeseg.training.relabel CONFIG WEIGHTS.npz DEEPLAB.npz
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from ..data.folder import Sample
from ..data.verify import find_problems
from ..errors import InputError, require
from ..image_files import write_pixels
from ..output import new_folder, refuse_existing
from ..preprocess import resize
from ..runtime.console import exit_code_of
from .config import TrainConfig
from .config_file import load_config
from .features import SIZE
from .feed import made_ahead
from .opinions import CUT, deeplab_person_odds, mask_odds
from .sources import read_group

BATCH = 8


@dataclass(frozen=True)
class Opinions:
    """How much each opinion counts.

    sizes: height and width, at which the network looks. deeplab: factor of DeepLab's log odds,
    which are cut at 8 either way. mask: factor of those of the mask that is there, cut at
    9 : 1. shift: added, since DeepLab misses more than it invents.
    """

    sizes: tuple[tuple[int, int], ...] = ((288, 288), (352, 352), (416, 416))
    deeplab: float = 0.25
    mask: float = 1.0
    shift: float = 0.4


Predict = Callable[[np.ndarray], np.ndarray]


def together(
    network: np.ndarray, deeplab: np.ndarray, mask: np.ndarray, opinions: Opinions
) -> np.ndarray:
    """float32 log odds (H, W) of two networks and a uint8 mask (H, W) -> uint8 (H, W), 0 to 255."""
    there = np.clip(mask / np.float32(255), 0.1, 0.9)
    odds = network + opinions.deeplab * np.clip(deeplab, -CUT, CUT) + opinions.shift
    odds = odds + opinions.mask * np.log(there / (1 - there))
    return np.rint(255 / (1 + np.exp(-odds))).astype(np.uint8)


def network_odds(keras: Any, config: TrainConfig, weights: Path, size: tuple[int, int]) -> Any:
    """From RGB in [-1, 1] (N, height, width, 3) to the log odds of the mask (N, h, w)."""
    model = mask_odds(keras, config, weights, size)
    return lambda tensor: np.asarray(model.predict_on_batch(tensor), np.float32)[..., 0]


def deeplab_odds(keras: Any, weights: Path, *, size: int) -> Any:
    """The same of a published DeepLab: a person against everything else, at 1/16 of `size`."""
    model = deeplab_person_odds(keras, weights, size=size)
    return lambda tensor: np.asarray(model.predict_on_batch(tensor), np.float32)[..., 0]


def mirrored_mean(predict: Predict, tensor: np.ndarray) -> np.ndarray:
    """`predict` of images (N, H, W, 3), and of their mirror images turned back, halved."""
    both = predict(np.concatenate([tensor, tensor[:, :, ::-1]]))
    straight, mirrored = np.split(both, 2)
    return (straight + mirrored[:, :, ::-1]) / 2


def relabel(
    samples: Sequence[Sample],
    networks: dict[tuple[int, int], Predict],
    deeplab: tuple[int, Predict],
    folder: Path,
    *,
    opinions: Opinions,
    console: Console,
) -> None:
    """Write a mask for every sample; `folder` appears when all of them are there.

    networks: by the (height, width) of their input. deeplab: size of the input, and it.
    Raises InputError where `folder` exists.
    """
    refuse_existing(folder)
    parts = [samples[first : first + BATCH] for first in range(0, len(samples), BATCH)]

    with (
        new_folder(folder) as beside,
        Progress(console=console) as progress,
        ThreadPoolExecutor() as pool,
    ):
        task = progress.add_task(f"{folder.name}: masks", total=len(samples))

        def read(part: Sequence[Sample]) -> list[np.ndarray]:
            return list(pool.map(Sample.read_image, part))

        for part, images in made_ahead(iter(parts), read):
            seen = [_enlarged(images, p, size) for size, p in networks.items()]
            coarse = _enlarged(images, deeplab[1], (deeplab[0],) * 2)
            for index, sample in enumerate(part):
                odds = np.mean([maps[index] for maps in seen], axis=0)
                mask = together(odds, coarse[index], sample.read_mask(), opinions)
                if mask.max() == 1:
                    # Nobody is there; of 0 and 1 it would be taken for a mask of another kind.
                    mask = np.zeros_like(mask)
                write_pixels(beside / f"{sample.name}.png", mask)
            progress.advance(task, len(part))


def _check_readable(samples: Sequence[Sample]) -> None:
    """Raise InputError for what cannot be read, and where no mask has a foreground."""
    if bad := [*find_problems(samples, classes=None).values()]:
        raise InputError(f"data: got {len(bad)} bad files, the first {bad[0]}; mend them")


def _enlarged(
    images: Sequence[np.ndarray], predict: Predict, size: tuple[int, int]
) -> list[np.ndarray]:
    """What `predict` says of each image, both ways round, at the image's own size."""
    tensor = np.stack([resize(image, size[1], size[0])[..., ::-1] for image in images])
    maps = mirrored_mean(predict, tensor.astype(np.float32) / 127.5 - 1)
    return [cv2.resize(m, image.shape[1::-1]) for m, image in zip(maps, images)]


def main(
    config: TrainConfig,
    weights: Path,
    deeplab: Path,
    *,
    root: Path,
    console: Console,
    opinions: Opinions = Opinions(),  # noqa: B008
) -> int:
    """Write the masks of every group of `config` with `labels`; returns the exit code."""
    data = root / config.data.root
    wanted: dict[str, dict[Path, Sample]] = {}  # several groups may share a folder of masks
    for group in config.data.groups:
        if group.labels:
            found = read_group(group, data, leave_out=config.data.leave_out)
            wanted.setdefault(group.labels, {}).update({s.image: s for s in found})
    if not wanted:
        raise InputError(f"{config.name}: got no group with labels, expected where masks shall lie")
    for labels in wanted:
        refuse_existing(root / labels)  # before anything is loaded
    for by_image in wanted.values():
        _check_readable(list(by_image.values()))
    keras = require("keras", extra="train")
    networks = {size: network_odds(keras, config, weights, size) for size in opinions.sizes}
    published = (SIZE, deeplab_odds(keras, deeplab, size=SIZE))
    for labels, by_image in wanted.items():
        samples = list(by_image.values())
        relabel(samples, networks, published, root / labels, opinions=opinions, console=console)
        console.print(f"{root / labels}: {len(samples)} masks")
    return 0


def _command(
    config: Path = typer.Argument(..., help="Training configuration, a group has labels."),  # noqa: B008
    weights: Path = typer.Argument(..., help="Weights of its network, temperature 1."),  # noqa: B008
    deeplab: Path = typer.Argument(..., help="The published DeepLab's weights, width 1.0."),  # noqa: B008
    size: list[int] = typer.Option([288, 352, 416], help="Sides of the network's square inputs."),  # noqa: B008
    share: float = typer.Option(
        Opinions.deeplab, "--deeplab", min=0.0, help="Of DeepLab's log odds."
    ),
    shift: float = typer.Option(Opinions.shift, help="Added to the log odds."),
) -> None:
    sizes = tuple((side, side) for side in size)
    opinions = Opinions(sizes=sizes, deeplab=share, shift=shift)
    console = Console(stderr=True)

    def run() -> int:
        loaded = load_config(config)
        return main(
            loaded, weights, deeplab, root=config.parent, console=console, opinions=opinions
        )

    raise typer.Exit(exit_code_of(run))


if __name__ == "__main__":
    typer.run(_command)

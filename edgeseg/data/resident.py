"""Photos that lie on the device which trains, and plans of what it makes of them.

Cutting photos out, turning and colouring them takes a CPU core some milliseconds an image, and a
data-centre GPU trains on more of them than the cores beside it make. Where all photos are on the
device, only numbers are drawn on the CPU; `training.render` makes the images from them.

Plan i of a run is a function of (seed, i) alone, as the batches of `Pipeline` are. What is drawn is
as for a `Pipeline`, but for what `check` refuses, a fixed number of composites in every batch,
mosaics that are moved by any pixel and colours that are changed by as little as drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import InputError
from .augment import AugmentConfig
from .composition import PLACES_CROP, place
from .folder import Group, Sample
from .pipeline import Pipeline

# Of the augmentation, what is not made on the device.
LEFT_OUT = ("paste", "jpeg", "hue", "hue_things", "cutouts", "mixup")
MOST = 2**31 - 1  # pixels: a place in the store is an int32


@dataclass(frozen=True)
class Store:
    """All photos of a run with their masks, in squares of one side.

    pixels: uint8 (M, side, side, 4), the photo in the upper left corner: colours in the
        network's order and the mask, 0 to 255.
    sizes: int32 (M, 2), height and width of each photo there.
    rows: which row a photo has. masks: uint8 (h, w) of each, for what is decided on the CPU.
    """

    pixels: np.ndarray
    sizes: np.ndarray
    rows: dict[Path, int]
    masks: list[np.ndarray]


@dataclass(frozen=True)
class Colours:
    """How N images are coloured; float32 (N,) unless said.

    gamma, contrast, brightness, saturation as in `augment.photometric`; balance: (N, 3);
    blur: standard deviation in pixels; noise: standard deviation of 255; at: int32 (N, 2), which
    part of a tile of noise is taken.
    """

    gamma: np.ndarray
    contrast: np.ndarray
    brightness: np.ndarray
    balance: np.ndarray
    saturation: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    at: np.ndarray


@dataclass(frozen=True)
class Plan:
    """What a batch of N images is made of; the first K are put onto something else.

    photos: int32 (N, 4), rows of the store, for the quarters of each image from left to right,
        then downwards; all alike but in a mosaic.
    inverses: float32 (N, 4, 2, 3), from a quarter's place in the image (x, y, 1) to its photo's.
    moved: int32 (N, 2), pixels by which an image is moved around its borders, (x, y).
    places, places_inverses: int32 (K,), float32 (K, 2, 3), of what is behind the first K.
    lit: their colours before that. colours: of all N at last.
    weight: float32 (N,), of each image in the loss. names: of the photos, by image.
    """

    photos: np.ndarray
    inverses: np.ndarray
    moved: np.ndarray
    places: np.ndarray
    places_inverses: np.ndarray
    lit: Colours
    colours: Colours
    weight: np.ndarray
    names: tuple[str, ...]


def check(pipeline: Pipeline) -> None:
    """Raise InputError for what a device does not make."""
    for name in LEFT_OUT:
        if value := getattr(pipeline.augment, name):
            raise InputError(f"augment.{name}: got {value} with data.resident, expected 0")
    if pipeline.knows or pipeline.shifts:
        raise InputError("data.resident: got it with a group's taught or shift, expected neither")
    if pipeline.features is not None or pipeline.spec.previous_mask:
        raise InputError(
            "data.resident: got it with features.folder or a previous mask, expected neither"
        )
    if pipeline.spec.colour != "RGB":
        raise InputError(f"data.resident: got {pipeline.spec.colour}, expected RGB")


def make_store(pipeline: Pipeline, side: int, *, workers: int) -> Store:
    """Read every photo of a pipeline once; larger ones are made as small as `side`.

    Raises InputError for what `check` refuses, and for more photos than fit.
    """
    check(pipeline)
    samples = {s.image: s for group in pipeline.groups for s in group.samples}
    samples |= {s.image: s for s in pipeline.backgrounds}
    if len(samples) * side**2 > MOST:
        raise InputError(
            f"data.resident: got {len(samples)} photos at {side}, expected at most "
            f"{MOST // side**2} of this size; take a smaller one, or 0"
        )
    pixels = np.zeros((len(samples), side, side, 4), np.uint8)

    def read(item: tuple[int, Sample]) -> np.ndarray:
        row, sample = item
        image, mask = _within(side, *pipeline.read(sample))
        height, width = mask.shape
        pixels[row, :height, :width, :3] = image[..., ::-1]
        pixels[row, :height, :width, 3] = mask
        return mask

    with ThreadPoolExecutor(workers) as pool:
        masks = list(pool.map(read, enumerate(samples.values())))
    sizes = np.array([mask.shape for mask in masks], np.int32)
    return Store(pixels, sizes, {image: row for row, image in enumerate(samples)}, masks)


def plans(pipeline: Pipeline, store: Store, size: int, *, start: int, stop: int) -> Iterator[Plan]:
    """Plans `start` to `stop` of `size` images each."""
    for step in range(start, stop):
        yield make_plan(pipeline, store, size, step)


def make_plan(pipeline: Pipeline, store: Store, size: int, step: int) -> Plan:
    """Plan number `step` of `size` images."""
    rng = np.random.default_rng((pipeline.seed, step))
    config, spec = pipeline.augment, pipeline.spec
    count = composites(pipeline, size)
    drawn = _draw(rng, pipeline, size, masked=count)
    photos, inverses = np.zeros((size, 4), np.int32), np.zeros((size, 4, 2, 3), np.float32)
    moved = np.zeros((size, 2), np.int32)
    for index, pair in enumerate(drawn):
        mosaic = index >= count and rng.random() < config.mosaic
        if not mosaic:
            photos[index], inverses[index] = _place(rng, pipeline, store, pair)
            continue
        moved[index] = rng.integers((spec.width, spec.height))
        for quarter in range(4):
            row, inverse = _place(rng, pipeline, store, pair, part=2)
            corner = (quarter % 2 * spec.width / 2, quarter // 2 * spec.height / 2)
            inverse[:, 2] -= inverse[:, :2] @ corner
            photos[index, quarter], inverses[index, quarter] = row, inverse
            pair = pipeline.draw(rng)
    weight = np.array([group.weight for group, _ in drawn], np.float32)
    names = tuple(sample.name for _, sample in drawn)
    places, places_inverses = _places(rng, pipeline, store, count)
    lit, colours = (draw_colours(rng, config, n) for n in (count, size))
    return Plan(photos, inverses, moved, places, places_inverses, lit, colours, weight, names)


def composites(pipeline: Pipeline, size: int) -> int:
    """How many of `size` images are somebody put onto something else: always as many.

    A device compiles what it makes for one number of them.
    """
    if not pipeline.backgrounds:
        return 0
    shares = [(g.share, np.mean([s.mask is not None for s in g.samples])) for g in pipeline.groups]
    masked = sum(share * part for share, part in shares) / sum(share for share, _ in shares)
    return round(pipeline.augment.composite * masked * size)


def draw_colours(rng: np.random.Generator, config: AugmentConfig, count: int) -> Colours:
    """The numbers of `augment.photometric` for `count` images at once."""

    def between(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count).astype(np.float32)

    def now_and_then(share: float, values: np.ndarray, otherwise: Any = 0.0) -> np.ndarray:
        return np.where(rng.random(count) < share, values, otherwise).astype(np.float32)

    gamma = np.exp(between(-1, 1) * np.float32(config.gamma))
    saturation = between(-1, 1) * np.float32(config.saturation)
    return Colours(
        gamma=gamma * now_and_then(config.low_light, between(1.5, 2.5), 1.0),
        contrast=1 + between(-1, 1) * np.float32(config.contrast),
        brightness=between(-1, 1) * np.float32(config.brightness / 2),
        balance=1 + rng.uniform(-1, 1, (count, 3)).astype(np.float32) * np.float32(config.colour),
        saturation=now_and_then(config.grey, np.full(count, -1.0), saturation),
        blur=now_and_then(config.blur, between(0.4, 1.6)),
        noise=now_and_then(config.noise, between(3, 16)),
        at=rng.integers(0, 2**16, (count, 2)).astype(np.int32),
    )


def _draw(
    rng: np.random.Generator, pipeline: Pipeline, size: int, *, masked: int
) -> list[tuple[Group, Sample]]:
    """`size` draws, those with a mask first; at least `masked` of them have one."""
    while True:
        drawn = [pipeline.draw(rng) for _ in range(size)]
        if sum(sample.mask is not None for _, sample in drawn) >= masked:
            return sorted(drawn, key=lambda pair: pair[1].mask is None)


def _place(
    rng: np.random.Generator,
    pipeline: Pipeline,
    store: Store,
    pair: tuple[Group, Sample],
    *,
    part: int = 1,
) -> tuple[int, np.ndarray]:
    """The row of a drawn sample, and the inverse of its crop at one `part`th of the view."""
    group, sample = pair
    row, count = store.rows[sample.image], group.emptiest_of
    matrix = pipeline.matrix(rng, store.masks[row], group.crop, part=part, emptiest_of=count)
    return row, cv2.invertAffineTransform(matrix)


def _places(
    rng: np.random.Generator, pipeline: Pipeline, store: Store, count: int
) -> tuple[np.ndarray, np.ndarray]:
    rows, inverses = np.zeros(count, np.int32), np.zeros((count, 2, 3), np.float32)
    for index in range(count):
        rows[index] = store.rows[place(rng, pipeline).image]
        matrix = pipeline.matrix(rng, store.masks[rows[index]], PLACES_CROP)
        inverses[index] = cv2.invertAffineTransform(matrix)
    return rows, inverses


def _within(side: int, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = side / max(mask.shape)
    if scale >= 1:
        return image, mask
    shape = tuple(max(1, round(scale * n)) for n in mask.shape[::-1])
    shrink = functools.partial(cv2.resize, dsize=shape, interpolation=cv2.INTER_AREA)
    return shrink(image), shrink(mask)

"""Pictures of several photos: people put onto places or beside others, things, mosaics, mixtures.

Each takes the generator that it draws from and the pipeline whose photos and options it uses.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .augment import photometric, turn_hue
from .example import Example, joined
from .folder import Sample

if TYPE_CHECKING:
    from .pipeline import Pipeline

# Pixels of a step by which a mosaic is moved, where no feature maps have places to keep to.
MOSAIC_STEP = 16
PLACES_CROP = (0.5, 1.1)  # of what is behind a composite
PASTED_CROP = (0.9, 2.2)  # of who is pasted: mostly smaller than in the photo
MOST_CUTOUTS = 3
MOST_MIXED = 0.5  # of a photo that shines through another
LEAST_LEFT = 0.6  # of somebody behind a thing


def place(rng: np.random.Generator, pipeline: Pipeline) -> Sample:
    """What somebody is put onto: one of the backgrounds, or a thing."""
    places, things = pipeline.backgrounds, pipeline.augment.things
    if things and rng.random() < things:
        places = pipeline.things
    return places[rng.integers(len(places))]


def composited(rng: np.random.Generator, pipeline: Pipeline, example: Example) -> Example:
    """Whoever the example shows, put onto a place."""
    behind = pipeline.warped(rng, place(rng, pipeline), PLACES_CROP)
    # People and place were lit differently: their colours are drawn apart, too.
    lit = dataclasses.replace(example, image=photometric(rng, example.image, pipeline.augment))
    return lit.over(behind, example.mask)


def pasted(rng: np.random.Generator, pipeline: Pipeline, example: Example) -> Example:
    """The example with somebody of another photo before it; without, where that has no mask."""
    _, sample = pipeline.draw(rng)
    if sample.mask is None:
        return example
    other = pipeline.warped(rng, sample, PASTED_CROP)
    return other.over(example, cv2.max(example.mask, other.mask))


def with_cutouts(rng: np.random.Generator, pipeline: Pipeline, example: Example) -> Example:
    """The example with one to three things before or behind whoever it shows.

    A thing that would hide too much of people is put behind them.
    """
    known = np.zeros_like(example.mask) if example.known is None else example.known
    for _ in range(1 + int(rng.integers(MOST_CUTOUTS))):
        sample = pipeline.cutouts[rng.integers(len(pipeline.cutouts))]
        thing = pipeline.warped(rng, sample, pipeline.augment.cutouts_crop)
        image = photometric(rng, thing.image, pipeline.augment)
        if rng.random() < pipeline.augment.hue_things:
            image = turn_hue(rng, image)
        left = _without(example.mask, thing.mask)
        before = rng.random() < pipeline.augment.cutouts_before
        before &= left.sum() >= LEAST_LEFT * example.mask.sum()
        alpha = thing.mask if before else _without(thing.mask, example.mask)
        thing = dataclasses.replace(thing, image=image, mask=alpha)
        example = thing.over(example, left if before else example.mask)
        known = cv2.max(known, alpha)
    return dataclasses.replace(example, known=known)


def _without(mask: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is left of a mask where another one is before it, all uint8 (h, w)."""
    return cv2.multiply(mask, cv2.bitwise_not(other), scale=1 / 255)


def mixed(rng: np.random.Generator, pipeline: Pipeline, example: Example) -> Example:
    """The example with another photo shining through, their masks in the same shares."""
    group, sample = pipeline.draw(rng)
    other = pipeline.warped(rng, sample, group.crop, emptiest_of=group.emptiest_of)
    return example.mixed(other, float(rng.uniform(0, MOST_MIXED)))


def mosaic(rng: np.random.Generator, pipeline: Pipeline) -> Example:
    """Four samples, two by two, moved around so that they meet anywhere."""
    rows = []
    for _ in range(2):
        pair = []
        for _ in range(2):
            group, sample = pipeline.draw(rng)
            count = group.emptiest_of
            pair.append(pipeline.warped(rng, sample, group.crop, part=2, emptiest_of=count))
        rows.append(joined(pair, axis=1))
    step, spec = MOSAIC_STEP, pipeline.spec
    if pipeline.features is not None:
        step = spec.height // pipeline.feature_grid[0]
    places = (spec.height // step, spec.width // step)
    moved = int(rng.integers(places[0])), int(rng.integers(places[1]))
    return joined(rows, axis=0).shifted(*moved, step)

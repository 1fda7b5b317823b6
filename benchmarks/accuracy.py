"""Accuracy on folders of images with masks, image by image, summed up by family."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg.data.folder import Sample, read_pairs
from edgeseg.errors import InputError
from edgeseg.metrics import boundary_f, false_positive_area, interval, iou

from .subjects import Subject

Tick = Callable[[], None]


@dataclass(frozen=True)
class ImageScore:
    """One image. Where the truth is empty only `false_area` is set, else the others.

    All values are shares in [0, 1]. intersection, union: in pixels.
    """

    name: str
    family: str
    iou: float | None = None
    boundary_f: float | None = None
    precision: float | None = None
    recall: float | None = None
    intersection: int = 0
    union: int = 0
    false_area: float | None = None


def read_folders(folders: Iterable[Path]) -> list[Sample]:
    """Samples of folders with `images/` and `masks/`; InputError for a name in two of them."""
    samples: dict[str, Sample] = {}
    for folder in folders:
        for sample in read_pairs(folder):
            if sample.name in samples:
                raise InputError(f"{sample.image}: got the name of {samples[sample.name].image}")
            samples[sample.name] = sample
    return list(samples.values())


def subsample(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most `limit` of each family, evenly spread over the names; 0 takes all."""
    families: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        families[sample.family].append(sample)
    if not limit:
        return list(samples)
    return [
        members[index]
        for members in families.values()
        for index in np.unique(np.linspace(0, len(members) - 1, min(limit, len(members))).round())
        .astype(int)
        .tolist()
    ]


def score(sample: Sample, prediction: np.ndarray, truth: np.ndarray) -> ImageScore:
    """Compare two bool masks (H, W)."""
    if not truth.any():
        return ImageScore(sample.name, sample.family, false_area=false_positive_area(prediction))
    intersection = int(np.count_nonzero(prediction & truth))
    called = int(np.count_nonzero(prediction))
    return ImageScore(
        sample.name,
        sample.family,
        iou=iou(prediction, truth),
        boundary_f=boundary_f(prediction, truth),
        precision=intersection / called if called else 0.0,
        recall=intersection / int(np.count_nonzero(truth)),
        intersection=intersection,
        union=int(np.count_nonzero(prediction | truth)),
    )


@dataclass(frozen=True)
class Measured:
    """Scores in the samples' order, and the median time of a prediction in ms."""

    scores: list[ImageScore]
    p50_ms: float


def measure(subject: Subject, samples: Sequence[Sample], tick: Tick) -> Measured:
    """Predict and score every sample. tick: called after each image."""
    predict = subject.predictor()
    scores, times = [], []
    for sample in samples:
        image, mask = sample.read_pair()
        start = time.perf_counter()
        prediction = predict(image)
        times.append((time.perf_counter() - start) * 1000)
        scores.append(score(sample, prediction, mask > 127))
        tick()
    return Measured(scores, float(np.median(times)))


def summarise(scores: Sequence[ImageScore]) -> dict:
    """The `accuracy` part of a report's entry: `mean` over all images, and `families`."""
    families: dict[str, list[ImageScore]] = defaultdict(list)
    for one in scores:
        families[one.family].append(one)
    return {
        "mean": _summary(scores),
        "families": {family: _summary(members) for family, members in sorted(families.items())},
    }


def _summary(scores: Sequence[ImageScore]) -> dict:
    """Means over images with the class, and over those without it; `ci` is that of the first."""
    positive = [one for one in scores if one.iou is not None]
    false_areas = np.array([one.false_area for one in scores if one.false_area is not None])
    summary: dict = {"images": len(scores)}
    if positive:
        ious = np.array([one.iou for one in positive])
        union = sum(one.union for one in positive)
        summary |= {"iou": float(ious.mean()), "ci": list(interval(ious))}
        summary |= {
            key: float(np.mean([getattr(one, key) for one in positive]))
            for key in ("boundary_f", "precision", "recall")
        }
        summary["set_iou"] = sum(one.intersection for one in positive) / union
    if false_areas.size:
        summary["false_positive_area"] = float(false_areas.mean())
        summary["false_positive_ci" if positive else "ci"] = list(interval(false_areas))
    return summary

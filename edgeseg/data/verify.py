"""Checks of a data set before anything is trained on it: every file is read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from .dataset import IGNORE, UNKNOWN, Dataset, Labelled
from .folder import Problem, Sample, check_any_foreground
from .palette_folder import check_not_all_empty


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    sizes: (height, width) -> number of images. pixels: share of all labelled pixels
    per class. images: number of images in which a class occurs. ignored: share of
    ignored pixels among all.
    """

    good: int
    problems: tuple[Problem, ...]
    sizes: dict[tuple[int, int], int]
    pixels: tuple[float, ...]
    images: tuple[int, ...]
    ignored: float


@dataclass(frozen=True)
class _Seen:
    problem: Problem | None
    size: tuple[int, int] = (0, 0)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))

    @property
    def good(self) -> bool:
        return self.problem is None


def verify(
    dataset: Dataset, *, workers: int = 2, progress: Callable[[], None] | None = None
) -> Report:
    """Read every pair: pairs, sizes, class ids, corrupt files, class balance."""
    classes = len(dataset.labels)

    def look(sample: Labelled) -> _Seen:
        return _examine(sample, classes)

    seen = []
    for one in _in_threads(look, dataset.samples, workers):
        seen.append(one)
        if progress:
            progress()
    good = [one for one in seen if one.good]
    counts = np.array([one.counts for one in good]).reshape(-1, 256)
    labelled = counts[:, :classes]
    total, ignored = labelled.sum(), counts[:, IGNORE].sum()
    problems = [*dataset.problems, *(one.problem for one in seen if one.problem)]
    try:
        _check_foreground(dataset.samples, seen, soft=False)
    except InputError as error:
        masks = Path(dataset.samples[0].mask or dataset.samples[0].image).parent
        problems.append(Problem(masks, str(error).removeprefix("data: ")))
    return Report(
        good=len(good),
        problems=tuple(problems),
        sizes=dict(Counter(one.size for one in good).most_common()),
        pixels=tuple(float(n) / max(1, total) for n in labelled.sum(axis=0)),
        images=tuple(int(n) for n in (labelled > 0).sum(axis=0)),
        ignored=float(ignored) / max(1, total + ignored),
    )


def find_problems(
    samples: Sequence[Sample],
    *,
    classes: int | None,
    workers: int = 2,
    progress: Callable[[], None] | None = None,
) -> dict[Path, Problem]:
    """Bad samples by image path; read before the first training step.

    classes: number of classes of `Labelled` samples, None for soft binary masks.
    Raises InputError for binary masks without a foreground in any of them.
    """
    problems, looks = {}, []
    for sample, seen in zip(samples, _in_threads(lambda s: _examine(s, classes), samples, workers)):
        looks.append(seen)
        if seen.problem is not None:
            problems[sample.image] = seen.problem
        if progress:
            progress()
    _check_foreground(samples, looks, soft=classes is None)
    return problems


def _check_foreground(samples: Sequence[Sample], looks: Sequence[_Seen], *, soft: bool) -> None:
    """Raise InputError where all masks are empty only because they hold numbers of classes."""
    highest = max((int(np.flatnonzero(seen.counts)[-1]) for seen in looks if seen.good), default=0)
    if soft:
        check_any_foreground(highest)
    elif not highest:
        good = [sample for sample, seen in zip(samples, looks) if seen.good]
        check_not_all_empty([sample for sample in good if isinstance(sample, Labelled)])


def _in_threads(
    function: Callable[..., _Seen], samples: Iterable[Sample], workers: int
) -> Iterator[_Seen]:
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, samples)


def _examine(sample: Sample, classes: int | None) -> _Seen:
    try:
        height, width = sample.read_image().shape[:2]
    except InputError as error:
        return _Seen(_problem(sample.image, error))
    if sample.mask is None:
        return _Seen(None, (height, width), _counts(np.zeros((height, width), np.uint8)))
    try:
        labels = sample.read_labels() if isinstance(sample, Labelled) else sample.read_mask()
    except InputError as error:
        return _Seen(_problem(sample.mask, error))
    if labels.shape != (height, width):
        got = f"got a mask of {labels.shape[1]}x{labels.shape[0]} ({sample.mask})"
        # Many programs that masks are drawn with show a photo as it is stored.
        turned = ", turned as its EXIF data say" if labels.shape == (width, height) else ""
        expected = f"expected the image's {width}x{height}{turned}"
        return _Seen(Problem(sample.image, f"{got}, {expected}"))
    counts = _counts(labels)
    unknown = _unknown(counts, classes) if classes is not None else ""
    if unknown:
        return _Seen(
            Problem(sample.mask, f"got unknown class {unknown}, expected {classes} classes")
        )
    return _Seen(None, (height, width), counts)


def _problem(path: Path, error: InputError) -> Problem:
    return Problem(path, str(error).removeprefix(f"{path}: "))


def _counts(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels.ravel(), minlength=256)


def _unknown(counts: np.ndarray, classes: int) -> str:
    ids = [int(i) for i in np.flatnonzero(counts) if i >= classes and i != IGNORE]
    if not ids:
        return ""
    return "colours" if ids == [UNKNOWN] else f"ids {ids}"

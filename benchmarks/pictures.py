"""Cases as pictures: image, truth and prediction side by side, as JPEG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgeseg.data.folder import Sample

from .accuracy import ImageScore
from .subjects import Subject

HEIGHT = 200
# BGR. What both have, what only the truth has, and what only the prediction has.
AGREED, MISSED, INVENTED = (90, 200, 90), (40, 140, 255), (220, 60, 200)


@dataclass(frozen=True)
class Case:
    """One picture of the report. jpeg: image and coloured comparison side by side."""

    title: str
    caption: str
    jpeg: bytes


def goodness(score: ImageScore) -> float:
    """For sorting: the IoU, or one less the false area where the class is not there."""
    return score.iou if score.iou is not None else 1 - (score.false_area or 0.0)


def choose(scores: Sequence[ImageScore], *, best: int, worst: int) -> list[tuple[str, ImageScore]]:
    """The worst, then the best, as ("worst" or "best", score). Best ones show the class."""
    ordered = sorted(scores, key=goodness)
    shown = [score for score in ordered if score.iou is not None]
    chosen = [("worst", score) for score in ordered[:worst]]
    return chosen + [("best", score) for score in reversed(shown[-best:] if best else [])]


def cases(
    subject: Subject,
    samples: Sequence[Sample],
    scores: Sequence[ImageScore],
    *,
    best: int,
    worst: int,
) -> list[Case]:
    """Pictures of a subject's worst and best images; they are predicted once more."""
    predict = subject.predictor()
    by_name = {sample.name: sample for sample in samples}
    found = []
    for kind, score in choose(scores, best=best, worst=worst):
        sample = by_name[score.name]
        image = sample.read_image()
        picture = compare(image, predict(image), sample.read_mask() > 127)
        found.append(Case(f"{subject.name}, {kind}", _caption(score), _jpeg(picture)))
    return found


def _caption(score: ImageScore) -> str:
    if score.iou is None:
        return f"{score.name}: {100 * (score.false_area or 0):.1f} % called the class"
    return f"{score.name}: IoU {score.iou:.3f}"


def compare(image: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """uint8 BGR picture: the image, and beside it the image tinted by agreement."""
    tint = np.zeros_like(image)
    tint[prediction & truth] = AGREED
    tint[truth & ~prediction] = MISSED
    tint[prediction & ~truth] = INVENTED
    touched = (prediction | truth)[..., np.newaxis]
    marked = np.where(touched, image * 0.45 + tint * 0.55, image * 0.6).astype(np.uint8)
    return np.hstack([image, marked])


def _jpeg(picture: np.ndarray) -> bytes:
    scale = HEIGHT / picture.shape[0]
    small = cv2.resize(
        picture, (round(picture.shape[1] * scale), HEIGHT), interpolation=cv2.INTER_AREA
    )
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()

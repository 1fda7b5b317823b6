"""Average precision and recall after COCO's definition (Lin et al. 2014), counted by pycocotools.

A semantic mask has no objects and no scores; it is read as both so: each connected
segment (8 neighbours) of at least `least` pixels is one object, and its score is the
mean probability of its pixels. Two people who touch are one segment: against
truths with an object for each of them, average precision is a bound from below.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..errors import InputError, require

LEAST_PIXELS = 16


@dataclass(frozen=True)
class Segment:
    """An object: mask bool (H, W), and for a prediction its score in [0, 1].

    crowd: of a truth, a region of many objects, in which predictions do not count.
    """

    mask: np.ndarray
    score: float = 1.0
    label: int = 1
    crowd: bool = False


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's figures in [0, 1]; NaN where there is no truth to find.

    ap: mean over IoU thresholds 0.50 to 0.95 in steps of 0.05 and over labels. ap50,
    ap75: at that threshold alone. ar1, ar10, ar100: average recall with so many
    predictions for an image.
    """

    ap: float
    ap50: float
    ap75: float
    ar1: float
    ar10: float
    ar100: float


def segments(
    scores: np.ndarray, *, threshold: float = 0.5, least: int = LEAST_PIXELS, label: int = 1
) -> list[Segment]:
    """The connected segments of a probability map float (H, W), best first.

    Pixels above `threshold` belong to one; a truth, bool (H, W), gives its objects.
    """
    if scores.ndim != 2:
        raise InputError(f"scores: got shape {scores.shape}, expected (H, W)")
    foreground = (scores > threshold).astype(np.uint8)
    count, numbers = cv2.connectedComponents(foreground, connectivity=8)
    found = []
    for number in range(1, count):
        mask = numbers == number
        if np.count_nonzero(mask) >= least:
            found.append(Segment(mask, float(scores[mask].mean()), label))
    return sorted(found, key=lambda segment: -segment.score)


def average_precision(
    predictions: Sequence[Sequence[Segment]], truths: Sequence[Sequence[Segment]]
) -> AveragePrecision:
    """Figures over a set: for each image its predicted and its true objects.

    Raises InputError for different numbers of images, MissingExtra without pycocotools.
    """
    if len(predictions) != len(truths):
        raise InputError(
            f"images: got {len(predictions)} predictions and {len(truths)} truths, expected equal"
        )
    cocoeval = require("pycocotools.cocoeval", extra="benchmark")
    # It prints while it works, and has no option not to.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _coco([_annotations(image, False) for image in truths])
        found = _coco([_annotations(image, True) for image in predictions])
        evaluation = cocoeval.COCOeval(truth, found, "segm")
        if not evaluation.params.catIds:
            return AveragePrecision(*[float("nan")] * 6)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = evaluation.stats
    # COCO's -1 stands for "no truth"; averaged by accident it looks like a figure.
    return AveragePrecision(
        *[float(stats[i]) if stats[i] >= 0 else float("nan") for i in (0, 1, 2, 6, 7, 8)]
    )


def _annotations(image: Sequence[Segment], scored: bool) -> list[dict[str, Any]]:
    """COCO's form of one image's objects, masks run-length encoded."""
    masks = require("pycocotools.mask", extra="benchmark")
    found = []
    for segment in image:
        encoded = masks.encode(np.asfortranarray(segment.mask.astype(np.uint8)))
        found.append(
            {
                "segmentation": encoded,
                "area": float(np.count_nonzero(segment.mask)),
                "bbox": [float(x) for x in masks.toBbox(encoded)],
                "category_id": segment.label,
                "iscrowd": int(segment.crowd),
                **({"score": segment.score} if scored else {}),
            }
        )
    return found


def _coco(images: Sequence[list[dict[str, Any]]]) -> Any:
    coco = require("pycocotools.coco", extra="benchmark").COCO()
    annotations = [
        {**annotation, "image_id": number}
        for number, image in enumerate(images, 1)
        for annotation in image
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    coco.dataset = {
        "images": [_image(number, image) for number, image in enumerate(images, 1)],
        "annotations": annotations,
        "categories": [{"id": label} for label in {a["category_id"] for a in annotations}],
    }
    coco.createIndex()
    return coco


def _image(number: int, annotations: list[dict[str, Any]]) -> dict[str, int]:
    """COCO's entry of an image; without objects nobody asks for its size."""
    height, width = annotations[0]["segmentation"]["size"] if annotations else (0, 0)
    return {"id": number, "height": int(height), "width": int(width)}

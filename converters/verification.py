"""A converted file against the float model: on photographs and, closed loop, over a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.metrics import flicker, iou
from edgeseg.preprocess import to_mask
from edgeseg.spec import ModelSpec

from .reference import Predict, Reference, closed_loop, scores_of


@dataclass(frozen=True)
class VideoVerification:
    """Closed loop over a clip, against its masks, or the float model where it has none.

    iou: mean over the frames whose mask is not empty, or `expected_iou`. flicker: per
    mille. iou_drop, flicker_rise: how much worse than the float model.
    """

    iou: float
    flicker: float
    iou_drop: float
    flicker_rise: float


@dataclass(frozen=True)
class Verification:
    """How a file differs from the float model.

    iou: mean IoU of its masks with the float model's. max_iou_drop: the largest
    drop of IoU, over the photographs and over the clip: its mean against known masks
    where there are some, otherwise of `expected_iou` against what the float model
    believes. mean_abs, max_abs: difference of the probabilities. pictures: how many;
    known_masks: how many of them have one that is not empty.
    """

    iou: float
    max_iou_drop: float
    mean_abs: float
    max_abs: float
    pictures: int
    known_masks: int
    video: VideoVerification | None


def expected_iou(scores: Sequence[np.ndarray], believed: Sequence[np.ndarray]) -> float:
    """IoU of masks with a truth that is only known as probabilities, all images pooled.

    scores, believed: (h, w, classes). A pixel whose probability is near one half may
    change sides at nearly no cost, which plain agreement with the other mask would
    not forgive. With more classes it is the mean over those that are predicted.
    """
    ious = []
    for number in range(scores[0].shape[-1]):
        inside = outside = area = 0.0
        for got, truth in zip(scores, believed):
            mask = _class_mask(got, number)
            area += float(mask.sum())
            inside += float(truth[..., number][mask].sum())
            outside += float(truth[..., number][~mask].sum())
        if area:
            ious.append(inside / (area + outside))
    return float(np.mean(ious)) if ious else 1.0


def _class_mask(scores: np.ndarray, number: int) -> np.ndarray:
    if scores.shape[-1] == 1:
        return scores[..., 0] > 0.5
    return scores.argmax(axis=-1) == number


def verify(
    predict: Predict,
    reference: Reference,
    *,
    spec: ModelSpec | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Verification:
    """Compare a converted file, as a float function, with the reference.

    spec: the file's own, where it differs from the float model's, in its activation.
    """
    spec = spec or reference.spec
    outputs = []
    for picture in reference.pictures:
        outputs.append(scores_of(predict, picture.frame, spec))
        progress()
    differences = [np.abs(a - b) for a, b in zip(outputs, reference.outputs)]
    agreement = float(np.mean([_agreement(a, b) for a, b in zip(outputs, reference.outputs)]))
    video = _verify_clip(predict, reference, spec) if reference.clip else None
    drops = [_photo_drop(outputs, reference)] + ([video.iou_drop] if video else [])
    return Verification(
        iou=agreement,
        max_iou_drop=max(drops),
        mean_abs=float(np.mean([difference.mean() for difference in differences])),
        max_abs=float(max(difference.max() for difference in differences)),
        pictures=len(outputs),
        known_masks=len(reference.known),
        video=video,
    )


def _agreement(scores: np.ndarray, wanted: np.ndarray) -> float:
    """IoU of two answers: of the masks, or mean over the classes that occur."""
    pairs = [(_class_mask(scores, n), _class_mask(wanted, n)) for n in range(scores.shape[-1])]
    occurring = [pair for pair in pairs if pair[0].any() or pair[1].any()]
    return float(np.mean([iou(*pair) for pair in occurring])) if occurring else 1.0


def _photo_drop(outputs: Sequence[np.ndarray], reference: Reference) -> float:
    if not reference.known:
        believed = reference.outputs
        return expected_iou(believed, believed) - expected_iou(outputs, believed)
    return float(
        np.mean(
            [
                _truth_iou(reference.outputs[index], truth) - _truth_iou(outputs[index], truth)
                for index, truth in reference.known
            ]
        )
    )


def _truth_iou(scores: np.ndarray, truth: np.ndarray) -> float:
    return iou(_at_frame_size(scores[..., 0], truth), truth)


def _at_frame_size(mask: np.ndarray, truth: np.ndarray) -> np.ndarray:
    height, width = truth.shape
    return to_mask(mask, width, height) > 0.5


def _verify_clip(predict: Predict, reference: Reference, spec: ModelSpec) -> VideoVerification:
    frames = [picture.frame for picture in reference.clip]
    outputs = closed_loop(predict, frames, spec)
    got = _clip_figures(outputs, reference)
    wanted = _clip_figures(reference.clip_outputs, reference)
    return VideoVerification(
        iou=got[0],
        flicker=got[1],
        iou_drop=wanted[0] - got[0],
        flicker_rise=got[1] - wanted[1],
    )


def _clip_figures(outputs: Sequence[np.ndarray], reference: Reference) -> tuple[float, float]:
    """IoU and flicker (per mille) of foregrounds over the clip."""
    truths = [picture.truth for picture in reference.clip if picture.truth is not None]
    if reference.whole and len(truths) == len(outputs) and any(truth.any() for truth in truths):
        masks = [_at_frame_size(output, truth) for output, truth in zip(outputs, truths)]
        ious = [iou(mask, truth) for mask, truth in zip(masks, truths) if truth.any()]
        return float(np.mean(ious)), float(flicker(masks, truths))
    believed = [output[..., np.newaxis] for output in reference.clip_outputs]
    got = [output[..., np.newaxis] for output in outputs]
    still = [output > 0.5 for output in reference.clip_outputs]
    return expected_iou(got, believed), float(flicker([m > 0.5 for m in outputs], still))

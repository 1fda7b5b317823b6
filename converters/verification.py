"""A converted file against the float model: on photographs and, closed loop, over a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.metrics import flicker, iou
from edgeseg.preprocess import to_mask, to_scores, to_tensor
from edgeseg.spec import ModelSpec

from .calibration import foreground
from .pictures import Picture

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Reference:
    """Pictures and the float model's answers to them, computed once for all files.

    outputs: per photograph scores (h, w, classes). clip: frames in order, may be
    empty. clip_masks: the float model's masks over the clip, bool at frame size.
    """

    spec: ModelSpec
    pictures: tuple[Picture, ...]
    outputs: tuple[np.ndarray, ...]
    clip: tuple[Picture, ...]
    clip_masks: tuple[np.ndarray, ...]

    @property
    def known(self) -> list[tuple[int, np.ndarray]]:
        """Photographs with a known mask that is not empty, as index and mask.

        Against an empty mask IoU is 0 for a single wrong pixel, so that such
        photographs would decide alone. None are known for more classes than one.
        """
        if not self.spec.binary:
            return []
        truths = [(index, picture.truth) for index, picture in enumerate(self.pictures)]
        return [(index, truth) for index, truth in truths if truth is not None and truth.any()]


@dataclass(frozen=True)
class VideoVerification:
    """Closed loop over a clip, against its masks, or the float model's where it has none.

    iou: mean over the frames. flicker: per mille. iou_drop, flicker_rise: how much
    worse than the float model.
    """

    iou: float
    flicker: float
    iou_drop: float
    flicker_rise: float


@dataclass(frozen=True)
class Verification:
    """How a file differs from the float model.

    iou: mean IoU of its masks with the float model's. max_iou_drop: the largest
    drop of mean IoU, over the photographs and over the clip: against known masks
    where there are some, otherwise 1 - iou. mean_abs, max_abs: difference of the
    probabilities. pictures: how many; known_masks: how many of them have one
    that is not empty.
    """

    iou: float
    max_iou_drop: float
    mean_abs: float
    max_abs: float
    pictures: int
    known_masks: int
    video: VideoVerification | None


def make_reference(
    predict: Predict, spec: ModelSpec, pictures: Sequence[Picture], clip: Sequence[Picture] = ()
) -> Reference:
    """Run the float model once over everything that files are compared on."""
    return Reference(
        spec=spec,
        pictures=tuple(pictures),
        outputs=tuple(_scores(predict, picture.frame, spec) for picture in pictures),
        clip=tuple(clip),
        clip_masks=tuple(closed_loop(predict, [picture.frame for picture in clip], spec)),
    )


def _scores(predict: Predict, frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    return to_scores(predict(to_tensor(frame, spec)), spec)


def closed_loop(
    predict: Predict, frames: Sequence[np.ndarray], spec: ModelSpec
) -> list[np.ndarray]:
    """Masks over a clip, bool at frame size, each fed back where the model takes one."""
    masks, previous = [], None
    for frame in frames:
        mask = foreground(predict(to_tensor(frame, spec, previous)), spec)
        previous = mask if spec.previous_mask else None
        masks.append(to_mask(mask, frame.shape[1], frame.shape[0]) > 0.5)
    return masks


def verify(
    predict: Predict, reference: Reference, *, progress: Callable[[], None] = lambda: None
) -> Verification:
    """Compare a converted file, as a float function, with the reference."""
    outputs = []
    for picture in reference.pictures:
        outputs.append(_scores(predict, picture.frame, reference.spec))
        progress()
    differences = [np.abs(a - b) for a, b in zip(outputs, reference.outputs)]
    agreement = float(np.mean([_agreement(a, b) for a, b in zip(outputs, reference.outputs)]))
    video = _verify_clip(predict, reference) if reference.clip else None
    drops = [_photo_drop(outputs, reference, agreement)] + ([video.iou_drop] if video else [])
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
    if scores.shape[-1] == 1:
        return iou(scores[..., 0] > 0.5, wanted[..., 0] > 0.5)
    got, truth = scores.argmax(axis=-1), wanted.argmax(axis=-1)
    classes = np.union1d(got, truth)
    return float(np.mean([iou(got == number, truth == number) for number in classes]))


def _photo_drop(outputs: Sequence[np.ndarray], reference: Reference, agreement: float) -> float:
    drops = [
        _truth_iou(reference.outputs[index], truth) - _truth_iou(outputs[index], truth)
        for index, truth in reference.known
    ]
    return float(np.mean(drops)) if drops else 1 - agreement


def _truth_iou(scores: np.ndarray, truth: np.ndarray) -> float:
    height, width = truth.shape
    return iou(to_mask(scores[..., 0], width, height) > 0.5, truth)


def _verify_clip(predict: Predict, reference: Reference) -> VideoVerification:
    frames = [picture.frame for picture in reference.clip]
    masks = closed_loop(predict, frames, reference.spec)
    known = [picture.truth for picture in reference.clip if picture.truth is not None]
    truths = known if len(known) == len(frames) else list(reference.clip_masks)
    wanted = list(reference.clip_masks)
    return VideoVerification(
        iou=_mean_iou(masks, truths),
        flicker=float(flicker(masks, truths)),
        iou_drop=_mean_iou(wanted, truths) - _mean_iou(masks, truths),
        flicker_rise=float(flicker(masks, truths) - flicker(wanted, truths)),
    )


def _mean_iou(masks: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> float:
    return float(np.mean([iou(mask, truth) for mask, truth in zip(masks, truths)]))

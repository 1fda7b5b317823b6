"""A converted file against the float model: on photographs and, closed loop, over a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.errors import ModelError
from edgeseg.metrics import flicker, iou
from edgeseg.preprocess import covers_input, sharpened, to_mask, to_scores, to_tensor
from edgeseg.spec import ModelSpec

from .calibration import foreground
from .pictures import Picture

Predict = Callable[[np.ndarray], np.ndarray]

# Probabilities end so far beside 0 and 1 at most: logits of a trained network go further.
BESIDE = 0.5


@dataclass(frozen=True)
class Reference:
    """Pictures and the float model's answers to them, computed once for all files.

    outputs: per photograph scores (h, w, classes). clip: frames in order, may be
    empty. clip_outputs: the float model's foreground over the clip, float32 (h, w).
    """

    spec: ModelSpec
    pictures: tuple[Picture, ...]
    outputs: tuple[np.ndarray, ...]
    clip: tuple[Picture, ...]
    clip_outputs: tuple[np.ndarray, ...]

    @property
    def whole(self) -> bool:
        """Whether the network answers to all that it sees, not to the middle alone."""
        height, width = self.outputs[0].shape[:2]
        return covers_input((self.spec.height, self.spec.width), (height, width))

    def doubts(self) -> list[str]:
        """What the files are not good for."""
        if self.whole:
            return []
        height, width = self.outputs[0].shape[:2]
        return [
            f"got a network whose output of {height}x{width} leaves out the borders of its input "
            f"of {self.spec.height}x{self.spec.width}: its files are compared with the float model "
            "alone, and Segmenter and `edgeseg benchmark` refuse them; only `edgeseg evaluate "
            "--tile` takes them"
        ]

    @property
    def known(self) -> list[tuple[int, np.ndarray]]:
        """Photographs with a known mask that is not empty, as index and mask.

        Against an empty mask IoU is 0 for a single wrong pixel, so that such
        photographs would decide alone. None are known for more classes than one, nor for a
        network that leaves out the borders.
        """
        if not self.spec.binary or not self.whole:
            return []
        truths = [(index, picture.truth) for index, picture in enumerate(self.pictures)]
        return [(index, truth) for index, truth in truths if truth is not None and truth.any()]


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


def _check_probabilities(output: np.ndarray, spec: ModelSpec, picture: Picture) -> None:
    # A network without a last activation may be a little beside 0 and 1, but not far.
    if output.min() < -BESIDE or output.max() > 1 + BESIDE:
        mend = "sigmoid" if spec.binary else "softmax"
        raise ModelError(
            f"model {spec.name!r}: got answers from {output.min():.3g} to {output.max():.3g} to "
            f"{picture.path}, expected probabilities from 0 to 1; for logits put "
            f'"activation": "{mend}" into its spec'
        )


def make_reference(
    predict: Predict, spec: ModelSpec, pictures: Sequence[Picture], clip: Sequence[Picture] = ()
) -> Reference:
    """Run the float model once over everything that files are compared on.

    Raises ModelError for a model whose answers are not all finite, or no probabilities: nothing
    compares with them.
    """
    outputs = tuple(_scores(predict, picture.frame, spec) for picture in pictures)
    masks = tuple(closed_loop(predict, [picture.frame for picture in clip], spec))
    for picture, output in zip((*pictures, *clip), (*outputs, *masks)):
        if not np.isfinite(output).all():
            raise ModelError(
                f"model {spec.name!r}: got NaN or infinite answers to {picture.path}, expected "
                "finite ones; look at its weights, and at scale and offset in its spec"
            )
        _check_probabilities(output, spec, picture)
    return Reference(
        spec=spec,
        pictures=tuple(pictures),
        outputs=outputs,
        clip=tuple(clip),
        clip_outputs=masks,
    )


def _scores(predict: Predict, frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    return to_scores(predict(to_tensor(frame, spec)), spec)


def closed_loop(
    predict: Predict, frames: Sequence[np.ndarray], spec: ModelSpec
) -> list[np.ndarray]:
    """Foreground over a clip, float32 (h, w).

    Where the model takes a previous mask each is fed back, sharpened as the runtime does.
    """
    masks: list[np.ndarray] = []
    for frame in frames:
        previous = sharpened(masks[-1], spec) if masks and spec.previous_mask else None
        masks.append(foreground(predict(to_tensor(frame, spec, previous)), spec))
    return masks


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
        outputs.append(_scores(predict, picture.frame, spec))
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

"""Scores on the validation samples: IoU per family of binary masks, or per class."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from ..data.dataset import Labelled
from ..data.folder import Sample
from ..errors import InputError
from ..metrics.region import iou
from ..models.overlap_tile import overlap_tile, stride_of
from ..preprocess import model_pixels, normalise, resize, to_mask, to_scores, to_tensor
from ..spec import ModelSpec
from .confusion import Confusion

# float32 (N, h, w, channels) -> probabilities (N, h', w', classes).
Predict = Callable[[np.ndarray], np.ndarray]

# Pixels that are dropped at the borders of a tile of a network with "same" padding.
TILE_MARGIN = 16


def validate(
    predict: Predict, spec: ModelSpec, samples: Iterable[Sample], *, batch: int = 16
) -> dict[str, float]:
    """Mean IoU per family at threshold 0.5 on single images, the previous mask empty.

    predict: float32 (N, h, w, channels) -> probabilities (N, h', w', 1). Families
    without masks get the mean share of pixels that are called foreground.
    """
    values: dict[str, list[float]] = defaultdict(list)
    samples = list(samples)
    for start in range(0, len(samples), batch):
        part = samples[start : start + batch]
        tensors = [to_tensor(sample.read_image(), spec) for sample in part]
        for sample, output in zip(part, predict(np.concatenate(tensors))):
            truth = sample.read_mask() > 127
            scores = to_scores(output[np.newaxis], spec)
            mask = to_mask(scores[..., 0], truth.shape[1], truth.shape[0]) > 0.5
            values[sample.family].append(_score(mask, truth, sample.mask is None))
    return {family: float(np.mean(scores)) for family, scores in sorted(values.items())}


def _score(mask: np.ndarray, truth: np.ndarray, negative: bool) -> float:
    return float(mask.mean()) if negative else iou(mask, truth)


def validate_classes(
    predict: Predict,
    spec: ModelSpec,
    samples: Iterable[Labelled],
    *,
    tile: bool = False,
    progress: Callable[[], None] | None = None,
) -> Confusion:
    """Class counts at the labels' own size, previous mask empty.

    tile: predict overlapping tiles of the image at its own size instead of the
    resized whole.
    """
    confusion = Confusion(max(2, len(spec.labels)))
    for sample in samples:
        truth = sample.read_labels()
        confusion.add(truth, predict_classes(predict, spec, sample.read_image(), tile=tile))
        if progress:
            progress()
    return confusion


def predict_classes(
    predict: Predict, spec: ModelSpec, image: np.ndarray, *, tile: bool = False
) -> np.ndarray:
    """Class ids int64 (H, W) of an image, uint8 (H, W, 3) BGR; of a binary mask 0 and 1."""
    height, width = image.shape[:2]
    scores = _tiled(predict, spec, image) if tile else _whole(predict, spec, image)
    if scores.shape[-1] == 1:
        return (resize(scores[..., 0], width, height) > 0.5).astype(np.int64)
    planes = [
        resize(np.ascontiguousarray(plane), width, height) for plane in np.rollaxis(scores, 2)
    ]
    return np.argmax(planes, axis=0)


def _whole(predict: Predict, spec: ModelSpec, image: np.ndarray) -> np.ndarray:
    answer = predict(to_tensor(image, spec))
    output = (answer.shape[1], answer.shape[2])
    if not stride_of((spec.height, spec.width), output):
        raise InputError(
            f"{spec.name}: got an output of {output[0]}x{output[1]} for an input of {spec.height}x"
            f"{spec.width}, without its borders; expected tiles: --tile, or data.tile = true"
        )
    return to_scores(answer, spec)


def _tiled(predict: Predict, spec: ModelSpec, image: np.ndarray) -> np.ndarray:
    """Probabilities at the image's own size."""
    own_size = _at_size(spec, image)
    tensor = normalise(model_pixels(image, own_size), own_size)
    if spec.previous_mask:
        tensor = np.dstack([tensor, np.zeros(image.shape[:2], np.float32)])
    tile = (spec.height, spec.width)
    probe = predict(np.zeros((1, *tile, spec.channels), np.float32))
    output = (probe.shape[1], probe.shape[2])
    valid = not stride_of(tile, output)

    def answer(patch: np.ndarray) -> np.ndarray:
        scores = to_scores(predict(patch), spec)
        return (scores if valid else _enlarged(scores, tile))[np.newaxis]

    if valid:
        return overlap_tile(answer, tensor, tile=tile, output=output)
    return overlap_tile(answer, tensor, tile=tile, margin=min(TILE_MARGIN, min(tile) // 4))


def _at_size(spec: ModelSpec, image: np.ndarray) -> ModelSpec:
    return dataclasses.replace(spec, height=image.shape[0], width=image.shape[1])


def _enlarged(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return resize(scores, size[1], size[0]).reshape(*size, -1)

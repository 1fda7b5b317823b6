"""Scores on the validation samples while training: IoU per family, false area on negatives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from ..data.folder import Sample
from ..preprocess import to_mask, to_scores, to_tensor
from ..spec import ModelSpec

Predict = Callable[[np.ndarray], np.ndarray]


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
    if negative:
        return float(mask.mean())
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))

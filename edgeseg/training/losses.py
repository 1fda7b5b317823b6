"""Losses as pure functions of logits, truth and sample weights, returning named parts.

`ops` is `keras.ops`, so that one definition serves every backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tensor = Any


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss; 0 leaves a part out."""

    cross_entropy: float = 1.0
    jaccard: float = 0.5


def binary_cross_entropy(ops: Any, logits: Tensor, truth: Tensor) -> Tensor:
    """Per-pixel cross-entropy of a binary mask from logits, stable for large ones.

    logits, truth: float32 (N, h, w, 1), truth in [0, 1] -> float32 (N, h, w, 1).
    """
    return ops.relu(logits) - logits * truth + ops.softplus(-ops.abs(logits))


def soft_jaccard(ops: Any, logits: Tensor, truth: Tensor, *, floor: float = 0.01) -> Tensor:
    """1 - intersection over union of the probabilities, per image (Rahman and Wang 2016, eq. 3).

    floor: share of the image added to both, so that an empty truth is scored by
        the area that is wrongly called foreground.
    logits, truth: float32 (N, h, w, 1) -> float32 (N,).
    """
    probability = ops.sigmoid(logits)
    axes = (1, 2, 3)
    area = floor * float(logits.shape[1] * logits.shape[2])
    intersection = ops.sum(probability * truth, axis=axes)
    union = ops.sum(probability + truth - probability * truth, axis=axes)
    return 1 - (intersection + area) / (union + area)


def binary_loss(
    ops: Any, logits: Tensor, truth: Tensor, weight: Tensor, config: LossConfig
) -> dict[str, Tensor]:
    """Named parts, each the weighted mean over the batch, and their sum as "loss".

    weight: float32 (N,), one per image.
    """
    logits = ops.cast(logits, "float32")
    share = weight / ops.sum(weight)
    cross_entropy = ops.sum(
        share * ops.mean(binary_cross_entropy(ops, logits, truth), axis=(1, 2, 3))
    )
    jaccard = ops.sum(share * soft_jaccard(ops, logits, truth))
    total = config.cross_entropy * cross_entropy + config.jaccard * jaccard
    return {"loss": total, "cross_entropy": cross_entropy, "jaccard": jaccard}

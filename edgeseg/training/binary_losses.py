"""Losses of one soft mask."""

from __future__ import annotations

from typing import Any

from .losses import EPSILON, LossConfig, Tensor, boundary_weight, enlarged, focus, log_odds, total


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


def soft_dice(ops: Any, logits: Tensor, truth: Tensor, *, floor: float = 0.01) -> Tensor:
    """1 - Dice coefficient of the probabilities, per image (Milletari et al. 2016).

    logits, truth: float32 (N, h, w, 1) -> float32 (N,). floor as in `soft_jaccard`.
    """
    probability = ops.sigmoid(logits)
    axes = (1, 2, 3)
    area = floor * float(logits.shape[1] * logits.shape[2])
    intersection = ops.sum(probability * truth, axis=axes)
    total = ops.sum(probability + truth, axis=axes)
    return 1 - (2 * intersection + area) / (total + area)


def binary_focal(ops: Any, logits: Tensor, truth: Tensor, gamma: float) -> Tensor:
    """Cross-entropy times (1 - p)^gamma, p the probability of the truth (Lin et al. 2017, eq. 4).

    logits, truth: float32 (N, h, w, 1) -> float32 (N, h, w, 1).
    """
    probability = ops.sigmoid(logits)
    wrong = probability * (1 - truth) + (1 - probability) * truth
    return focus(ops, wrong, gamma) * binary_cross_entropy(ops, logits, truth)


def binary_distillation(
    ops: Any, logits: Tensor, teacher: Tensor, temperature: float = 1.0
) -> Tensor:
    """Cross-entropy with a teacher's mask, both softened (Hinton et al. 2015); T^2 keeps its scale.

    logits: float32 (N, h, w, 1); teacher: probabilities of the same shape.
    """
    soft = ops.sigmoid(log_odds(ops, teacher) / temperature)
    return temperature**2 * binary_cross_entropy(ops, logits / temperature, soft)


def binary_loss(
    ops: Any,
    logits: Tensor,
    truth: Tensor,
    weight: Tensor,
    config: LossConfig,
    teacher: Tensor | None = None,
) -> dict[str, Tensor]:
    """Named parts, each the weighted mean over the batch, and their sum as "loss".

    logits: (N, h, w, 1). truth: (N, e * h, e * w, 1) in [0, 1], e the configuration's
    `enlarge`. weight: float32 (N,), one per image. teacher: probabilities of the truth's
    shape where the configuration distils.
    """
    logits = enlarged(ops, ops.cast(logits, "float32"), config.enlarge)
    share = weight / ops.maximum(ops.sum(weight), EPSILON)
    pixels = boundary_weight(ops, truth, config) if config.boundary else None

    def mean(values: Tensor) -> Tensor:
        if pixels is not None:
            values = values * pixels
        return ops.sum(share * ops.mean(values, axis=(1, 2, 3)))

    parts = {
        "cross_entropy": mean(binary_cross_entropy(ops, logits, truth)),
        "jaccard": ops.sum(share * soft_jaccard(ops, logits, truth)),
    }
    if config.dice:
        parts["dice"] = ops.sum(share * soft_dice(ops, logits, truth))
    if config.focal:
        parts["focal"] = mean(binary_focal(ops, logits, truth, config.focal_gamma))
    if config.distillation and teacher is not None:
        parts["distillation"] = mean(binary_distillation(ops, logits, teacher, config.temperature))
    return {"loss": total(parts, config), **parts}

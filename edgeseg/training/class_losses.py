"""Losses of several classes, one of which each pixel has."""

from __future__ import annotations

from typing import Any

from .losses import EPSILON, LossConfig, Tensor, boundary_weight, focus, total


def cross_entropy(ops: Any, logits: Tensor, truth: Tensor) -> Tensor:
    """Per-pixel categorical cross-entropy from logits.

    logits: float32 (N, h, w, K); truth: one-hot or soft, same shape -> (N, h, w).
    """
    return -ops.sum(truth * ops.log_softmax(logits, axis=-1), axis=-1)


def focal(ops: Any, logits: Tensor, truth: Tensor, gamma: float) -> Tensor:
    """Cross-entropy times (1 - p)^gamma (Lin et al. 2017, eq. 4): (N, h, w, K) -> (N, h, w)."""
    probability = ops.sum(truth * ops.softmax(logits, axis=-1), axis=-1)
    return focus(ops, 1 - probability, gamma) * cross_entropy(ops, logits, truth)


def region_overlap(
    ops: Any, logits: Tensor, truth: Tensor, counted: Tensor, *, jaccard: bool
) -> Tensor:
    """1 - Jaccard (or Dice) index, per image, mean over the classes that its truth has.

    logits: float32 (N, h, w, K); truth: one-hot (N, h, w, K); counted: (N, h, w), 0
    where a pixel is ignored -> float32 (N,).
    """
    axes = (1, 2)
    mask = counted[..., None]
    probability = ops.softmax(logits, axis=-1) * mask
    truth = truth * mask
    both = ops.sum(probability * truth, axis=axes)
    total = ops.sum(probability, axis=axes) + ops.sum(truth, axis=axes)
    index = (both + 1) / (total - both + 1) if jaccard else (2 * both + 1) / (total + 1)
    present = ops.cast(ops.sum(truth, axis=axes) > 0, "float32")
    return 1 - ops.sum(index * present, axis=-1) / ops.maximum(ops.sum(present, axis=-1), 1.0)


def distillation(ops: Any, logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Cross-entropy with a teacher's probabilities, both softened (Hinton et al. 2015).

    logits, teacher: float32 (N, h, w, K) -> (N, h, w), times T^2 to keep its scale.
    """
    scores = ops.log(ops.maximum(teacher, EPSILON)) / temperature
    soft = ops.softmax(scores, axis=-1)
    return temperature**2 * cross_entropy(ops, logits / temperature, soft)


def class_loss(
    ops: Any,
    logits: Tensor,
    truth: Tensor,
    weight: Tensor,
    config: LossConfig,
    teacher: Tensor | None = None,
) -> dict[str, Tensor]:
    """Named parts, weighted means over the batch, and their sum as "loss".

    logits: (N, h, w, K). truth: integer class ids (N, h, w). weight: float32 (N, h, w),
    0 where the pixel is ignored, whatever its id. teacher: probabilities (N, h, w, K)
    where the configuration distils.
    """
    logits = ops.cast(logits, "float32")
    classes = logits.shape[-1]
    counted = ops.cast(weight > 0, "float32")
    target = ops.one_hot(ops.where(weight > 0, truth, 0), classes, dtype="float32")
    # One share per pixel and one per image, both by the pixels' weights.
    all_weight = ops.maximum(ops.sum(weight), EPSILON)
    image_share = ops.sum(weight, axis=(1, 2)) / all_weight
    pixel_share = weight / all_weight
    if config.class_weights:
        pixel_share = pixel_share * ops.sum(
            target * ops.convert_to_tensor(config.class_weights, "float32"), axis=-1
        )
    if config.boundary:
        pixel_share = pixel_share * boundary_weight(ops, target, config)[..., 0]

    def mean(values: Tensor) -> Tensor:
        return ops.sum(pixel_share * values)

    parts = {"cross_entropy": mean(cross_entropy(ops, logits, target))}
    for name in ("jaccard", "dice"):
        if getattr(config, name):
            loss = region_overlap(ops, logits, target, counted, jaccard=name == "jaccard")
            parts[name] = ops.sum(image_share * loss)
    if config.focal:
        parts["focal"] = mean(focal(ops, logits, target, config.focal_gamma))
    if config.distillation and teacher is not None:
        parts["distillation"] = mean(distillation(ops, logits, teacher, config.temperature))
    return {"loss": total(parts, config), **parts}

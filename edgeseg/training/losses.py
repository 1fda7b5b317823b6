"""Losses: pure functions of the Keras ops module, with named parts.

They take `ops` (`keras.ops`) so that one definition serves every backend; under
TensorFlow it also takes the tensors of a tf_keras model.

Every part is a weighted mean over the batch whose weights sum to one, so the
loss of a batch split over devices is the weighted mean of the parts' losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config_ranges import check_above, check_least

Tensor = Any

EPSILON = 1e-6
# What the loss is a sum of, each with its weight in the configuration.
PARTS = ("cross_entropy", "jaccard", "dice", "focal", "distillation")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss; 0 leaves a part out.

    focal_gamma: exponent of the focal loss. boundary: how much more a pixel within
    `boundary_radius` of a class border weighs in the cross-entropy. distillation:
    weight of the teacher's soft masks, `temperature` softens both sides.
    class_weights: per class in the cross-entropy, empty for all equal.
    enlarge: how many times as large as the network's mask a binary truth is. The logits are
        enlarged bilinearly before the loss, as a mask is when it is used, so that the loss
        sees where the border falls between the network's pixels. Costs nothing in use.
    """

    cross_entropy: float = 1.0
    jaccard: float = 0.5
    dice: float = 0.0
    focal: float = 0.0
    focal_gamma: float = 2.0
    boundary: float = 0.0
    boundary_radius: int = 2
    distillation: float = 0.0
    temperature: float = 1.0
    class_weights: tuple[float, ...] = ()
    enlarge: int = 1

    def __post_init__(self) -> None:
        check_least(self, 0, "cross_entropy", "jaccard", "dice", "focal", "focal_gamma")
        check_least(self, 0, "boundary", "distillation", "class_weights")
        check_least(self, 1, "boundary_radius", "enlarge")
        check_above(self, 0, "temperature")


# Binary masks -----------------------------------------------------------------


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
    return _focus(ops, wrong, gamma) * binary_cross_entropy(ops, logits, truth)


def log_odds(ops: Any, probabilities: Tensor) -> Tensor:
    """Logits of probabilities in [0, 1], of any shape, kept from becoming infinite."""
    inner = ops.clip(probabilities, EPSILON, 1 - EPSILON)
    return ops.log(inner) - ops.log(1 - inner)


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
    return {"loss": _total(parts, config), **parts}


# Several classes --------------------------------------------------------------


def cross_entropy(ops: Any, logits: Tensor, truth: Tensor) -> Tensor:
    """Per-pixel categorical cross-entropy from logits.

    logits: float32 (N, h, w, K); truth: one-hot or soft, same shape -> (N, h, w).
    """
    return -ops.sum(truth * ops.log_softmax(logits, axis=-1), axis=-1)


def focal(ops: Any, logits: Tensor, truth: Tensor, gamma: float) -> Tensor:
    """Cross-entropy times (1 - p)^gamma (Lin et al. 2017, eq. 4): (N, h, w, K) -> (N, h, w)."""
    probability = ops.sum(truth * ops.softmax(logits, axis=-1), axis=-1)
    return _focus(ops, 1 - probability, gamma) * cross_entropy(ops, logits, truth)


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
    total = ops.maximum(ops.sum(weight), EPSILON)
    image_share = ops.sum(weight, axis=(1, 2)) / total
    pixel_share = weight / total
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
    return {"loss": _total(parts, config), **parts}


# Common -----------------------------------------------------------------------


def divergence(ops: Any, wanted: Tensor, found: Tensor) -> Tensor:
    """Kullback-Leibler divergence in nats of `found` from `wanted`, logits (..., K) -> (...)."""
    wanted, found = (ops.log_softmax(logits, axis=-1) for logits in (wanted, found))
    return ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)


def enlarged(ops: Any, values: Tensor, times: int) -> Tensor:
    """Bilinear, pixel centres as in use: float32 (N, h, w, K) -> (N, times * h, times * w, K)."""
    if times == 1:
        return values
    height, width = values.shape[1:3]
    return ops.image.resize(values, (times * height, times * width), interpolation="bilinear")


def boundary_weight(ops: Any, truth: Tensor, config: LossConfig) -> Tensor:
    """1 + boundary near a border of any class: float32 (N, h, w, 1).

    truth: float32 (N, h, w, K), a binary mask or one-hot. The border is where a
    dilation of a class differs from its erosion.
    """
    size = 2 * config.boundary_radius + 1
    dilated = ops.max_pool(truth, size, strides=1, padding="same")
    eroded = -ops.max_pool(-truth, size, strides=1, padding="same")
    edge = ops.max(dilated - eroded, axis=-1, keepdims=True)
    return 1 + config.boundary * edge


def _focus(ops: Any, wrong: Tensor, gamma: float) -> Tensor:
    """The factor of the focal loss; at 0 a power below 1 has no finite gradient."""
    return ops.maximum(wrong, EPSILON) ** gamma


def _total(parts: dict[str, Tensor], config: LossConfig) -> Tensor:
    return sum(getattr(config, name) * value for name, value in parts.items())

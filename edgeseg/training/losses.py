"""What all losses share: their configuration, and pure functions of the Keras ops module.

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


def log_odds(ops: Any, probabilities: Tensor) -> Tensor:
    """Logits of probabilities in [0, 1], of any shape, kept from becoming infinite."""
    inner = ops.clip(probabilities, EPSILON, 1 - EPSILON)
    return ops.log(inner) - ops.log(1 - inner)


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


def focus(ops: Any, wrong: Tensor, gamma: float) -> Tensor:
    """The factor of the focal loss; at 0 a power below 1 has no finite gradient."""
    return ops.maximum(wrong, EPSILON) ** gamma


def total(parts: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The sum of the parts, each with its weight in the configuration."""
    return sum(getattr(config, name) * value for name, value in parts.items())

"""What is compared while an encoder is taught: features at each stride, and their classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..models.deeplab import deeplab_classes
from ..models.initialise import fill
from .losses import divergence
from .spread import spread_of
from .step import LossFunction

STRIDES = (4, 8, 16, 32)


def unexplained(keras: Any, examples: list[np.ndarray]) -> LossFunction:
    """Squared errors at each stride as shares of the variance of `examples`, and their sum.

    At 1/4 each channel weighs alike: the entry is new, and what the deeper blocks read need
    not vary much.
    """
    alike = 1 / examples[0].var((0, 1, 2))
    scales = [alike, *(1 / spread_of(example) for example in examples[1:])]
    return scaled_errors(keras, [f"1/{stride}" for stride in STRIDES], scales)


def scaled_errors(keras: Any, names: Sequence[str], scales: Sequence[Any]) -> LossFunction:
    """Mean squared errors by name, each times its scale, and their sum."""
    ops = keras.ops

    def loss(answers, *truths):
        parts = {
            name: ops.mean(ops.square(answer - truth) * scale)
            for name, answer, truth, scale in zip(names, answers, truths, scales)
        }
        return {"loss": sum(parts.values()), **parts}

    return loss


def with_classes(keras: Any, compared: LossFunction, head: Any, weight: float) -> LossFunction:
    """`compared` and, at 1/32, how far the classes that `head` reads from both are apart.

    The Kullback-Leibler divergence of the answers' from the target's, mean over places
    (Hinton et al. 2015).
    """
    ops = keras.ops

    def loss(answers, *truths):
        truth, found = (head(deepest[-1], training=False) for deepest in (truths, answers))
        apart = ops.mean(divergence(ops, truth, found))
        parts = compared(answers, *truths)
        return {**parts, "loss": parts["loss"] + weight * apart, "classes": apart}

    return loss


def published_head(keras: Any, published: Any, weights: Path) -> Any:
    """The published head, from what block 16 answers to scores of classes."""
    head = deeplab_classes(keras=keras, shape=published.output.shape[1:])
    fill(head, weights, purpose="reading classes")
    return head

"""A training sample on its way through the augmentation: image, mask and features together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..preprocess import resize
from .augment import blend


@dataclass(frozen=True)
class Example:
    """A sample on its way: BGR (h, w, 3), mask (h, w) and features (h", w", C), all uint8.

    known: (h, w), how far the finished picture's mask is known; see `Batch.known`.
    """

    image: np.ndarray
    mask: np.ndarray
    features: np.ndarray | None = None
    known: np.ndarray | None = None

    def shifted(self, rows: int, columns: int, step: int) -> Example:
        """Moved by so many steps, of so many pixels each, around the borders."""
        image = np.roll(self.image, (rows * step, columns * step), (0, 1))
        mask = np.roll(self.mask, (rows * step, columns * step), (0, 1))
        if self.features is None:
            return Example(image, mask)
        return Example(image, mask, np.roll(self.features, (rows, columns), (0, 1)))

    def over(self, behind: Example, mask: np.ndarray) -> Example:
        """This one's image and features where its own mask is, those of `behind` elsewhere."""
        features = None
        if self.features is not None and behind.features is not None:
            rows, columns = self.features.shape[:2]
            alpha = resize(self.mask, columns, rows)[..., np.newaxis] / np.float32(255)
            features = _weighted(self.features, behind.features, alpha)
        return Example(blend(self.image, behind.image, self.mask), mask, features)

    def mixed(self, other: Example, share: float) -> Example:
        """With `share` of another one shining through: image, mask and features."""
        features = None
        if self.features is not None and other.features is not None:
            features = _weighted(self.features, other.features, np.float32(1 - share))
        image = _weighted(self.image, other.image, np.float32(1 - share))
        mask = _weighted(self.mask, other.mask, np.float32(1 - share))
        return Example(image, mask, features)


def _weighted(mine: np.ndarray, theirs: np.ndarray, weight: np.ndarray | np.float32) -> np.ndarray:
    """So much of mine and the rest of theirs, both uint8, rounded."""
    return np.rint(mine * weight + theirs * (1 - weight)).astype(np.uint8)


def joined(examples: Sequence[Example], *, axis: int) -> Example:
    """Side by side along an axis: 0 is downwards, 1 to the right."""
    features = [example.features for example in examples if example.features is not None]
    return Example(
        np.concatenate([example.image for example in examples], axis),
        np.concatenate([example.mask for example in examples], axis),
        np.concatenate(features, axis) if features else None,
    )

"""Synthesis of the previous mask for training on single photos.

After Google's mobile video segmentation (Bazarevsky and Tkachenka, 2018): the
truth itself is never shown. The network sees an empty mask (first frame), an
affine-warped truth (motion), or a wrong mask (a ghost), so that it uses a good
mask and recovers from a bad one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class PreviousMaskConfig:
    """Shares of each kind; what is left of 1.0 is the affine-warped truth alone."""

    empty: float = 0.35
    wrong: float = 0.15
    eroded: float = 0.2
    shift: float = 0.06
    scale: float = 0.08
    rotation: float = 6.0


def previous_mask(
    rng: np.random.Generator, mask: np.ndarray, other: np.ndarray, config: PreviousMaskConfig
) -> np.ndarray:
    """A previous mask for a frame whose truth is `mask`.

    mask, other: uint8 (H, W); `other` is another photo's mask, the wrong one.
    Returns uint8 (H, W), 0 to 255.
    """
    kind = rng.random()
    if kind < config.empty:
        return np.zeros_like(mask)
    if kind < config.empty + config.wrong:
        return other
    moved = affine(rng, mask, config)
    if kind < config.empty + config.wrong + config.eroded:
        size = int(rng.integers(3, max(4, mask.shape[0] // 12)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        moved = (cv2.erode if rng.random() < 0.5 else cv2.dilate)(moved, kernel)
    return moved


def affine(rng: np.random.Generator, mask: np.ndarray, config: PreviousMaskConfig) -> np.ndarray:
    """The mask shifted, scaled and rotated a little, as between two frames."""
    height, width = mask.shape
    scale = 1 + rng.uniform(-1, 1) * config.scale
    angle = rng.uniform(-1, 1) * config.rotation
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-1, 1, 2) * config.shift * np.array([width, height])
    return cv2.warpAffine(mask, matrix, (width, height))

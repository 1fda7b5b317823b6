"""Synthesis of the previous mask for training on single photos.

After Google's mobile video segmentation (Bazarevsky and Tkachenka, 2018): the
truth itself is never shown. The network sees an empty mask (first frame), an
affine-warped or thin-plate-warped truth (motion of the person), the truth with
the image moved away under it (motion of the camera), so that it uses a good
mask; and a stale, an eroded or dilated and a wrong mask, so that it recovers
from a bad one. What it answers itself is fed back where it is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..config_ranges import check_least, check_share
from ..errors import InputError
from .thin_plate import thin_plate_warp

KINDS = ("empty", "wrong", "eroded", "thin_plate", "camera", "stale")


@dataclass(frozen=True)
class PreviousMaskConfig:
    """Shares of each kind; what is left of 1.0 is the affine-warped truth.

    shift: of the size; scale: relative; rotation: in degrees; each the largest
    motion between two frames. stale masks have moved `stale_factor` times as far.
    own: share of all examples whose mask, of whatever kind, is replaced by the network's own
    answer to the frame before, the last of 1 to `own_frames` (see `training.feedback`).
    """

    empty: float = 0.35
    wrong: float = 0.1
    eroded: float = 0.1
    thin_plate: float = 0.12
    camera: float = 0.1
    stale: float = 0.05
    shift: float = 0.06
    scale: float = 0.08
    rotation: float = 6.0
    stale_factor: float = 4.0
    own: float = 0.0
    own_frames: int = 5

    def __post_init__(self) -> None:
        check_share(self, *KINDS, "scale", "own")
        check_least(self, 1, "own_frames")
        check_least(self, 0, "shift", "rotation", "stale_factor")
        # Shares such as 0.7 and 0.3 need not add up to 1 to the last bit.
        if (total := sum(getattr(self, name) for name in KINDS)) > 1 + 1e-9:
            raise InputError(f"{', '.join(KINDS)}: got {total:g} in total, expected 1 or less")

    def kind(self, draw: float) -> str:
        """The kind for a number drawn uniformly from [0, 1)."""
        for name in KINDS:
            draw -= getattr(self, name)
            if draw < 0:
                return name
        return "affine"


def previous_mask(
    rng: np.random.Generator,
    mask: np.ndarray,
    other: np.ndarray,
    config: PreviousMaskConfig,
    kind: str,
) -> np.ndarray:
    """A previous mask of a `kind` for a frame whose truth is `mask`.

    mask, other: uint8 (H, W); `other` is another photo's mask, the wrong one.
    For "camera" the caller moves the image and its truth with `motion`; the mask stays.
    Returns uint8 (H, W), 0 to 255.
    """
    if kind == "empty":
        return np.zeros_like(mask)
    if kind == "wrong":
        return other
    if kind == "camera":
        return mask
    if kind == "thin_plate":
        return bent(rng, mask, config)
    moved = affine(rng, mask, config, factor=config.stale_factor if kind == "stale" else 1.0)
    return resized_outline(rng, moved) if kind == "eroded" else moved


def motion(
    rng: np.random.Generator,
    shape: tuple[int, int],
    config: PreviousMaskConfig,
    *,
    factor: float = 1.0,
) -> np.ndarray:
    """Affine 2x3 of a motion between two frames of `shape` (height, width)."""
    height, width = shape
    scale = 1 + rng.uniform(-1, 1) * config.scale
    angle = rng.uniform(-1, 1) * config.rotation
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-1, 1, 2) * config.shift * factor * np.array([width, height])
    return matrix


def affine(
    rng: np.random.Generator, mask: np.ndarray, config: PreviousMaskConfig, *, factor: float = 1.0
) -> np.ndarray:
    """The mask shifted, scaled and rotated a little, as between two frames."""
    height, width = mask.shape
    return cv2.warpAffine(mask, motion(rng, mask.shape, config, factor=factor), (width, height))


def bent(rng: np.random.Generator, mask: np.ndarray, config: PreviousMaskConfig) -> np.ndarray:
    """The mask bent by a thin-plate spline whose 3x3 points move by up to `shift` of the size."""
    height, width = mask.shape
    fractions = np.array([0.15, 0.5, 0.85])
    points = np.stack(np.meshgrid(fractions * width, fractions * height), axis=-1).reshape(-1, 2)
    moved = points + rng.uniform(-1, 1, points.shape) * config.shift * np.array([width, height])
    return thin_plate_warp(mask, points, moved)


def resized_outline(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """The mask eroded or dilated by up to a 24th of its height."""
    size = int(rng.integers(3, max(4, mask.shape[0] // 12)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return (cv2.erode if rng.random() < 0.5 else cv2.dilate)(mask, kernel)

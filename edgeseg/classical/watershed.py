"""Edges and watershed: the gradient is flooded from markers (Meyer 1992)."""

from __future__ import annotations

import cv2
import numpy as np

from .regions import border, small_copy, to_size

SIDE = 256
BACKGROUND, FOREGROUND = 1, 2
# The marker of the foreground: an upright ellipse in the lower middle of the picture.
CENTRE = (0.5, 0.6)
RADII = (0.10, 0.25)


def edges(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> uint8 (H, W): strength of the edges after smoothing, 255 the most."""
    smooth = cv2.bilateralFilter(image, 7, 40, 7)
    lab = cv2.cvtColor(smooth, cv2.COLOR_BGR2LAB).astype(np.float32)
    across, down = cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)
    strength = np.sqrt((across**2 + down**2).sum(axis=-1))
    return (255 * strength / max(float(strength.max()), 1e-6)).astype(np.uint8)


def markers(height: int, width: int) -> np.ndarray:
    """int32 (height, width): seeds on the border and in the middle, 0 where flooding decides."""
    # OpenCV overwrites the outermost pixels: the seeds have to be wider than one.
    seeds = np.where(border((height, width), wide=4), BACKGROUND, 0).astype(np.int32)
    centre = (round(CENTRE[0] * width), round(CENTRE[1] * height))
    radii = (max(1, round(RADII[0] * width)), max(1, round(RADII[1] * height)))
    cv2.ellipse(seeds, centre, radii, 0, 0, 360, FOREGROUND, -1)
    return seeds


def segment(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> bool (H, W): the basin of the marker in the middle."""
    small = small_copy(image, SIDE)
    seeds = markers(*small.shape[:2])
    cv2.watershed(cv2.cvtColor(edges(small), cv2.COLOR_GRAY2BGR), seeds)
    return to_size(seeds == FOREGROUND, image)

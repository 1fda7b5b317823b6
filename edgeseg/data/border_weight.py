"""U-Net's border-weighted loss map: touching objects stay apart (Ronneberger 2015, equation 2)."""

from __future__ import annotations

import cv2
import numpy as np


def border_weight(
    labels: np.ndarray, *, foreground: int, strength: float = 10.0, sigma: float = 5.0
) -> np.ndarray:
    """w(x) = w_c(x) + strength * exp(-(d1(x) + d2(x))^2 / (2 sigma^2)), on the background.

    labels: uint8 (H, W) of class ids. foreground: id of the objects; connected
        components of it are the objects that are to be kept apart.
    strength, sigma: w0 and sigma of the paper, sigma in pixels.
    d1 and d2 are the distances to the nearest and the second nearest object, and
    w_c balances the classes: each has the same weight in total.

    Returns float32 (H, W) whose class part has the mean 1.
    """
    objects = (labels == foreground).astype(np.uint8)
    weight = _balance(objects)
    nearest, second = two_nearest(objects)
    border = strength * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return (weight + border * (objects == 0)).astype(np.float32)


def _balance(objects: np.ndarray) -> np.ndarray:
    share = float(objects.mean())
    if share in (0.0, 1.0):
        return np.ones(objects.shape, np.float32)
    return np.where(objects > 0, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)


def two_nearest(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances in pixels to the nearest and the second nearest object; infinity without one.

    objects: uint8 (H, W), non-zero on objects. Returns two float32 (H, W).
    """
    count, components = cv2.connectedComponents(objects, connectivity=4)
    nearest = np.full(objects.shape, np.inf, np.float32)
    second = nearest.copy()
    for index in range(1, count):
        distance = cv2.distanceTransform(
            (components != index).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )
        second = np.minimum(second, np.maximum(nearest, distance))
        nearest = np.minimum(nearest, distance)
    return nearest, second

"""k-means clustering of pixels by colour and position (Lloyd 1982; seeding of Arthur 2007)."""

from __future__ import annotations

import cv2
import numpy as np

from .regions import foreground_of, small_copy, to_size

SIDE = 160
# How much a way across the whole picture counts, against 100 steps of lightness.
POSITION_WEIGHT = 60.0
# Of these starts the tightest clusters are taken.
ATTEMPTS = 3


def cluster(image: np.ndarray, *, clusters: int = 6, seed: int = 0) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> int32 (H, W), the number of each pixel's cluster.

    Colour is CIE Lab, in which distances follow what the eye sees.
    """
    height, width = image.shape[:2]
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    if height * width == 1:
        # OpenCV would take the one point for five points of one number.
        return np.zeros((1, 1), np.int32)
    rows, columns = np.mgrid[:height, :width] / max(height, width) * POSITION_WEIGHT
    points = np.dstack([lab, rows, columns]).reshape(-1, 5).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(seed)
    labels: np.ndarray = np.zeros((len(points), 1), np.int32)
    _, labels, _ = cv2.kmeans(
        points, min(clusters, len(points)), labels, stop, ATTEMPTS, cv2.KMEANS_PP_CENTERS
    )
    return labels.reshape(height, width)


def segment(image: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> bool (H, W): the clusters in the middle, off the border."""
    return to_size(foreground_of(cluster(small_copy(image, SIDE))), image)

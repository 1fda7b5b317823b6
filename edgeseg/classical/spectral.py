"""Spectral clustering: normalized cuts of a graph of superpixels (Shi and Malik 2000)."""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import require
from .regions import foreground_of, small_copy, to_size

SIDE = 160
# Similarity falls to 1/e at this distance in Lab, and at this share of the picture.
COLOUR_SCALE = 12.0
POSITION_SCALE = 0.25


def superpixels(image: np.ndarray, *, count: int = 200) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> int (H, W): SLIC superpixels (Achanta et al. 2012), from 0."""
    segmentation = require("skimage.segmentation", extra="benchmark")
    rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return segmentation.slic(rgb, n_segments=count, compactness=10, start_label=0)


def affinity(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 (n, n) in (0, 1]: how alike superpixels are in mean colour and position."""
    height, width = labels.shape
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    values = np.dstack([lab / COLOUR_SCALE, rows / POSITION_SCALE, columns / POSITION_SCALE])
    area = np.maximum(np.bincount(labels.ravel()), 1)
    means = np.stack(
        [np.bincount(labels.ravel(), weights=v.ravel()) / area for v in np.moveaxis(values, 2, 0)],
        axis=1,
    )
    squares = ((means[:, None] - means[None]) ** 2).sum(axis=-1)
    return np.exp(-squares)


def segment(image: np.ndarray, *, parts: int = 5) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> bool (H, W): the parts of the cut in the middle, off the border."""
    cluster = require("sklearn.cluster", extra="benchmark")
    small = small_copy(image, SIDE)
    labels = superpixels(small)
    if labels.max() < parts:
        return np.zeros(image.shape[:2], bool)
    cut = cluster.spectral_clustering(
        affinity(small, labels), n_clusters=parts, random_state=0, assign_labels="cluster_qr"
    )
    return to_size(foreground_of(cut[labels]), image)

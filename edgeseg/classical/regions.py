"""What the classical methods share: a small working copy, and the guess which regions are meant."""

from __future__ import annotations

import cv2
import numpy as np

from ..preprocess import check_frame, resize

# A region is called background where it holds more than its share of the border.
BORDER_SHARE = 1.0
# And foreground only where it holds this many times its share of the middle. Chosen on 50
# training photos: without it, half of what is no person was called one.
CENTRE_SHARE = 1.2
# Of the middle: left to right and top to bottom, as shares of the picture.
CENTRE = (0.5, 0.6)
SPREAD = (0.25, 0.4)


def small_copy(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 BGR image with its longer side at most `side` pixels; InputError for a bad one."""
    check_frame(image)
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def to_size(mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    """bool mask (h, w) at the size of `image`, bool (H, W)."""
    height, width = image.shape[:2]
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def border(shape: tuple[int, int], *, wide: int = 1) -> np.ndarray:
    """bool (H, W): the pixels within `wide` of the left, upper and right edge.

    The lower edge is left out: a person in front of a camera is cut off there.
    """
    edge = np.zeros(shape, bool)
    edge[:wide, :] = edge[:, :wide] = edge[:, -wide:] = True
    return edge


def centre_prior(shape: tuple[int, int]) -> np.ndarray:
    """float64 (H, W), sum 1: an upright bell over the lower middle, where people mostly are."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = (columns / shape[1] - CENTRE[0]) / SPREAD[0]
    down = (rows / shape[0] - CENTRE[1]) / SPREAD[1]
    bell = np.exp(-(across**2 + down**2) / 2)
    return bell / bell.sum()


def foreground_of(labels: np.ndarray) -> np.ndarray:
    """bool (H, W): the regions that are called foreground.

    Those that hold less of the border, and clearly more of the middle, than of the
    picture. labels: int (H, W), region numbers from 0.
    """
    count = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=count) / labels.size
    edge = labels[border(labels.shape)]
    touching = np.bincount(edge, minlength=count) / edge.size
    prior = centre_prior(labels.shape).ravel()
    central = np.bincount(labels.ravel(), weights=prior, minlength=count)
    return ((touching < BORDER_SHARE * area) & (central > CENTRE_SHARE * area))[labels]

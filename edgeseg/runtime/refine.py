"""From the network's small mask to the frame's size: blobs removed, edges drawn by the frame.

Edges come from a fast guided filter (He and Sun 2015) with the frame's grey as
guide: coefficients at the mask's resolution, applied at half the frame's.
"""

from __future__ import annotations

import cv2
import numpy as np

# Hysteresis: a region of scores above LOW stays where one score in it is above HIGH.
LOW, HIGH = 0.35, 0.65
# A region smaller than this share of the picture goes, unless it was there a frame ago:
# then it may shrink to half of that, so that nothing blinks around the limit.
SMALLEST = 0.002
# The guided filter at mask resolution: radius in pixels, and how much grey variance, of
# 255 squared, is texture and no edge.
RADIUS = 3
EPSILON = 15.0**2


class BlobFilter:
    """Removes weak and small regions. Any number of people stays: there is no "largest one"."""

    def __init__(self) -> None:
        self._kept: np.ndarray | None = None

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """float32 (h, w) in [0, 1] -> the same with regions that are no object set to 0."""
        count, regions, stats, _ = cv2.connectedComponentsWithStats(
            (mask > LOW).view(np.uint8), connectivity=8
        )
        if count == 1:
            self._kept = None
            return mask
        areas = stats[:, cv2.CC_STAT_AREA]
        strong = np.zeros(count, bool)
        strong[np.unique(regions[mask > HIGH])] = True
        known = np.zeros(count, bool)
        if self._kept is not None and self._kept.shape == mask.shape:
            known[np.unique(regions[self._kept])] = True
        keep = strong & (areas >= np.where(known, SMALLEST / 2, SMALLEST) * mask.size)
        keep[0] = False
        if keep[1:].all():
            self._kept = regions > 0
            return mask
        self._kept = keep[regions]
        # The soft rim of what stays lies outside its region: a few pixels around it stay too.
        near = cv2.dilate(self._kept.view(np.uint8), np.ones((7, 7), np.uint8))
        return mask * near

    def reset(self) -> None:
        """Forget the frame before."""
        self._kept = None


def halved(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What `guided` takes as its guide: the frame at half its size, or at the mask's if larger.

    frame: uint8 (H, W, 3) BGR. mask: (h, w). Returns uint8 (H', W', 3) BGR.
    """
    height, width = mask.shape
    size = (max(width, (frame.shape[1] + 1) // 2), max(height, (frame.shape[0] + 1) // 2))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def guided(mask: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Sharpen a small mask along the edges of a larger picture.

    mask: float32 (h, w) in [0, 1]. picture: uint8 (H, W, 3) BGR of `halved`.
    Returns float32 (H, W) in [0, 1].
    """
    height, width = mask.shape
    size = (picture.shape[1], picture.shape[0])
    guide = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    low = cv2.resize(guide, (width, height), interpolation=cv2.INTER_LINEAR)
    slope, offset = _coefficients(low, mask)
    slope = cv2.resize(slope, size, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR)
    cv2.multiply(slope, guide, dst=slope)
    cv2.add(slope, offset, dst=slope)
    return np.clip(slope, 0, 1, out=slope)


def _coefficients(guide: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and offset of mask = slope * guide + offset, least squares in each window."""
    size = (2 * RADIUS + 1,) * 2
    mean_guide, mean_mask = cv2.blur(guide, size), cv2.blur(mask, size)
    variance = cv2.blur(guide * guide, size) - mean_guide * mean_guide
    covariance = cv2.blur(guide * mask, size) - mean_guide * mean_mask
    slope = covariance / (variance + np.float32(EPSILON))
    offset = mean_mask - slope * mean_guide
    return cv2.blur(slope, size), cv2.blur(offset, size)

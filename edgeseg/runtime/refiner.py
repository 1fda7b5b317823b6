"""From scores of a frame to its mask as effects want it: cleaned, and sharp where people end."""

from __future__ import annotations

import cv2
import numpy as np

from .refine import BlobFilter, guided, halved
from .segmentation import Segmentation, class_map, foreground


class Refiner:
    """Removes specks from one mask after another and draws edges along the frame's.

    binary: whether the scores are of one class; with several, neither is done.
    refine: whether to draw edges.
    """

    def __init__(self, *, binary: bool, refine: bool) -> None:
        self._binary = binary
        self._guides = refine and binary
        self._blobs = BlobFilter()

    def refined(self, scores: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Scores float32 (h, w, classes) of a frame uint8 (H, W, 3) BGR -> its foreground.

        float32 in [0, 1], at the frame's size or less.
        """
        mask = self._cleaned(scores)
        return guided(mask, halved(frame, mask)) if self._guides else mask

    def segmentation(self, scores: np.ndarray, frame: np.ndarray) -> Segmentation:
        """The same as effects want it, and with the classes where there are several."""
        size = (frame.shape[1], frame.shape[0])
        mask, small = self._cleaned(scores), None
        if self._guides:
            small = halved(frame, mask)
            mask = guided(mask, small)
            # A frame smaller than twice the network's mask is not shrunk to half.
            half = ((size[1] + 1) // 2, (size[0] + 1) // 2)
            small = small if small.shape[:2] == half else None
        coarse = cv2.convertScaleAbs(mask, alpha=255)
        classes = None if self._binary else class_map(scores, size)
        return Segmentation(coarse, size, classes, small)

    def reset(self) -> None:
        """Forget which specks were there before."""
        self._blobs.reset()

    def _cleaned(self, scores: np.ndarray) -> np.ndarray:
        mask = foreground(scores)
        return self._blobs(mask) if self._binary else mask

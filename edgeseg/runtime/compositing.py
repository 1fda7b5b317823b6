"""Two pictures and a mask into one, on uint8 and without new memory for every frame."""

from __future__ import annotations

import cv2
import numpy as np


class Compositor:
    """Blends pictures of one size; keeps its buffers, for fresh memory costs more than the sums.

    Only the rectangle around the mask is computed, the rest is copied. Measured at
    1280x720 on one thread: 1.5 ms for a mask that fills the frame, 1.05 ms for one of
    half its width; with fresh memory or cv2.blendLinear it is three times as much.
    """

    def __init__(self) -> None:
        self._mask = np.empty((0, 0, 3), np.uint8)
        self._over = self._under = self._mask

    def blend(self, over: np.ndarray, under: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """over * mask + under * (255 - mask), over 255.

        over, under: uint8 (H, W, 3). mask: uint8 (H, W). The result is valid until
        the next call.
        """
        if self._mask.shape != over.shape:
            self._mask = np.empty(over.shape, np.uint8)
            self._over = np.empty(over.shape, np.uint8)
            self._under = np.empty(over.shape, np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        rows = slice(top, top + height)
        inside = (rows, slice(left, left + width))
        result, weight, behind = self._over, self._mask[inside], self._under[inside]
        for around in (
            (slice(0, top), slice(None)),
            (slice(top + height, None), slice(None)),
            (rows, slice(0, left)),
            (rows, slice(left + width, None)),
        ):
            result[around] = under[around]
        if width:
            cv2.merge([mask[inside]] * 3, weight)
            cv2.multiply(over[inside], weight, result[inside], 1 / 255)
            cv2.bitwise_not(weight, weight)
            cv2.multiply(under[inside], weight, behind, 1 / 255)
            cv2.add(result[inside], behind, dst=result[inside])
        return result


# The soft rim of a mask is half background: it is drawn in a little, so that no seam of
# the old background surrounds the object. 0 below 25 %, 255 above 85 %, smooth between.
_x = np.clip((np.arange(256) / 255 - 0.25) / 0.6, 0, 1)
_TIGHTER = np.rint(255 * _x * _x * (3 - 2 * _x)).astype(np.uint8)


def tighten(mask: np.ndarray) -> np.ndarray:
    """uint8 (H, W) -> uint8 (H, W) with its soft rim drawn in."""
    return cv2.LUT(mask, _TIGHTER)

"""GrabCut: colour models of both sides and a graph cut between them (Rother et al. 2004)."""

from __future__ import annotations

import cv2
import numpy as np

from .regions import small_copy, to_size

SIDE = 256
# Where people are in most photos: left, top, right, bottom as shares of the picture.
CENTRAL_BOX = (0.15, 0.05, 0.85, 1.0)
Box = tuple[float, float, float, float]


def segment(image: np.ndarray, *, box: Box = CENTRAL_BOX, rounds: int = 3) -> np.ndarray:
    """uint8 (H, W, 3) BGR -> bool (H, W): what stands out inside the box.

    box: left, top, right, bottom as shares of the picture; outside is background.
    """
    small = small_copy(image, SIDE)
    height, width = small.shape[:2]
    left, top, right, bottom = (
        round(share * size) for share, size in zip(box, (width, height) * 2)
    )
    state = np.full((height, width), cv2.GC_BGD, np.uint8)
    state[top:bottom, left:right] = cv2.GC_PR_FGD
    # Both colour models need pixels: a picture too small for that has no foreground.
    if not 0 < np.count_nonzero(state) < state.size:
        return np.zeros(image.shape[:2], bool)
    outside, inside = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    # With a mask, the rectangle is not looked at.
    cv2.grabCut(small, state, (0, 0, 1, 1), outside, inside, rounds, cv2.GC_INIT_WITH_MASK)
    return to_size((state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD), image)

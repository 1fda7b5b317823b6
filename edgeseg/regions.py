"""Connected regions of a mask."""

from __future__ import annotations

import cv2
import numpy as np


def largest_region(inside: np.ndarray) -> np.ndarray | None:
    """The connected region with the most pixels, bool (H, W), as `inside`; None where it is empty.

    Pixels that meet at a corner are connected. Of equally large ones the first, row by row.
    """
    count, regions, boxes, _ = cv2.connectedComponentsWithStats(inside.view(np.uint8))
    if count < 2:
        return None
    return regions == 1 + int(np.argmax(boxes[1:, cv2.CC_STAT_AREA]))

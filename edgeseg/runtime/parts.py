"""Pictures of a shape so far from the network's that it is to look at them part by part."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .region import Region

# Pictures of up to so many times as wide as high, or as high as wide, are seen whole: photos that
# networks are trained on are squeezed into their input as well, so that it is the picture's shape
# that counts, not how far it is from the network's (measured, see the model card).
MOST = 2.0
# So many times narrower, or flatter, than life the network sees a part.
STRETCH = 4 / 3
# Pictures of more than so many parts' lengths are squeezed again: a strip must not take for ever.
LONGEST = 8


def parts_of(width: int, height: int, *, aspect: float, cells: tuple[int, int]) -> list[Region]:
    """The parts that a picture of this size is to be looked at in; none where it may be whole.

    aspect: width over height of the network's input. cells: width and height of its mask, on whose
    cells the parts lie. They overlap by half: somebody between two of them is in a third.
    """
    shape = width / height
    squeeze = shape / aspect
    wide = shape > MOST and squeeze > STRETCH
    if not wide and not (shape < 1 / MOST and squeeze < 1 / STRETCH):
        return []
    mask = cells[0] if wide else cells[1]
    whole = min(int(mask / STRETCH * max(squeeze, 1 / squeeze)), LONGEST * mask)
    count = 1 + math.ceil(2 * (whole - mask) / mask)
    begins = (np.linspace(0, whole - mask, count).round() / whole).tolist()
    if wide:
        return [Region(begin, 0.0, mask / whole, 1.0) for begin in begins]
    return [Region(0.0, begin, 1.0, mask / whole) for begin in begins]


def joined(
    scores: Sequence[np.ndarray], parts: Sequence[Region], size: tuple[int, int]
) -> np.ndarray:
    """Scores of the parts, float32 (h, w, classes) each -> of the whole, at (width, height).

    Where parts overlap, what one says counts the more the further it is from the part's ends,
    where half of somebody is seen.
    """
    height, width, _ = scores[0].shape
    weight = np.ones((height, width, 1), np.float32)
    if parts[0].width < 1:
        weight *= _fade(width)[np.newaxis, :, np.newaxis]
    if parts[0].height < 1:
        weight *= _fade(height)[:, np.newaxis, np.newaxis]
    total = np.sum([part.placed(weight * one) for part, one in zip(parts, scores)], axis=0)
    whole = total / np.sum([part.placed(weight) for part in parts], axis=0)
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)


def _fade(count: int) -> np.ndarray:
    """From little at both ends to 1 in the middle, float32 (count,)."""
    places = (np.arange(count, dtype=np.float32) + 0.5) * 2 / count
    return np.minimum(places, 2 - places)

"""Clothes without whoever wears them, out of photos of people who stand: for `augment.cutouts`.

A coat over a chair is nobody, but where the clothes of the training photos are worn, a coat is
all it takes. So what people wear between neck and hips is cut out, without heads, hands and legs.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..regions import largest_region

# Who stands upright and is shown whole: their height is so many times their width, and pixels.
UPRIGHT, TALL = 1.6, 150
# Of a body's height from the top: the head, where the neck ends, and where it does if that is
# not seen (the first row that is so many times as wide as the head).
HEAD = (0.03, 0.10)
FACE = (0.04, 0.12)
NECK = (0.12, 0.24)
NO_NECK, SHOULDERS = 0.18, 1.75
HEM = (0.42, 0.6)  # where they are cut off below, on a line that bends by up to
BENDS = 0.05
# Cr and Cb of skin, a little redder than Chai and Ngan 1999 have it: beige coats shall stay.
SKIN_RED, SKIN_BLUE = (138, 178), (85, 125)
FACE_LEAST = 30  # pixels
OPENED, CLOSED = 7, 5  # pixels; of hands and straps, and of gaps
LEAST = 0.03  # of the photo
LEFT = 0.45  # of the body between neck and hem; less is a piece of something


def clothes_of(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """What somebody wears between neck and hips, uint8 (H, W) from 0 to 255 with a soft border.

    image: uint8 (H, W, 3) BGR. mask: uint8 (H, W) of people, of whom the largest is taken.
    None where nobody stands there upright and whole, or too little is left.
    """
    body = largest_region(mask > 127)
    if body is None:
        return None
    left, top, width, height = cv2.boundingRect(body.view(np.uint8))
    if height < UPRIGHT * width or height < TALL:
        return None

    def row(share: float) -> int:
        return top + int(share * height)

    hem = row(rng.uniform(*HEM))
    columns = np.arange(mask.shape[1])
    depth, length, phase = rng.uniform(0, BENDS), rng.uniform(8, 25), rng.uniform(0, 6)
    bent = (hem - depth * height * (1 + np.sin(columns / length + phase))).astype(int)
    neck = _neck(body.sum(axis=1), row) + int(0.01 * height)
    if body[row(FACE[0]) : row(FACE[1])].sum() < FACE_LEAST:
        return None
    worn = body & ~_skin(image)
    worn[:neck] = False
    worn &= np.arange(mask.shape[0])[:, np.newaxis] < bent
    opened = cv2.morphologyEx(worn.view(np.uint8), cv2.MORPH_OPEN, np.ones((OPENED, OPENED)))
    alone = largest_region(opened > 0)
    if alone is None:
        return None
    clothes = cv2.morphologyEx(alone.view(np.uint8), cv2.MORPH_CLOSE, np.ones((CLOSED, CLOSED)))
    if clothes.mean() < LEAST or clothes.sum() < LEFT * body[neck:hem].sum():
        return None
    return cv2.GaussianBlur(clothes * np.uint8(255), (0, 0), 0.8)


def _neck(widths: np.ndarray, row: Callable[[float], int]) -> int:
    """The first row below the head that is as wide as shoulders.

    widths: pixels of the body in each row. row: which one is so far down the body.
    """
    head = np.median(widths[row(HEAD[0]) : row(HEAD[1])])
    shoulders = np.flatnonzero(widths[row(NECK[0]) : row(NECK[1])] > SHOULDERS * head)
    return row(NECK[0]) + int(shoulders[0]) if shoulders.size else row(NO_NECK)


def _skin(image: np.ndarray) -> np.ndarray:
    """Whether each pixel or one beside it has the colour of skin."""
    colours = cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1), cv2.COLOR_BGR2YCrCb)
    red, blue = colours[..., 1], colours[..., 2]
    skin = (red > SKIN_RED[0]) & (red < SKIN_RED[1]) & (blue > SKIN_BLUE[0]) & (blue < SKIN_BLUE[1])
    return cv2.dilate(skin.view(np.uint8), np.ones((3, 3))).astype(bool)

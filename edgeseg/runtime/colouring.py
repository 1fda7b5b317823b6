"""The effects that show the mask itself: in grey or the classes' colours, or over the frame."""

from __future__ import annotations

import cv2
import numpy as np

from ..spec import ModelSpec
from .compositing import Compositor
from .effect import Plain
from .segmentation import Segmentation
from .window import draw_text

# Strength of the overlay's colour.
OVERLAY_SHARE = 0.45


class MaskPicture(Plain):
    """The mask in grey, or the classes in the palette's colours."""

    hides = True
    uses_mask = True

    def __init__(self, spec: ModelSpec) -> None:
        self._palette = _palette(spec)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        if answer.classes is not None:
            return colourise(answer.classes, self._palette)
        return cv2.cvtColor(answer.mask, cv2.COLOR_GRAY2BGR)

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        return np.zeros(frame.shape, np.uint8)


class Overlay(Plain):
    """The frame with the segmented parts coloured, and a legend where there are classes."""

    uses_mask = True

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._palette = _palette(spec)
        self._compositor = Compositor()
        self._colour = np.empty((0, 0, 3), np.uint8)

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        if answer.classes is None:
            if self._colour.shape != frame.shape:
                self._colour = np.empty_like(frame)
                self._colour[:] = self._palette[0]
            weight = cv2.convertScaleAbs(answer.mask, alpha=OVERLAY_SHARE)
            return self._compositor.blend(self._colour, frame, weight)
        picture = cv2.addWeighted(
            colourise(answer.classes, self._palette), OVERLAY_SHARE, frame, 1 - OVERLAY_SHARE, 0
        )
        present = np.flatnonzero(np.bincount(answer.classes.ravel(), minlength=len(self._palette)))
        draw_legend(picture, [(self._spec.labels[i], self._palette[i]) for i in present])
        return picture


def colourise(classes: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """uint8 (H, W) label numbers -> uint8 (H, W, 3) BGR."""
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(palette)] = palette
    return cv2.LUT(cv2.merge([classes] * 3), table)


def draw_legend(picture: np.ndarray, entries: list[tuple[str, np.ndarray]]) -> None:
    """Write the labels with their colours into the upper left corner, in place."""
    scale = max(0.4, picture.shape[0] / 1200)
    line = int(34 * scale)
    for row, (label, colour) in enumerate(entries):
        top = 4 + row * line
        cv2.rectangle(picture, (4, top), (4 + line, top + line - 4), colour.tolist(), cv2.FILLED)
        where = (10 + line, top + line - int(12 * scale))
        draw_text(picture, label, where, scale)


def _palette(spec: ModelSpec) -> np.ndarray:
    """uint8 (labels, 3) BGR; a spec has red, green, blue."""
    return np.array(spec.palette, np.uint8)[:, ::-1]

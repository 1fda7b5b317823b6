"""What the pipeline asks of an effect, and the one that does nothing."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .segmentation import Segmentation

# Shown in place of a frame that must not be seen.
HIDDEN_GREY = 48


class Effect(Protocol):
    """What the pipeline asks of an effect."""

    # True where nobody may see what is behind the segmented object.
    hides: bool
    # False where the mask is not looked at, so that it need not be refined.
    uses_mask: bool

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """uint8 (H, W, 3) BGR and its segmentation -> uint8 (H, W, 3) BGR or (H, W, 4) BGRA."""

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """A picture of the frame's size that shows nothing of it."""


class Plain:
    """The frame as it is; the others derive from it."""

    hides = False
    uses_mask = False

    def apply(self, frame: np.ndarray, answer: Segmentation) -> np.ndarray:
        """See Effect."""
        return frame

    def hidden(self, frame: np.ndarray) -> np.ndarray:
        """See Effect."""
        return np.full(frame.shape, HIDDEN_GREY, np.uint8)

"""Input, mask and result of one frame beside each other: what a stream did, at a glance."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .segmentation import Segmentation
from .sinks import write_image


class SideBySide:
    """A pipeline's observer that keeps one frame: number `wanted`, or the last before it."""

    def __init__(self, *, wanted: int) -> None:
        self._wanted = wanted
        self._picture: np.ndarray | None = None

    def __call__(
        self, number: int, frame: np.ndarray, answer: Segmentation, picture: np.ndarray
    ) -> None:
        """See pipeline.Observer."""
        # Copying every frame would cost: one in eight until the wanted one is enough.
        if number > self._wanted or (number % 8 and number != self._wanted):
            return
        mask = cv2.cvtColor(answer.mask, cv2.COLOR_GRAY2BGR)
        self._picture = np.hstack([frame, mask, picture[..., :3]])

    def write(self, path: Path) -> None:
        """Write the PNG; nothing where no frame was shown."""
        if self._picture is not None:
            write_image(path, self._picture)

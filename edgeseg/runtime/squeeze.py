"""Frames of a shape so far from the network's that people in them are lost."""

from __future__ import annotations

import logging
import math

from ..spec import ModelSpec

log = logging.getLogger("edgeseg")
# How many times narrower than life the network may see people: what is measured of whole bodies in
# wide frames that are seen whole is in the model card.
MOST = 2.25


class Squeeze:
    """Says once that frames are too wide, or too high, for a model."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._told = False

    def check(self, width: int, height: int) -> None:
        """Warn of frames of this size, unless it has been done."""
        shape = (width / height) / (self._spec.width / self._spec.height)
        if self._told or 1 / MOST <= shape <= MOST:
            return
        self._told = True
        squeezed = max(shape, 1 / shape)
        log.warning(
            "frames of %dx%d are squeezed %.1f times for %s, which sees %dx%d: people in them may "
            "be missed; cut them into %d parts %s, or take a model of their shape",
            width,
            height,
            squeezed,
            self._spec.name,
            self._spec.width,
            self._spec.height,
            math.ceil(squeezed / MOST),
            "side by side" if shape > 1 else "one above the other",
        )

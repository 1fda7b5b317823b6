"""Segmentation without a network: what it can do, and where it ends.

Every method is `segment(image)`: uint8 (H, W, 3) BGR -> bool (H, W), the
foreground. None knows what a person is; they find what differs in colour from
the picture's border, or what has edges around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import grabcut, kmeans, spectral, watershed


@dataclass(frozen=True)
class Method:
    """A classical method. note: what it assumes, one line for a report."""

    segment: Callable[[np.ndarray], np.ndarray]
    note: str


METHODS: dict[str, Method] = {
    "kmeans": Method(
        kmeans.segment,
        "clusters of colour and position; foreground is in the middle, off the border",
    ),
    "watershed": Method(
        watershed.segment, "flooding of the gradient from the centre and from the border"
    ),
    "grabcut": Method(
        grabcut.segment, "colour models and a graph cut, started from a fixed central box"
    ),
    "spectral": Method(
        spectral.segment,
        "normalized cut of superpixels; foreground is in the middle, off the border",
    ),
}

__all__ = ["METHODS", "Method"]

"""A training batch, in eight bits a value until it is used."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ..preprocess import normalise
from ..spec import ModelSpec


@dataclass(frozen=True)
class Batch:
    """What a training step takes; eight bits travel between processes and devices.

    pixels: uint8 (N, h, w, channels) in the model's order, a previous mask last.
    labels: uint8 (N, h', w', 1) of a soft mask, 255 the foreground, or int32 (N, h', w')
        of class ids.
    weight: float32 (N,) per image, or (N, h', w') per pixel.
    names: where each image came from. spec: of the network that takes it.
    features: uint8 (N, h", w", C), a published network's where the pipeline has its maps.
    known: uint8 (N, h', w', 1), how far the labels count more than a teacher's answer: 255 where
        a cut-out of a thing was pasted and is seen; None where a pipeline knows nothing better.
    shift: float32 (N,), added to the log odds that a teacher answers; None for 0 everywhere.
    """

    pixels: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    names: tuple[str, ...]
    spec: ModelSpec
    features: np.ndarray | None = None
    known: np.ndarray | None = None
    shift: np.ndarray | None = None

    @functools.cached_property
    def tensor(self) -> np.ndarray:
        """float32 (N, h, w, channels), the network's input."""
        if not self.spec.previous_mask:
            return normalise(self.pixels, self.spec)
        colour = normalise(self.pixels[..., :-1], self.spec)
        return np.concatenate([colour, self.pixels[..., -1:] / np.float32(255)], axis=-1)

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """float32 (N, h', w', 1) in [0, 1] of a soft mask, or the class ids."""
        if self.labels.dtype != np.uint8:
            return self.labels
        return self.labels / np.float32(255)


def channel_scale(spec: ModelSpec) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset, float32 (channels,), from a batch's pixels to its tensor."""
    previous = spec.channels - len(spec.scale)
    scale = np.asarray([*spec.scale, *[1 / 255] * previous], np.float32)
    return scale, np.asarray([*spec.offset, *[0.0] * previous], np.float32)

"""Frame to stored input tensor by table: the arithmetic of `preprocess`, done once for 0..255.

A pixel has 256 values, so scaling, offset and quantization of a channel are one
table look-up. The result equals quantizing `preprocess.to_tensor`.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..errors import ModelError
from ..preprocess import model_pixels, normalise, resize
from ..spec import ModelSpec
from .interpreter import TensorDetails


class Feeder:
    """Fills the input tensor of one model.

    spec, details: what the model expects; ModelError where the two disagree.
    """

    def __init__(self, spec: ModelSpec, details: TensorDetails) -> None:
        wanted = (1, spec.height, spec.width, spec.channels)
        if details.shape != wanted:
            raise ModelError(
                f"model {spec.name!r}: got an input tensor of {details.shape}, expected {wanted} "
                "(1, height, width, channels) from its spec"
            )
        self._spec = spec
        self._details = details
        levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], spec.colour_channels, axis=1)
        self._table = details.quantize(normalise(levels, spec))[None]

    def pixels(self, frame: np.ndarray) -> np.ndarray:
        """BGR frame (H, W, 3) -> uint8 (height, width, colour channels) as the model sees it."""
        return model_pixels(frame, self._spec)

    def tensor(self, pixels: np.ndarray, previous: np.ndarray | None = None) -> np.ndarray:
        """Stored tensor (1, height, width, channels).

        pixels: of `pixels`. previous: float32 (h, w) in [0, 1] at any size, None for
        the empty mask; ignored where the spec has no previous-mask channel.
        """
        colour = cv2.LUT(pixels, self._table).reshape(
            self._spec.height, self._spec.width, self._spec.colour_channels
        )
        if not self._spec.previous_mask:
            return colour[np.newaxis]
        mask = np.zeros((self._spec.height, self._spec.width), np.float32)
        if previous is not None:
            mask = resize(np.asarray(previous, np.float32), self._spec.width, self._spec.height)
        stored = self._details.quantize(mask)[..., np.newaxis]
        return np.concatenate([colour, stored], axis=-1)[np.newaxis]

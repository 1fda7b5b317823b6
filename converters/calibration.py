"""Calibration: the real tensors from which a quantizer reads the ranges of activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from edgeseg.errors import InputError
from edgeseg.preprocess import sharpened, to_scores, to_tensor
from edgeseg.spec import ModelSpec

Predict = Callable[[np.ndarray], np.ndarray]


def calibration_tensors(
    frames: Sequence[np.ndarray], spec: ModelSpec, predict: Predict
) -> Iterator[np.ndarray]:
    """Input tensors, float32 (1, height, width, channels), one a frame.

    With a previous-mask channel the masks are what a running model sees, in turn:
    none (a first frame), the model's answer to this very frame, and its answer to
    the frame before, which fits badly as after a cut. Photographs and the mask
    share one input scale, so a range calibrated without masks would not hold.
    """
    before: np.ndarray | None = None
    for index, frame in enumerate(frames):
        tensor = to_tensor(frame, spec)
        if spec.previous_mask:
            own = sharpened(foreground(predict(tensor), spec), spec)
            tensor = to_tensor(frame, spec, (None, own, before)[index % 3])
            before = own
        yield tensor


def foreground(output: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Model output (1, h, w, classes) -> float32 (h, w), the mask that is fed back, once sharpened.

    It is the only class of a binary model, else all classes but the first.
    """
    scores = to_scores(output, spec)
    return scores[..., 0] if spec.binary else 1 - scores[..., 0]


def check_frames(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The frames as a list; InputError where there are none."""
    frames = list(frames)
    if not frames:
        raise InputError("calibration frames: got none, expected some real images")
    return frames

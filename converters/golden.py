"""What every converted file carries: its spec and a golden frame, as appended zip entries.

`golden.png` is a small colour photograph and `golden_mask.png` the float model's
answer to it, so that a runtime on any device can check its delegate. At 256x256
all entries cost about 13 KB, which is stated by `size_cost`.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgeseg.preprocess import resize, to_scores, to_tensor
from edgeseg.spec import SPEC_ENTRY, ModelSpec, embed, flatbuffer, read_entries

from .calibration import Predict, foreground

GOLDEN_FRAME = "golden.png"
GOLDEN_MASK = "golden_mask.png"
# The stored frame's longer side: a photograph of this size is about 9 KB as PNG.
GOLDEN_SIDE = 64
# Frames among which the most telling one is looked for.
CANDIDATES = 16


def golden_entries(
    frames: Sequence[np.ndarray], spec: ModelSpec, predict: Predict
) -> dict[str, bytes]:
    """Entries `golden.png` and `golden_mask.png`.

    The frame is stored lossless at most 64 pixels long and never larger than the
    input, and goes through the usual preprocessing, with the empty previous mask.
    Of the first frames the one is taken whose mask has the highest contrast: an
    empty mask would agree with a dead delegate.
    The mask has the output's size, 8 bit grey: 255 times the probability of a
    binary model, the class number with more classes.
    """
    side = min(GOLDEN_SIDE / max(spec.width, spec.height), 1.0)
    size = (max(round(spec.width * side), 1), max(round(spec.height * side), 1))
    small = [resize(frame, *size) for frame in frames[:CANDIDATES]]
    outputs = [predict(to_tensor(frame, spec)) for frame in small]
    best = int(np.argmax([foreground(output, spec).std() for output in outputs]))
    return {
        GOLDEN_FRAME: _png(small[best]),
        GOLDEN_MASK: _png(_grey(to_scores(outputs[best], spec))),
    }


def _grey(scores: np.ndarray) -> np.ndarray:
    if scores.shape[-1] == 1:
        return np.clip(scores[..., 0] * 255, 0, 255).round().astype(np.uint8)
    return scores.argmax(axis=-1).astype(np.uint8)


def _png(image: np.ndarray) -> bytes:
    _, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return encoded.tobytes()


def finish(model: bytes, spec: ModelSpec, golden: dict[str, bytes]) -> bytes:
    """The .tflite with its spec and golden frame embedded; equal arguments, equal bytes."""
    return embed(model, {SPEC_ENTRY: spec.to_json().encode(), **golden})


def size_cost(model: bytes) -> int:
    """Bytes that the appended entries take in a finished .tflite."""
    return len(model) - len(flatbuffer(model)) if read_entries(model) else 0

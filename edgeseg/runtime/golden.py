"""The golden frame: a stored picture and the float model's answer, to check a delegate by."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..preprocess import to_scores, to_tensor
from ..spec import ModelSpec, read_entries
from .interpreter import Interpreter

GOLDEN_FRAME = "golden.png"
GOLDEN_MASK = "golden_mask.png"
# int8 against float differs by under 0.01 on the bundled models; a broken delegate by far more.
MEAN_DIFFERENCE = 0.05
MINIMAL_IOU = 0.9
# With fewer foreground pixels than this an IoU says nothing.
NEARLY_EMPTY = 0.01


@dataclass(frozen=True)
class Golden:
    """frame: uint8 (H, W, 3) BGR. answer: what `answer_of` gives for the trusted model."""

    frame: np.ndarray
    answer: np.ndarray

    @classmethod
    def of(cls, model: bytes, spec: ModelSpec, reference: Interpreter) -> Golden:
        """The golden frame of the model, or the reference's answer to a pattern without one."""
        entries = read_entries(model)
        if GOLDEN_FRAME in entries and GOLDEN_MASK in entries:
            frame = _decode(entries[GOLDEN_FRAME], cv2.IMREAD_COLOR)
            stored = _decode(entries[GOLDEN_MASK], cv2.IMREAD_GRAYSCALE)
            if frame is not None and stored is not None:
                return cls(frame, stored / np.float32(255) if spec.binary else stored)
        frame = _pattern(spec)
        return cls(frame, answer_of(reference, frame, spec))

    def objection(self, interpreter: Interpreter, spec: ModelSpec) -> str | None:
        """Why the interpreter's answer is wrong, or None where it agrees."""
        return disagreement(answer_of(interpreter, self.frame, spec), self.answer)


def answer_of(interpreter: Interpreter, frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """float32 (h, w) mask of a binary model, integer (h, w) class map of another."""
    scores = to_scores(interpreter.run(to_tensor(frame, spec)), spec)
    return scores[..., 0] if spec.binary else scores.argmax(axis=-1)


def disagreement(answer: np.ndarray, truth: np.ndarray) -> str | None:
    """How two answers differ by more than rounding explains; None where they agree."""
    if answer.shape != truth.shape:
        return f"its answer is {answer.shape}, expected {truth.shape}"
    if not np.isfinite(answer).all():
        return "its answer has NaN or infinite values"
    if truth.dtype.kind in "iu":
        share = float((answer == truth).mean())
        return None if share >= MINIMAL_IOU else f"only {share:.0%} of its classes agree"
    difference = float(np.abs(answer - truth).mean())
    if difference > MEAN_DIFFERENCE:
        return f"its mask differs by {difference:.3f} on average, allowed {MEAN_DIFFERENCE}"
    got, wanted = answer > 0.5, truth > 0.5
    if wanted.mean() < NEARLY_EMPTY:
        return None
    iou = float((got & wanted).sum() / (got | wanted).sum())
    return None if iou >= MINIMAL_IOU else f"its mask has IoU {iou:.2f}, expected {MINIMAL_IOU}"


def _decode(png: bytes, flag: int) -> np.ndarray | None:
    return cv2.imdecode(np.frombuffer(png, np.uint8), flag) if png else None


def _pattern(spec: ModelSpec) -> np.ndarray:
    """A smooth coloured picture that is the same on every machine."""
    y, x = np.mgrid[0 : spec.height, 0 : spec.width].astype(np.float32)
    waves = [np.sin(x / (7 + 3 * c)) + np.cos(y / (11 - 2 * c)) for c in range(3)]
    return np.clip(127 + 60 * np.stack(waves, axis=-1), 0, 255).astype(np.uint8)

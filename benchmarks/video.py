"""Accuracy and steadiness on sequences, one frame after the other as a camera gives them.

Our models go through `edgeseg.Segmenter` as a user gets it, with its default
temporal filter and focus, and once more without them. Peers are taken as they are:
their own network, no smoothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeseg import Segmenter
from edgeseg.data.folder import Sample, check_size, read_pairs
from edgeseg.errors import InputError
from edgeseg.metrics import boundary_f, dtssd, flicker, iou, lag, video_consistency
from edgeseg.runtime.segmenter import DEFAULT_TEMPORAL

from .subjects import THRESHOLD, Subject

Tick = Callable[[], None]
DEFAULT, NONE = "default", "none"


@dataclass(frozen=True)
class Clip:
    """A sequence: its name and its frames in order, all with masks."""

    name: str
    frames: list[Sample]

    def truths(self) -> list[np.ndarray]:
        """bool (H, W) of every frame."""
        return [frame.read_mask() > 127 for frame in self.frames]


def read_sequences(folders: Iterable[Path]) -> list[Clip]:
    """Sequences of folders that hold `images/` and `masks/`, or subfolders that do.

    InputError for a folder without either, and for two sequences of one name.
    """
    found: dict[str, Clip] = {}
    for folder in folders:
        roots = [folder] if (folder / "images").is_dir() else sorted(_sequences_in(folder))
        if not roots:
            raise InputError(f"{folder}: got no sequence, expected folders with images/ and masks/")
        for root in roots:
            if root.name in found:
                raise InputError(f"{root}: got a second sequence of that name")
            found[root.name] = Clip(root.name, read_pairs(root, negatives=()))
    return list(found.values())


def _sequences_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if (path / "images").is_dir())


def filters_of(subject: Subject) -> tuple[str, ...]:
    """Which temporal filters a subject is measured with: ours with and without, peers without."""
    return (DEFAULT, NONE) if subject.kind == "model" else (NONE,)


def predict(subject: Subject, temporal: str, frames: Iterable[Sample]) -> Iterator[np.ndarray]:
    """The bool masks of a sequence's frames, in order."""
    if subject.kind != "model" or subject.path is None:
        segment = subject.predictor()
        yield from (segment(frame.read_image()) for frame in frames)
        return
    default = temporal == DEFAULT
    with Segmenter(
        subject.path,
        delegate="cpu",
        temporal=DEFAULT_TEMPORAL if default else temporal,
        focus=default,
        spec=subject.spec,
    ) as segmenter:
        for frame in frames:
            yield segmenter.segment(frame.read_image()) > THRESHOLD


def measure(subject: Subject, sequence: Clip, temporal: str, tick: Tick) -> dict:
    """Measures of one subject on one sequence, with `iou_over_time` and `flicker_over_time`."""
    predictions = []
    for prediction in predict(subject, temporal, sequence.frames):
        predictions.append(prediction)
        tick()
    truths = sequence.truths()
    for frame, prediction, truth in zip(sequence.frames, predictions, truths):
        check_size(truth, prediction, frame.mask)
    return score(predictions, truths)


def score(predictions: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> dict:
    """Means over frames, and the temporal measures. flicker in per mille, lag in frames."""
    ious = [iou(p, t) for p, t in zip(predictions, truths)]
    pairs = [
        flicker(predictions[t - 1 : t + 1], truths[t - 1 : t + 1]) for t in range(1, len(truths))
    ]
    return {
        "frames": len(truths),
        "iou": float(np.mean(ious)),
        "boundary_f": float(np.mean([boundary_f(p, t) for p, t in zip(predictions, truths)])),
        "flicker": flicker(predictions, truths),
        "lag": lag(predictions, truths),
        "dtssd": dtssd([p.astype(np.float32) for p in predictions], truths),
        "vc8": video_consistency(predictions, truths, window=8),
        "iou_over_time": ious,
        "flicker_over_time": pairs,
    }


def mean(sequences: dict[str, dict]) -> dict:
    """Means of the measures over sequences; empty for none."""
    if not sequences:
        return {}
    keys = ("iou", "boundary_f", "flicker", "lag", "dtssd", "vc8")
    return {key: float(np.mean([one[key] for one in sequences.values()])) for key in keys}

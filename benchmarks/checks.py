"""What can be wrong with the files of a run, looked at before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeseg.data.folder import Sample, check_any_foreground
from edgeseg.errors import InputError
from edgeseg.runtime.delegates import EDGETPU_OPERATOR

from .accuracy import subsample
from .plan import Plan
from .subjects import Subject
from .video import Clip

Tick = Callable[[], None]


def check_models(subjects: Sequence[Subject]) -> None:
    """Masks are made on the CPU. InputError for a file that only an Edge TPU can run."""
    for subject in subjects:
        if subject.path is not None and EDGETPU_OPERATOR in subject.path.read_bytes():
            raise InputError(
                f"{subject.path}: got a file compiled for the Edge TPU, expected the one it was "
                "compiled from, or --only speed"
            )


def pairs(
    plan: Plan, subjects: Sequence[Subject], samples: Sequence[Sample], clips: Sequence[Clip]
) -> list[Sample]:
    """The photos and frames that a run compares with their masks, each once."""
    found: dict[str, Sample] = {}
    if plan.wants("accuracy"):
        for limit in {subject.limit or plan.limit for subject in subjects}:
            found |= {sample.name: sample for sample in subsample(samples, limit)}
    frames = [frame for clip in clips for frame in clip.frames] if plan.wants("video") else []
    return [*found.values(), *frames]


def check_pairs(samples: Sequence[Sample], tick: Tick) -> None:
    """Read all; InputError for the first that is unreadable or whose mask has another size.

    And for masks that have no foreground because their values are numbers of classes.
    """
    highest = 0
    for sample in samples:
        _, mask = sample.read_pair()
        highest = max(highest, int(mask.max()))
        tick()
    check_any_foreground(highest)

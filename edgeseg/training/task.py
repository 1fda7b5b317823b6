"""What every task of a training run answers, and what tasks do alike with their samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..data.feature_maps import FeatureMaps
from ..data.folder import Group, Problem, Sample
from ..data.pipeline import Pipeline
from ..errors import InputError
from ..spec import ModelSpec
from .config import StageConfig, TrainConfig
from .validation import Predict

Shown = tuple[np.ndarray, np.ndarray, np.ndarray]


class Task(Protocol):
    """Data, loss and scores of a run.

    config: with what the data decide filled in. problems: files that were found
    missing while listing. classes: number of classes of the labels, None for soft masks.
    """

    config: TrainConfig
    problems: list[Problem]
    classes: int | None
    features: FeatureMaps | None

    def samples(self) -> list[Sample]:
        """Everything that is trained or validated on."""

    def leave_out(self, images: set[Path]) -> None:
        """Go on without these samples."""

    def spec(self, size: tuple[int, int]) -> ModelSpec:
        """The spec of the network at `size` (height, width)."""

    def pipeline(self, stage: StageConfig, model: Any) -> Pipeline:
        """The input pipeline of one stage for this network's output."""

    def loss(self, ops: Any, logits: Any, *targets: Any) -> dict[str, Any]:
        """Named parts from logits and a batch's truth, weight and teacher."""

    def validate(self, predict: Predict, spec: ModelSpec) -> dict[str, float]:
        """Scores by name; "score" is the one by which models are compared, higher is better."""

    def show(self, predict: Predict, spec: ModelSpec, count: int) -> list[Shown]:
        """Some validation images, uint8 BGR, with true and predicted class ids."""


def refuse(config: TrainConfig, wanted: str, given: Mapping[str, bool]) -> None:
    """Raise InputError for the first option that is given to a task that has no use for it."""
    for name, is_given in given.items():
        if is_given:
            raise InputError(f"{config.name}: got {name} {wanted}; leave it out")


def check_apart(config: TrainConfig, trained: Sequence[Sample], held: Sequence[Sample]) -> None:
    """Raise InputError where what validates is trained on as well: its scores would say nothing."""
    images = {sample.image for sample in trained}
    if both := [sample.image for sample in held if sample.image in images]:
        raise InputError(
            f"data.validation: got {config.data.validation!r}, of which {len(both)} of {len(held)} "
            f"images are trained on as well, such as {both[0]}; expected others"
        )


def all_samples(groups: tuple[Group, ...]) -> list[Sample]:
    """The samples of every group, as often as they are in one."""
    return [sample for group in groups for sample in group.samples]


def without(groups: tuple[Group, ...], images: set[Path]) -> tuple[Group, ...]:
    """The groups without these images; InputError for one that has no others."""
    kept = []
    for group in groups:
        samples = tuple(s for s in group.samples if s.image not in images)
        if not samples:
            raise InputError(f"{group.name}: got no good samples left, expected at least one")
        kept.append(dataclasses.replace(group, samples=samples))
    return tuple(kept)


def spread_out(samples: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of them, from the first to the last."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [samples[index] for index in chosen]

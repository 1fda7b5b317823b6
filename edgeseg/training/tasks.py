"""What a run learns: one soft mask, or several classes; the rest of the training is common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..data.class_pipeline import ClassPipeline
from ..data.dataset import Dataset, Labelled
from ..data.feature_maps import FeatureMaps
from ..data.folder import Problem, Sample, read_backgrounds
from ..data.pipeline import Group, Pipeline
from ..data.readers import read_dataset
from ..errors import InputError
from ..spec import ModelSpec
from .config import DataConfig, GroupConfig, StageConfig, TrainConfig
from .losses import binary_loss, class_loss
from .sources import make_spec, output_geometry, read_groups, read_validation
from .validation import Predict, predict_classes, validate, validate_classes

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


def make_task(config: TrainConfig, root: Path, *, skip_bad: bool = False) -> Task:
    """The task of a configuration whose paths are relative to `root`.

    skip_bad: leave samples without a mask out instead of raising InputError.
    """
    if config.data.reader:
        return ClassTask(config, root / config.data.root)
    features = None
    if config.features.folder:
        folder = root / config.features.folder
        features = FeatureMaps.load(folder, root=root / config.data.root)
        if config.features.classes:
            features.last_layer()  # before anything starts, not at the first step
    return BinaryTask(
        config, root / config.data.root, labels=root, skip_bad=skip_bad, features=features
    )


class BinaryTask:
    """One soft mask, samples drawn from groups of plain folders."""

    classes: int | None = None

    def __init__(
        self,
        config: TrainConfig,
        root: Path,
        *,
        labels: Path | None = None,
        skip_bad: bool = False,
        features: FeatureMaps | None = None,
    ) -> None:
        self.config, self.root, self.features = config, root, features
        self.problems: list[Problem] = []
        collect = self.problems if skip_bad else None
        self.groups = read_groups(config, root, collect, labels=labels)
        self.validation = read_validation(config, root, collect)
        self.backgrounds: tuple[Sample, ...] = ()
        if config.data.backgrounds:
            places = root / config.data.backgrounds
            self.backgrounds = tuple(read_backgrounds(places, leave_out=config.data.leave_out))
        self.cache: dict = {}

    def samples(self) -> list[Sample]:
        """Everything that is trained or validated on, each once."""
        return _once([*self.trained(), *self.validation])

    def trained(self) -> list[Sample]:
        """Everything that is trained on, backgrounds of composites among it, each once."""
        return _once([*_all(self.groups), *self.backgrounds])

    def leave_out(self, images: set[Path]) -> None:
        """Go on without these samples."""
        self.groups = _without(self.groups, images)
        self.backgrounds = tuple(s for s in self.backgrounds if s.image not in images)
        self.validation = [s for s in self.validation if s.image not in images]

    def spec(self, size: tuple[int, int]) -> ModelSpec:
        """One label, person."""
        return make_spec(self.config, size)

    def pipeline(self, stage: StageConfig, model: Any) -> Pipeline:
        """Soft masks, backgrounds and previous masks."""
        data, features = self.config.data, self.config.features
        maps, grid = None, (0, 0)
        if self.features is not None:
            maps = self.features.of(self.trained())
            grid = model.get_layer(features.layers[0]).output.shape[1:3]
        return Pipeline(
            groups=self.groups,
            backgrounds=self.backgrounds,
            spec=self.spec(stage.size),
            output_stride=_truth_stride(output_geometry(model)[0], self.config.loss.enlarge),
            augment=dataclasses.replace(data.augment, crop=stage.crop, composite=stage.composite),
            previous=data.previous_mask,
            seed=self.config.seed,
            cache=data.cache,
            processes=data.processes,
            features=maps,
            feature_grid=grid,
            _cache=self.cache,
        )

    def loss(self, ops: Any, logits: Any, *targets: Any) -> dict[str, Any]:
        """See `losses.binary_loss`."""
        truth, weight, *teacher = targets
        return binary_loss(ops, logits, truth, weight, self.config.loss, *teacher)

    def validate(self, predict: Predict, spec: ModelSpec) -> dict[str, float]:
        """IoU per family; the score is their mean minus the false area where nothing is."""
        scores = validate(predict, spec, self.validation)
        masked = {sample.family for sample in self.validation if sample.mask is not None}
        found = [value for family, value in scores.items() if family in masked]
        false = [value for family, value in scores.items() if family not in masked]
        score = float(np.mean(found or [0.0]) - np.mean(false or [0.0]))
        return {**scores, "score": score}

    def show(self, predict: Predict, spec: ModelSpec, count: int) -> list[Shown]:
        """Validation images with their masks."""
        shown = []
        for sample in _spread(self.validation, count):
            image, truth = sample.read_image(), sample.read_mask() > 127
            shown.append((image, truth.astype(np.uint8), predict_classes(predict, spec, image)))
        return shown


class ClassTask:
    """Several classes, read by one of the named readers."""

    features: FeatureMaps | None = None

    def __init__(self, config: TrainConfig, root: Path) -> None:
        if config.features.folder:
            raise InputError(
                f"{config.name}: got features.folder with a reader, expected binary masks; "
                "leave it out"
            )
        if config.loss.enlarge != 1:
            raise InputError(
                f"{config.name}: got loss.enlarge with a reader, expected binary masks; "
                "leave it out"
            )
        self.root = root
        self._read: dict[str, Dataset] = {}
        data = config.data
        parts = [self._dataset(config, group.folder) for group in data.groups]
        self.labels, self.palette = parts[0].labels, parts[0].palette
        self.classes: int | None = len(self.labels)
        self.config = dataclasses.replace(
            config, model=dataclasses.replace(config.model, classes=len(self.labels))
        )
        self.groups = tuple(
            _class_group(group, part, data) for group, part in zip(data.groups, parts)
        )
        held = self._dataset(config, data.validation).samples
        same = data.validation in [group.folder for group in data.groups]
        self.validation = list(held[_kept(held, data.holdout) :] if same else held)
        self.problems = [p for dataset in self._read.values() for p in dataset.problems]
        self.cache: dict = {}
        if not self.validation:
            raise InputError(
                f"{root}: got no validation samples; set data.holdout or another split"
            )

    def _dataset(self, config: TrainConfig, split: str) -> Dataset:
        if split not in self._read:
            self._read[split] = read_dataset(
                config.data.reader, self.root, split=split, classes=config.data.classes
            )
        return self._read[split]

    def samples(self) -> list[Sample]:
        """Everything that is trained or validated on."""
        return [*_all(self.groups), *self.validation]

    def leave_out(self, images: set[Path]) -> None:
        """Go on without these samples."""
        self.groups = _without(self.groups, images)
        self.validation = [s for s in self.validation if s.image not in images]

    def spec(self, size: tuple[int, int]) -> ModelSpec:
        """The data set's labels and palette."""
        return make_spec(self.config, size, labels=self.labels, palette=self.palette)

    def pipeline(self, stage: StageConfig, model: Any) -> Pipeline:
        """Class ids with pixel weights."""
        data = self.config.data
        stride, margin = output_geometry(model)
        return ClassPipeline(
            groups=self.groups,
            backgrounds=(),
            spec=self.spec(stage.size),
            output_stride=stride,
            margin=margin,
            augment=dataclasses.replace(data.augment, crop=stage.crop),
            border=data.border,
            seed=self.config.seed,
            cache=data.cache,
            processes=data.processes,
            _cache=self.cache,
        )

    def loss(self, ops: Any, logits: Any, *targets: Any) -> dict[str, Any]:
        """See `losses.class_loss`."""
        truth, weight, *teacher = targets
        return class_loss(ops, logits, truth, weight, self.config.loss, *teacher)

    def validate(self, predict: Predict, spec: ModelSpec) -> dict[str, float]:
        """IoU per class, NaN where there is none, and pixel accuracy; the score is the mean IoU."""
        confusion = validate_classes(predict, spec, self.validation, tile=self.config.data.tile)
        scores = {label: float(iou) for label, iou in zip(self.labels, confusion.iou)}
        return {**scores, "accuracy": confusion.accuracy, "score": confusion.mean_iou}

    def show(self, predict: Predict, spec: ModelSpec, count: int) -> list[Shown]:
        """Validation images with their classes."""
        shown = []
        for sample in _spread(self.validation, count):
            image = sample.read_image()
            predicted = predict_classes(predict, spec, image, tile=self.config.data.tile)
            shown.append((image, sample.read_labels(), predicted))
        return shown


def _class_group(config: GroupConfig, dataset: Dataset, data: DataConfig) -> Group:
    samples = dataset.samples[: _kept(dataset.samples, data.holdout)]
    samples = tuple(s for s in samples if s.image.stem not in data.leave_out)
    if config.emptiest_of != 1:
        raise InputError(
            f"{dataset.name}: got emptiest_of with a reader, expected binary masks; leave it out"
        )
    if config.families:
        samples = tuple(sample for sample in samples if sample.family in config.families)
    if not samples:
        raise InputError(f"{dataset.name}: got no samples to train on")
    return Group(config.folder, samples, config.share, config.weight, config.crop)


def _kept(samples: Sequence[Labelled], holdout: float) -> int:
    return len(samples) - round(holdout * len(samples))


def _all(groups: tuple[Group, ...]) -> list[Sample]:
    return [sample for group in groups for sample in group.samples]


def _truth_stride(stride: int, enlarge: int) -> int:
    """Stride of a truth that is `enlarge` times as large as the mask of a network."""
    if enlarge < 1 or stride % enlarge:
        raise InputError(
            f"loss.enlarge: got {enlarge} for a mask at 1/{stride}, expected a divisor of {stride}"
        )
    return stride // enlarge


def _once(samples: list[Sample]) -> list[Sample]:
    return list({sample.image: sample for sample in samples}.values())


def _without(groups: tuple[Group, ...], images: set[Path]) -> tuple[Group, ...]:
    kept = []
    for group in groups:
        samples = tuple(s for s in group.samples if s.image not in images)
        if not samples:
            raise InputError(f"{group.name}: got no good samples left, expected at least one")
        kept.append(dataclasses.replace(group, samples=samples))
    return tuple(kept)


def _spread(samples: Sequence[Any], count: int) -> list[Any]:
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [samples[index] for index in chosen]

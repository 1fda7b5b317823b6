"""The task of telling several classes apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data.class_pipeline import ClassPipeline
from ..data.dataset import Dataset, Labelled
from ..data.feature_maps import FeatureMaps
from ..data.folder import Group, Sample
from ..data.pipeline import Pipeline
from ..data.readers import read_dataset
from ..errors import InputError
from ..spec import ModelSpec
from .class_losses import class_loss
from .config import StageConfig, TrainConfig
from .data_config import DataConfig, GroupConfig
from .sources import make_spec, output_geometry
from .task import Shown, all_samples, check_apart, refuse, spread_out, without
from .validation import Predict, predict_classes, validate_classes


class ClassTask:
    """Several classes, read by one of the named readers."""

    features: FeatureMaps | None = None

    def __init__(self, config: TrainConfig, root: Path) -> None:
        refuse(
            config,
            "with a reader, expected binary masks",
            {
                "features.folder": bool(config.features.folder),
                "loss.enlarge": config.loss.enlarge != 1,
                "data.backgrounds": bool(config.data.backgrounds),
                "data.cutouts": bool(config.data.cutouts),
                "labels": any(group.labels for group in config.data.groups),
                "taught": any(group.taught < 1 for group in config.data.groups),
                "shift": any(group.shift for group in config.data.groups),
                "masks = false": not all(group.masks for group in config.data.groups),
                "model.previous_mask": config.model.previous_mask,
            },
        )
        self.root = root
        self._read: dict[str, Dataset] = {}
        data = config.data
        parts = [self._dataset(config, group.folder) for group in data.groups]
        self.labels, self.palette = parts[0].labels, parts[0].palette
        self.classes: int | None = len(self.labels)
        self._check_classes(config)
        self.config = dataclasses.replace(
            config, model=dataclasses.replace(config.model, classes=len(self.labels))
        )
        self.groups = tuple(
            _class_group(group, part, data) for group, part in zip(data.groups, parts)
        )
        held = self._dataset(config, data.validation).samples
        same = data.validation in [group.folder for group in data.groups]
        self.validation = list(held[_kept(held, data.holdout) :] if same else held)
        check_apart(config, all_samples(self.groups), self.validation)
        self.problems = [p for dataset in self._read.values() for p in dataset.problems]
        self.cache: dict = {}
        if not self.validation:
            raise InputError(
                f"{root}: got no validation samples; set data.holdout or another split"
            )

    def _check_classes(self, config: TrainConfig) -> None:
        weights, foreground = config.loss.class_weights, config.data.border.foreground
        if weights and len(weights) != len(self.labels):
            raise InputError(
                f"loss.class_weights: got {len(weights)}, expected one for each of "
                f"{', '.join(self.labels)}"
            )
        if foreground and foreground not in self.labels:
            raise InputError(
                f"data.border.foreground: got {foreground!r}, expected one of "
                f"{', '.join(self.labels)}"
            )

    def _dataset(self, config: TrainConfig, split: str) -> Dataset:
        if split not in self._read:
            self._read[split] = read_dataset(
                config.data.reader, self.root, split=split, classes=config.data.classes
            )
        return self._read[split]

    def samples(self) -> list[Sample]:
        """Everything that is trained or validated on."""
        return [*all_samples(self.groups), *self.validation]

    def leave_out(self, images: set[Path]) -> None:
        """Go on without these samples."""
        self.groups = without(self.groups, images)
        self.validation = [s for s in self.validation if s.image not in images]

    def spec(self, size: tuple[int, int]) -> ModelSpec:
        """The data set's labels and palette."""
        return make_spec(self.config, size, labels=self.labels, palette=self.palette)

    def pipeline(self, stage: StageConfig, model: Any) -> Pipeline:
        """Class ids with pixel weights."""
        data = self.config.data
        stride, margin = output_geometry(model)
        if any(margin) and not data.tile:
            raise InputError(
                f"{self.config.name}: got an output of {model.output_shape[1]}x"
                f"{model.output_shape[2]} for an input of {stage.size[0]}x{stage.size[1]} with "
                "data.tile = false, expected true: what validates is seen tile by tile"
            )
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
        """See `class_losses.class_loss`."""
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
        for sample in spread_out(self.validation, count):
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
        samples = tuple(sample for sample in samples if sample.is_of(config.families))
    if not samples:
        raise InputError(f"{dataset.name}: got no samples to train on")
    return Group(config.folder, samples, config.share, config.weight, config.crop)


def _kept(samples: Sequence[Labelled], holdout: float) -> int:
    return len(samples) - round(holdout * len(samples))

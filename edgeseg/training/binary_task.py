"""The task of learning one soft mask."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..data.feature_maps import FeatureMaps
from ..data.folder import Problem, Sample, read_backgrounds
from ..data.pipeline import Pipeline
from ..errors import InputError
from ..spec import ModelSpec
from .binary_losses import binary_loss
from .config import StageConfig, TrainConfig
from .sources import make_spec, output_geometry, read_cutouts, read_groups, read_validation
from .task import Shown, all_samples, check_apart, refuse, spread_out, without
from .validation import Predict, predict_classes, validate


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
        refuse(
            config,
            "without data.reader, expected it with the classes that a reader gives",
            {
                "data.holdout": config.data.holdout > 0,
                "data.tile": config.data.tile,
                "data.classes": bool(config.data.classes),
                "data.border.foreground": bool(config.data.border.foreground),
                "model.classes": config.model.classes != 1,
                "loss.class_weights": bool(config.loss.class_weights),
            },
        )
        self.config, self.root, self.features = config, root, features
        self.problems: list[Problem] = []
        collect = self.problems if skip_bad else None
        self.groups = read_groups(config, root, collect, labels=labels)
        self.validation = read_validation(config, root, collect)
        check_apart(config, all_samples(self.groups), self.validation)
        self.backgrounds: tuple[Sample, ...] = ()
        if config.data.backgrounds:
            places = root / config.data.backgrounds
            self.backgrounds = tuple(read_backgrounds(places, leave_out=config.data.leave_out))
        self.cutouts = tuple(read_cutouts(config, labels or root, collect))
        self.cache: dict = {}

    def samples(self) -> list[Sample]:
        """Everything that is trained or validated on, each once."""
        return _once([*self.trained(), *self.validation])

    def trained(self) -> list[Sample]:
        """Everything that is trained on, backgrounds and cut-outs among it, each once."""
        return _once([*all_samples(self.groups), *self.backgrounds, *self.cutouts])

    def leave_out(self, images: set[Path]) -> None:
        """Go on without these samples."""
        self.groups = without(self.groups, images)
        self.backgrounds = tuple(s for s in self.backgrounds if s.image not in images)
        self.cutouts = tuple(s for s in self.cutouts if s.image not in images)
        self.validation = [s for s in self.validation if s.image not in images]

    def spec(self, size: tuple[int, int]) -> ModelSpec:
        """One label, person."""
        return make_spec(self.config, size)

    def pipeline(self, stage: StageConfig, model: Any) -> Pipeline:
        """Soft masks, backgrounds and previous masks."""
        data, features = self.config.data, self.config.features
        stride, margin = output_geometry(model)
        if any(margin):
            raise InputError(
                f"{self.config.name}: got an output of {model.output_shape[1]}x"
                f"{model.output_shape[2]} for an input of {stage.size[0]}x{stage.size[1]}, "
                'expected the whole mask; set padding = "same", or data.reader and data.tile'
            )
        maps, grid = None, (0, 0)
        if self.features is not None:
            maps = self.features.of(self.trained())
            grid = model.get_layer(features.layers[0]).output.shape[1:3]
        return Pipeline(
            groups=self.groups,
            backgrounds=self.backgrounds,
            spec=self.spec(stage.size),
            output_stride=_truth_stride(stride, self.config.loss.enlarge),
            augment=dataclasses.replace(data.augment, crop=stage.crop, composite=stage.composite),
            previous=data.previous_mask,
            seed=self.config.seed,
            cache=data.cache,
            processes=data.processes,
            cutouts=self.cutouts,
            features=maps,
            feature_grid=grid,
            _cache=self.cache,
        )

    def loss(self, ops: Any, logits: Any, *targets: Any) -> dict[str, Any]:
        """See `binary_losses.binary_loss`."""
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
        for sample in spread_out(self.validation, count):
            image, truth = sample.read_image(), sample.read_mask() > 127
            shown.append((image, truth.astype(np.uint8), predict_classes(predict, spec, image)))
        return shown


def _truth_stride(stride: int, enlarge: int) -> int:
    """Stride of a truth that is `enlarge` times as large as the mask of a network."""
    if stride % enlarge:
        raise InputError(
            f"loss.enlarge: got {enlarge} for a mask at 1/{stride}, expected a divisor of {stride}"
        )
    return stride // enlarge


def _once(samples: list[Sample]) -> list[Sample]:
    return list({sample.image: sample for sample in samples}.values())

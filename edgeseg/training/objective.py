"""What a run's steps minimize: its task's loss, and the further targets that it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..data.pipeline import Pipeline
from ..errors import InputError
from ..spec import ModelSpec
from .config import TrainConfig
from .feature_head import class_divergence, feature_loss, with_feature_head
from .hints import HintLoss, hinted, make_hint_loss
from .losses import PARTS
from .task import Task
from .teacher import answers_in_steps, check_exists, teaching_network
from .tflite_teacher import Teach, check_second_opinion, tflite_teacher


def truth_grid(model: Any, config: TrainConfig) -> tuple[int, int]:
    """(height, width) of the truth that a network's mask is compared with."""
    height, width = (config.loss.enlarge * side for side in model.output_shape[1:3])
    return height, width


class Objective:
    """The loss of a run, of one stage at a time.

    Beside the task's own it has what a teacher's masks (`teacher`) and a published network's
    features (`feature_head`) ask for and what a trained network hints at (`hints`), where the
    configuration names them.
    root: folder that the configuration's paths are relative to.
    Raises InputError where a teacher or the hinting network's weights are not there, and for a
    second opinion that cannot be heard.
    """

    def __init__(self, keras: Any, task: Task, config: TrainConfig, root: Path) -> None:
        self._keras, self._task, self._config, self._root = keras, task, config, root
        self._hint_loss: HintLoss | None = None
        path = root / config.teacher
        taught = bool(config.teacher and config.loss.distillation)
        self._asked = path if taught and answers_in_steps(path) else None
        self._told_by = path if taught and not answers_in_steps(path) else None
        self._teacher: Any = None
        if bool(config.teacher) != bool(config.loss.distillation):
            raise InputError(
                f"teacher: got {config.teacher!r} with loss.distillation = "
                f"{config.loss.distillation:g}, expected both or none"
            )
        own = (config.hints.weights and config.hints.weight) or config.features.folder
        if not own and not any(getattr(config.loss, part) for part in PARTS):
            raise InputError(f"loss: got no weight above 0, expected one of {', '.join(PARTS)}")
        # Before anything starts, not when the first stage begins.
        if taught:
            check_exists(path)
        if self._asked and config.data.augment.cutouts:
            raise InputError(
                f"augment.cutouts: got {config.data.augment.cutouts:g} with {config.teacher} as "
                "the teacher, expected a .tflite, whose answers are held to what is known of things"
            )
        for group in config.data.groups if not self._told_by else ():
            if group.taught < 1 or group.shift:
                raise InputError(
                    f"data.groups: got taught = {group.taught:g} and shift = {group.shift:g} for "
                    f"{group.folder}, expected 1 and 0 without a .tflite as the teacher"
                )
        if config.second_opinion.models or config.second_opinion.everywhere:
            classes = len(task.spec(config.stages[0].size).labels)
            check_second_opinion(config.second_opinion, root, self._told_by, classes)
        if config.hints.weights and not (root / config.hints.weights).exists():
            raise InputError(f"hints.weights: got no such file {root / config.hints.weights}")

    @property
    def takes_images(self) -> bool:
        """Whether a step's images are among its targets, the last of them."""
        return bool(self._config.hints.weights or self._asked)

    def extended(self, model: Any) -> Any:
        """The network from its input to what is compared.

        That is its logits or, in a list, they and, where asked for, the features and what the
        hinted layers answer. Only a head that answers the features is new.
        """
        outputs: list[Any] = [model.get_layer("logits").output]
        maps, hints = self._task.features, self._config.hints
        if maps is not None:
            model = with_feature_head(self._keras, model, self._config.features, maps.channels)
            outputs = list(model.outputs)
        if hints.weights:
            outputs += hinted(model, hints.layers)
        compared = outputs[0] if len(outputs) == 1 else outputs
        return self._keras.Model(model.inputs, compared, name=model.name)

    def begin(self, model: Any, pipeline: Pipeline) -> None:
        """Make what a stage's network and images decide; before `loss` is used."""
        if self._config.hints.weights:
            self._hint_loss = make_hint_loss(self._keras, self._config, model, pipeline, self._root)
        if self._asked is not None:
            grid = truth_grid(model, self._config)
            self._teacher = teaching_network(self._keras, self._asked, pipeline.spec, grid)

    def teach(self, model: Any, spec: ModelSpec) -> Teach | None:
        """What makes of a stage's tensors the masks that are to be among a step's targets.

        None where there is no teacher, or a step asks it itself.
        """
        if self._told_by is None:
            return None
        grid, second = truth_grid(model, self._config), self._config.second_opinion
        return tflite_teacher(self._told_by, spec, grid, second, self._root)

    def loss(self, outputs: Any, *targets: Any) -> dict[str, Any]:
        """Named parts of what `extended` answers, and their sum as "loss".

        targets: truth, weight, and what is asked for of a .tflite teacher's masks, the features
        and the images, in that order.
        """
        if not self.takes_images:
            return self._without_hints(outputs, *targets)
        *others, tensor = targets
        if self._teacher is not None:
            masks = self._keras.ops.cast(self._teacher(tensor, training=False), "float32")
            others = [*others[:2], masks, *others[2:]]
        if self._hint_loss is None:
            return self._without_hints(outputs, *others)
        count = len(self._config.hints.layers)
        own, answers = outputs[:-count], outputs[-count:]
        parts = self._without_hints(own[0] if len(own) == 1 else own, *others)
        left = self._hint_loss(answers, tensor, others[1])
        loss = parts["loss"] + self._config.hints.weight * left
        return {**parts, "hints": left, "loss": loss}

    def _without_hints(self, outputs: Any, *targets: Any) -> dict[str, Any]:
        ops, maps = self._keras.ops, self._task.features
        if maps is None:
            return self._task.loss(ops, outputs, *targets)
        (logits, answer), (*others, wanted) = outputs, targets
        parts = self._task.loss(ops, logits, *others)
        features, weight = self._config.features, targets[1]
        left = feature_loss(ops, answer, wanted, weight, maps)
        loss = parts["loss"] + features.weight * left
        if not features.classes:
            return {**parts, "features": left, "loss": loss}
        apart = class_divergence(ops, answer, wanted, weight, maps)
        loss += features.classes * apart
        return {**parts, "features": left, "classes": apart, "loss": loss}

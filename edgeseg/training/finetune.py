"""Fine-tuning in tf_keras after the float training: quantization-aware, or pruning."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from ..errors import InputError, require
from ..models.weights import load_weights
from .config import StageConfig, TrainConfig
from .feedback import feeder
from .losses import enlarged, log_odds
from .sources import make_network
from .task import Task

# Weight of staying with the float network's own answer.
DISTILLATION = 1.0


def float_model(config: TrainConfig, folder: Path) -> Any:
    """The run's network in tf_keras with its averaged weights."""
    tf_keras = require("tf_keras", extra="train")
    path = folder / "weights.npz"
    if not path.exists():
        raise InputError(f"{path}: got no weights, expected those of a float training run")
    model = make_network(tf_keras, config, config.stages[-1].size)
    load_weights(model, path)
    return model


def finetune_stage(config: TrainConfig) -> StageConfig:
    """The last stage with the fine-tuning's steps, batch and rate."""
    settings = config.finetune
    return dataclasses.replace(
        config.stages[-1], steps=settings.steps, batch=settings.batch, rate=settings.rate
    )


def finetune(model: Any, task: Task, teacher: Any, *, progress: Progress) -> list[float]:
    """Train a wrapped tf_keras model in place; returns the loss of every step.

    model: has a layer whose name ends with "logits". teacher: the float model, whose
        answers are a second target, so that the result stays close to it.
    """
    config = task.config
    stage = finetune_stage(config)
    pipeline = task.pipeline(stage, teacher)
    step = _make_step(model, _with_distillation(task))
    feed = feeder(require("keras", extra="train"), config, teacher)
    bar = progress.add_task("fine-tuning", total=stage.steps)
    # Other samples than those of the float training's first steps.
    start, losses = config.steps, []
    for index, batch in enumerate(
        pipeline.batches(
            stage.batch, start=start, stop=start + stage.steps, workers=config.data.workers
        )
    ):
        tensor = feed(batch.tensor, start + index)
        answer = float_answer(teacher, tensor, config.loss.enlarge)
        loss = step(_rate(stage, index), tensor, batch.truth, batch.weight, answer)
        if not math.isfinite(loss):
            raise InputError(
                f"step {index}: got a loss of {loss}, expected a finite one; "
                f"the batch was {', '.join(batch.names)}"
            )
        losses.append(loss)
        progress.update(bar, completed=index + 1, description=f"fine-tuning, loss {loss:.3f}")
    return losses


def float_answer(teacher: Any, tensor: np.ndarray, enlarge: int) -> np.ndarray:
    """The float network's probabilities, as large as the truth: its logits are enlarged, too.

    tensor: float32 (N, H, W, channels). Returns float32 (N, enlarge * h, enlarge * w, K).
    """
    answer = np.asarray(teacher(tensor, training=False), np.float32)
    if enlarge == 1:
        return answer
    ops = require("keras", extra="train").ops
    return np.asarray(ops.sigmoid(enlarged(ops, log_odds(ops, answer), enlarge)))


def _with_distillation(task: Task) -> Task:
    """The task with a loss that has the distillation part."""
    config = task.config
    if config.loss.distillation:
        return task
    loss = dataclasses.replace(config.loss, distillation=DISTILLATION)
    copied = object.__new__(type(task))
    copied.__dict__.update(task.__dict__)
    copied.config = dataclasses.replace(config, loss=loss)
    return copied


def _rate(stage: StageConfig, step: int) -> float:
    first, last = stage.rate
    return last + (first - last) * (1 + math.cos(math.pi * step / stage.steps)) / 2


def _make_step(model: Any, task: Task) -> Callable[..., float]:
    tf = require("tensorflow", extra="train")
    tf_keras = require("tf_keras", extra="train")
    keras = require("keras", extra="train")  # its operations take any TensorFlow tensor
    layer = next(layer for layer in reversed(model.layers) if layer.name.endswith("logits"))
    logits = tf_keras.Model(model.inputs, layer.output)
    optimizer = tf_keras.optimizers.Adam(0.0)
    variables = logits.trainable_variables

    @tf.function
    def compiled(*arrays):
        tensor, *targets = arrays
        with tf.GradientTape() as tape:
            loss = task.loss(keras.ops, logits(tensor, training=True), *targets)["loss"]
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 5.0)
        optimizer.apply_gradients(zip(gradients, variables))
        return loss

    def step(rate: float, *arrays: np.ndarray) -> float:
        optimizer.learning_rate.assign(rate)
        return float(compiled(*map(tf.constant, arrays)))

    return step

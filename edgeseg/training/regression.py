"""A network that learns to answer as another one does, on images alone."""

from __future__ import annotations

import functools
from typing import Any

from rich.console import Console

from ..data.pipeline import Pipeline
from .config import OptimizerConfig, StageConfig
from .devices import Devices
from .feed import made_ahead
from .optimizer import make_optimizer
from .progress import noted_progress
from .schedule import learning_rate
from .step import LossFunction, make_step

# What starts from trained values, and is nearly right, learns at a quarter of the rate.
OPTIMIZER = OptimizerConfig(warmup=100, encoder_scale=0.25, clip_norm=5.0)


def fit_to(
    keras: Any,
    learner: Any,
    target: Any,
    compared: LossFunction,
    pipeline: Pipeline,
    stage: StageConfig,
    *,
    slow: set[str],
    workers: int,
    title: str,
    console: Console,
) -> list[dict[str, float]]:
    """Train `learner`; returns what `compared` said of each step, without the sum.

    compared: gets the learner's answers and the target's, in a list each. slow: paths of the
    variables that learn at a quarter of the rate. title: of the progress bar.
    """
    optimizer = make_optimizer(keras, OPTIMIZER, learner, slow=slow)

    def loss(answers: Any, tensor: Any) -> dict[str, Any]:
        # What is to be answered never leaves the device.
        return compared(answers, *target(tensor, training=False))

    step = make_step(keras, learner, optimizer, loss)
    place = functools.partial(Devices().place, keras)
    batches = pipeline.batches(stage.batch, start=0, stop=stage.steps, workers=workers)
    said = []
    with noted_progress(console) as progress:
        task = progress.add_task(title, total=stage.steps, note="")
        for index, (_, (tensor, *_)) in enumerate(made_ahead(batches, place)):
            optimizer.learning_rate.assign(learning_rate((stage,), index, OPTIMIZER))
            parts = step(tensor, tensor)
            said.append({name: float(part) for name, part in parts.items() if name != "loss"})
            shown = " ".join(f"{part:.3f}" for part in said[-1].values())
            progress.update(task, advance=1, note=f"unexplained {shown}")
    return said

"""Images per second of the input pipeline alone and of the training step alone."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ..errors import require
from .checking import check_files
from .config import TrainConfig
from .devices import make_devices
from .optimizer import make_optimizer
from .sources import make_network
from .step import freeze, make_step
from .supply import Supply
from .tasks import make_task

BATCHES = 12
WARM_UP = 2


def measure_speed(
    config: TrainConfig,
    *,
    root: Path,
    console: Console,
    devices: int = 1,
    skip_bad: bool = False,
) -> dict[str, float]:
    """Print and return images/s of the largest stage's pipeline and of its training step.

    devices: how many share each batch. skip_bad: read all files once and leave those out
    that cannot be read.

    The pipeline runs with the configuration's workers and without a step beside it;
    files are read in the warm-up and stay in memory where `data.cache` is on.
    """
    keras = require("keras", extra="train")
    shared = make_devices(keras, devices)
    task = make_task(config, root, skip_bad=skip_bad)
    if skip_bad:
        check_files(task, workers=config.data.workers, skip_bad=True, console=console)
    config, stage = task.config, max(config.stages, key=lambda s: s.size[0] * s.size[1])
    shared.check_batch(stage.batch)
    with shared.scope():
        model = make_network(keras, config, stage.size)
        freeze(model, config.optimizer.frozen)
        logits = keras.Model(model.inputs, model.get_layer("logits").output)
        optimizer = make_optimizer(keras, config.optimizer, logits, slow=set())

        def loss(output, *targets):
            return task.loss(keras.ops, output, *targets)

        step = make_step(keras, logits, optimizer, loss, shared)
    pipeline = task.pipeline(stage, model)
    for sample in task.samples() if config.data.cache else ():
        pipeline.read(sample)
    supply = Supply(keras, config, shared)
    made = supply.batches(pipeline, stage.batch, start=0, stop=BATCHES + WARM_UP, ahead=1)
    batches, seconds = [], []
    last = time.perf_counter()
    for _, (tensor, truth, weight, *_) in made:
        float(keras.ops.max(truth))  # waits for the device, which JAX only tells what to do
        batches.append((tensor, truth, weight))
        seconds.append(time.perf_counter() - last)
        last = time.perf_counter()
    pipeline_rate = stage.batch * BATCHES / sum(seconds[WARM_UP:])

    seconds = []
    for arrays in batches:
        last = time.perf_counter()
        float(step(*arrays)["loss"])  # waits for the step, which JAX only sends
        seconds.append(time.perf_counter() - last)
    step_rate = stage.batch / float(np.median(seconds[WARM_UP:]))
    table = Table("what", "images/s", title=f"{stage.size[0]}x{stage.size[1]}, batch {stage.batch}")
    table.add_row(f"pipeline alone, {config.data.workers} workers", f"{pipeline_rate:.1f}")
    table.add_row("training step alone", f"{step_rate:.1f}")
    console.print(table)
    return {"pipeline": pipeline_rate, "step": step_rate}

"""Which stage a step belongs to, and its learning rate."""

from __future__ import annotations

import math

from .config import OptimizerConfig, StageConfig


def stage_at(stages: tuple[StageConfig, ...], step: int) -> tuple[int, int]:
    """Index of the stage that `step` falls in, and the step at which that stage began."""
    begin = 0
    for index, stage in enumerate(stages):
        if step < begin + stage.steps:
            return index, begin
        begin += stage.steps
    raise ValueError(f"step: got {step}, expected less than the schedule's {begin}")


def learning_rate(stages: tuple[StageConfig, ...], step: int, config: OptimizerConfig) -> float:
    """Half a cosine from the stage's first to its last rate, times a linear warm-up of the run."""
    index, begin = stage_at(stages, step)
    stage = stages[index]
    share = (step - begin) / stage.steps
    first, last = stage.rate
    rate = last + (first - last) * (1 + math.cos(math.pi * share)) / 2
    return rate * min(1.0, (step + 1) / max(1, config.warmup))

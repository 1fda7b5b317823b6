"""The learning rate of each step, by hand."""

from __future__ import annotations

import pytest

from edgeseg.training.config import OptimizerConfig, StageConfig
from edgeseg.training.schedule import learning_rate, stage_at

STAGES = (
    StageConfig(steps=4, rate=(0.8, 0.2)),
    StageConfig(steps=10, rate=(0.1, 0.0)),
)


def test_a_step_belongs_to_the_stage_that_it_falls_in():
    found = [stage_at(STAGES, step) for step in range(14)]
    assert found == [(0, 0)] * 4 + [(1, 4)] * 10
    with pytest.raises(ValueError, match="got 14, expected less than the schedule's 14"):
        stage_at(STAGES, 14)


def test_rates_follow_half_a_cosine_in_each_stage():
    config = OptimizerConfig(warmup=0)
    rates = [learning_rate(STAGES, step, config) for step in (0, 1, 2, 3, 4, 9)]
    # The cosine of 0, 45, 90 and 135 degrees, between 0.8 and 0.2; then of 0 and 90.
    quarter = 0.5**0.5
    expected = [0.8, 0.5 + 0.3 * quarter, 0.5, 0.5 - 0.3 * quarter, 0.1, 0.05]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(("warmup", "shares"), [(4, [0.25, 0.5, 0.75, 1, 1]), (1, [1] * 5)])
def test_the_runs_first_steps_are_warmed_up(warmup, shares):
    whole = [learning_rate(STAGES, step, OptimizerConfig(warmup=0)) for step in range(5)]
    rates = [learning_rate(STAGES, step, OptimizerConfig(warmup=warmup)) for step in range(5)]
    assert rates == pytest.approx([rate * share for rate, share in zip(whole, shares)])

"""The weights' moving average, which validates and is released (Polyak and Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# (average, variables, share) -> the average, moved by so much towards the variables.
Move = Callable[[dict[str, Any], dict[str, Any], float], dict[str, Any]]

EVERY = 5  # steps


def share_at(step: int, decay: float) -> float:
    """How much of the way to its weights the average goes at a step, once in `EVERY` steps."""
    # Early on the average must not remember the start: the decay grows with the steps.
    return 1 - min(decay, (1 + step) / (10 + step)) ** EVERY


def make_mover(keras: Any) -> Move:
    """A function that moves an average, by name, towards variables of the same names.

    On JAX the average stays on the device, so that no step waits for it.
    """
    if keras.backend.backend() != "jax":
        return _moved
    import jax

    @jax.jit
    def move(average, values, share):
        return {name: old + share * (values[name] - old) for name, old in average.items()}

    def moved(average, named, share):
        values = {name: variable.value for name, variable in named.items()}
        return move(average, values, np.float32(share))

    return moved


def copied(average: dict[str, Any]) -> dict[str, np.ndarray]:
    """The average as arrays of their own: a network that is given it may give its memory away."""
    return {name: np.array(value) for name, value in average.items()}


def _moved(average: dict[str, Any], named: dict[str, Any], share: float) -> dict[str, Any]:
    return {
        name: average[name] + np.float32(share) * (np.asarray(variable) - average[name])
        for name, variable in named.items()
    }

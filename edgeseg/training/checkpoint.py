"""The state of a run: everything that a resumed run needs to go on as if nothing had happened."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..models.weights import save_arrays, set_weights

Arrays = dict[str, np.ndarray]


@dataclass
class State:
    """What changes while training.

    weights, average: by "layer/variable". optimizer: its variables in their order,
    None before the first step. seeds: states of the random layers, such as dropout.
    best: best score so far; waited: validations since then.
    """

    weights: Arrays
    average: Arrays
    step: int = 0
    optimizer: list[np.ndarray] | None = None
    seeds: list[np.ndarray] = field(default_factory=list)
    best: float = -np.inf
    waited: int = 0

    def save(self, path: Path) -> None:
        """Write an .npz, beside and renamed."""
        arrays: Arrays = {"step": np.asarray(self.step, np.int64)}
        arrays |= {f"weights/{name}": value for name, value in self.weights.items()}
        arrays |= {f"average/{name}": value for name, value in self.average.items()}
        arrays |= {f"optimizer/{i:04d}": value for i, value in enumerate(self.optimizer or [])}
        arrays |= {f"seeds/{i:04d}": value for i, value in enumerate(self.seeds)}
        arrays["monitor"] = np.asarray([self.best, self.waited], np.float64)
        save_arrays(arrays, path)

    @classmethod
    def load(cls, path: Path, *, weights: Arrays) -> State:
        """Read what `save` wrote of a network whose weights are named and shaped like `weights`.

        InputError where there is none, a broken one, or another network's.
        """
        state = cls._read(path)
        found, wanted = ({k: v.shape for k, v in s.items()} for s in (state.weights, weights))
        if found != wanted:
            name = sorted(dict(found.items() ^ wanted.items()))[0]
            raise InputError(
                f"{path}: got {name} {found.get(name)}, expected {wanted.get(name)}; "
                "resume with the configuration that the run was begun with"
            )
        return state

    @classmethod
    def _read(cls, path: Path) -> State:
        if not path.exists():
            raise InputError(f"{path}: got no checkpoint, expected one to resume from")
        try:
            with np.load(path) as archive:
                arrays = dict(archive)
            best, waited = arrays.get("monitor", (-np.inf, 0))
            return cls(
                weights=_part(arrays, "weights/"),
                average=_part(arrays, "average/"),
                step=int(arrays["step"]),
                optimizer=list(_part(arrays, "optimizer/").values()) or None,
                seeds=list(_part(arrays, "seeds/").values()),
                best=float(best),
                waited=int(waited),
            )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: got no readable checkpoint ({error})") from None

    def take(self, model: Any, named: dict[str, Any], optimizer: Any) -> None:
        """Hold what the variables hold now: weights, `named`, the optimizer's and the seeds."""
        self.weights = _values(named)
        self.optimizer = [np.asarray(variable) for variable in optimizer.variables]
        self.seeds = _seeds(model)

    def put(self, model: Any, optimizer: Any, *, origin: Path, name: str) -> None:
        """Give the optimizer, called `name`, and the random layers their values back.

        InputError, which names `origin`, where the values are another optimizer's.
        """
        values = self.optimizer or []
        if values and [v.shape for v in values] != [tuple(v.shape) for v in optimizer.variables]:
            raise InputError(
                f"{origin}: got a checkpoint of another optimizer, expected {name}'s; "
                "resume with the configuration that the run was begun with"
            )
        for variable, value in zip(optimizer.variables, values):
            variable.assign(value)
        _plant(model, self.seeds)

    def note(self, score: float) -> bool:
        """Whether a validation's score is the best so far; counts the validations since."""
        if score > self.best:
            self.best, self.waited = score, 0
            return True
        self.waited += 1
        return False


@contextlib.contextmanager
def kept(model: Any, named: dict[str, Any]) -> Iterator[None]:
    """Afterwards the weights, `named`, and the random layers of `model` are what they were."""
    weights, seeds = _values(named), _seeds(model)
    try:
        yield
    finally:
        set_weights(model, weights)
        _plant(model, seeds)


def _values(named: dict[str, Any]) -> Arrays:
    return {name: np.asarray(variable) for name, variable in named.items()}


def _seeds(model: Any) -> list[np.ndarray]:
    return [np.asarray(variable) for variable in seed_states(model)]


def _plant(model: Any, seeds: list[np.ndarray]) -> None:
    for variable, value in zip(seed_states(model), seeds):
        variable.assign(value)


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def seed_states(model: Any) -> list[Any]:
    """Variables of a Keras 3 model that are no weights: states of its random layers."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]

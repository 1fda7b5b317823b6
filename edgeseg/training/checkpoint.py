"""The state of a run: everything that a resumed run needs to go on as if nothing had happened."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..models.weights import save_arrays

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
    def load(cls, path: Path) -> State:
        """Read what `save` wrote. InputError where there is none, or a broken one."""
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

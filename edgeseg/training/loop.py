"""The training loop: stages, averaged weights, validation, checkpoints that resume exactly."""

from __future__ import annotations

import csv
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TextColumn

from ..errors import InputError, require
from ..models.weights import get_weights, named_variables, save_arrays, set_weights
from .config import TrainConfig
from .losses import binary_loss
from .schedule import learning_rate, stage_at
from .sources import (
    initialise,
    make_network,
    make_pipeline,
    make_spec,
    read_groups,
    read_validation,
)
from .step import make_optimizer, make_step
from .validation import validate

AVERAGE_EVERY = 5


class Trainer:
    """A run: configuration, folder, and the state that a checkpoint holds.

    root: folder that the configuration's paths are relative to.
    """

    def __init__(self, config: TrainConfig, folder: Path, *, root: Path) -> None:
        self.keras = require("keras", extra="train")
        self.config, self.folder = config, Path(folder)
        self.data_root = root / config.data.root
        self.groups = read_groups(config, self.data_root)
        self.validation = read_validation(config, self.data_root)
        self.cache: dict = {}
        self.step = 0
        self.keras.utils.set_random_seed(config.seed)
        network = make_network(self.keras, config, config.stages[0].size)
        init = root / config.model.init if config.model.init else None
        self.pretrained = initialise(network, init) if init else []
        self.average = get_weights(network)
        self.weights = dict(self.average)
        self.optimizer_state: list[np.ndarray] | None = None

    def save(self) -> None:
        """Write the checkpoint: step, weights, averaged weights, optimizer state."""
        arrays = {"step": np.asarray(self.step)}
        arrays |= {f"weights/{name}": value for name, value in self.weights.items()}
        arrays |= {f"average/{name}": value for name, value in self.average.items()}
        for index, value in enumerate(self.optimizer_state or []):
            arrays[f"optimizer/{index:04d}"] = value
        save_arrays(arrays, self.folder / "checkpoints" / "last.npz")
        save_arrays(self.average, self.folder / "weights.npz")

    def restore(self) -> None:
        """Read the checkpoint of `save`. InputError where the run's folder has none."""
        path = self.folder / "checkpoints" / "last.npz"
        if not path.exists():
            raise InputError(f"{path}: got no checkpoint, expected one to resume from")
        with np.load(path) as archive:
            arrays = dict(archive)
        self.step = int(arrays["step"])
        self.weights = _part(arrays, "weights/")
        self.average = _part(arrays, "average/")
        self.optimizer_state = list(_part(arrays, "optimizer/").values()) or None

    def run(self, *, console: Console) -> None:
        """Train from the current step to the end of the schedule."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._describe()
        columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
        with Progress(*columns, console=console, refresh_per_second=2) as progress:
            task = progress.add_task("train", total=self.config.steps, note="")
            while self.step < self.config.steps:
                self._stage(progress, task)
        self._finish()

    def _stage(self, progress: Progress, task: Any) -> None:
        """Train to the end of the stage that the current step falls in."""
        config = self.config
        index, begin = stage_at(config.stages, self.step)
        stage = config.stages[index]
        model = make_network(self.keras, config, stage.size)
        set_weights(model, self.weights)
        logits = self.keras.Model(model.inputs, model.get_layer("logits").output)
        named = named_variables(model)
        slow = {named[name].path for name in self.pretrained}
        optimizer = make_optimizer(self.keras, config.optimizer, logits, slow=slow)

        def loss(output, truth, weight):
            return binary_loss(self.keras.ops, output, truth, weight, config.loss)

        step = make_step(self.keras, logits, optimizer, loss)
        self._load_optimizer(optimizer)
        pipeline = make_pipeline(config, stage, self.groups, self.data_root, self.cache)
        end = begin + stage.steps
        batches = pipeline.batches(
            stage.batch, start=self.step, stop=end, workers=config.data.workers
        )
        log = _Log(self.folder / "log.csv")
        for batch in batches:
            optimizer.learning_rate = learning_rate(config.stages, self.step, config.optimizer)
            parts = step(batch.tensor, batch.truth, batch.weight)
            self._check(parts, batch.names)
            self.step += 1
            log.add(parts)
            if self.step % AVERAGE_EVERY == 0:
                self._average(named)
            at_end = self.step == end
            if at_end or self.step % config.checkpoint_every == 0:
                self._capture(named, optimizer)
                self.save()
            if at_end or self.step % config.validate_every == 0:
                scores = self._validate(model, named, stage.size)
                line = log.write(self.step, scores)
                progress.console.print(line, highlight=False, soft_wrap=True)
            progress.update(task, completed=self.step, note=f"loss {parts['loss']:.3f}")

    def _check(self, parts: dict[str, float], names: tuple[str, ...]) -> None:
        if not np.isfinite(parts["loss"]):
            raise InputError(
                f"step {self.step}: got a loss of {parts['loss']}, expected a finite one; "
                f"the batch was {', '.join(names)}"
            )

    def _average(self, named: dict[str, Any]) -> None:
        # Early on the average must not remember the start: the decay grows with the steps.
        decay = min(self.config.optimizer.average, (1 + self.step) / (10 + self.step))
        share = 1 - decay**AVERAGE_EVERY
        for name, variable in named.items():
            self.average[name] = self.average[name] + np.float32(share) * (
                np.asarray(variable) - self.average[name]
            )

    def _capture(self, named: dict[str, Any], optimizer: Any) -> None:
        self.weights = {name: np.asarray(variable) for name, variable in named.items()}
        self.optimizer_state = [np.asarray(variable) for variable in optimizer.variables]

    def _load_optimizer(self, optimizer: Any) -> None:
        if self.optimizer_state is None:
            return
        for variable, value in zip(optimizer.variables, self.optimizer_state):
            variable.assign(value)

    def _validate(self, model: Any, named: dict[str, Any], size: tuple[int, int]) -> dict:
        current = {name: np.asarray(variable) for name, variable in named.items()}
        set_weights(model, self.average)
        scores = validate(
            lambda x: np.asarray(model.predict_on_batch(x)),
            make_spec(self.config, size),
            self.validation,
        )
        set_weights(model, current)
        return scores

    def _describe(self) -> None:
        text = json.dumps(dataclasses.asdict(self.config), indent=1)
        (self.folder / "config.json").write_text(text)
        spec = make_spec(self.config, self.config.stages[-1].size)
        (self.folder / "spec.json").write_text(spec.to_json())

    def _finish(self) -> None:
        model = make_network(self.keras, self.config, self.config.stages[-1].size)
        set_weights(model, self.average)
        model.save(self.folder / "model.keras")


class _Log:
    """log.csv: a row per validation, losses averaged since the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: list[dict[str, float]] = []
        self.begun = time.monotonic()

    def add(self, parts: dict[str, float]) -> None:
        self.parts.append(parts)

    def write(self, step: int, scores: dict[str, float]) -> str:
        """Append the row and return it as a line for people."""
        means = {key: float(np.mean([p[key] for p in self.parts])) for key in self.parts[0]}
        seconds = (time.monotonic() - self.begun) / len(self.parts)
        row = {"step": step, "seconds_per_step": seconds, **means, **scores}
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.parts, self.begun = [], time.monotonic()
        return " ".join(
            f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
        )


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }

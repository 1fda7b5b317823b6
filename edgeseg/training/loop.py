"""The training loop: stages, averaged weights, validation, checkpoints that resume exactly."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from ..data.pipeline import Pipeline
from ..errors import require
from ..models.weights import get_weights, named_variables, save_arrays, set_weights
from . import average
from .checking import check_files
from .checkpoint import State, kept
from .config import StageConfig, TrainConfig
from .devices import make_devices
from .objective import Objective
from .optimizer import make_optimizer
from .progress import noted_progress
from .record import Board, Log, as_line, describe
from .runs import write_network
from .schedule import learning_rate, stage_at
from .sources import make_network
from .start import is_normalized, start_network, unfolded
from .statistics import refresh_statistics
from .step import finite_loss, freeze, make_step, slow_paths
from .stopping import Stopped, last_step, stopping
from .supply import Supply
from .task import Task
from .tasks import make_task

PICTURES = 4


class Trainer:
    """A run: configuration, folder, and the state that a checkpoint holds.

    root: folder that the configuration's paths are relative to.
    devices: how many share each batch.
    skip_bad: go on without samples that cannot be read, instead of raising.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        *,
        root: Path,
        devices: int = 1,
        skip_bad: bool = False,
    ) -> None:
        self.keras = require("keras", extra="train")
        self.devices = make_devices(self.keras, devices)
        for stage in config.stages:
            self.devices.check_batch(stage.batch)
        self.folder, self.root, self.skip_bad = Path(folder), Path(root), skip_bad
        self.task: Task = make_task(config, root, skip_bad=skip_bad)
        self.config = self.task.config
        self.objective = Objective(self.keras, self.task, self.config, self.root)
        self.supply = Supply(self.keras, self.config, self.devices)
        self._check_sizes()
        self.keras.utils.set_random_seed(config.seed)
        network = make_network(self.keras, self.config, config.stages[0].size)
        network = self.objective.extended(network)
        self.report = start_network(network, self.config.model, self.root)
        self.pretrained = list(self.report.loaded) if self.report else []
        weights = get_weights(network)
        self.state = State(weights=dict(weights), average=dict(weights))
        self._stop = threading.Event()
        self.until = config.steps

    @property
    def step(self) -> int:
        """Steps that have been made."""
        return self.state.step

    @property
    def finished(self) -> bool:
        """Whether the schedule, or the patience, is at its end and the network is written."""
        return self._ended and (self.folder / "model.keras").exists()

    @property
    def _ended(self) -> bool:
        return self.step >= self.config.steps or self._early()

    def _check_sizes(self) -> None:
        # All at once: a size that the last stage cannot have is known before the first begins.
        for size in {stage.size for stage in self.config.stages[1:]}:
            make_network(self.keras, self.config, size)

    # Before the first step ------------------------------------------------------

    def check_data(self, *, console: Console) -> None:
        """Read every file once; InputError names the bad ones, unless they are to be skipped.

        InputError as well for what the pipeline of a later stage refuses.
        """
        check_files(
            self.task,
            workers=self.config.data.workers,
            skip_bad=self.skip_bad,
            console=console,
        )
        # What a later stage's pipeline refuses is known before the first begins, too.
        for stage in self.config.stages[1:]:
            self.task.pipeline(stage, make_network(self.keras, self.config, stage.size))

    def restore(self) -> None:
        """Read the checkpoint. InputError where the run's folder has none, or another network's."""
        path = self.folder / "checkpoints" / "last.npz"
        self.state = State.load(path, weights=self.state.weights)

    def stop_after(self, step: int) -> None:
        """Let `run` end after this step of the schedule, with the checkpoint written.

        After `restore`, if at all: InputError for a step that is not to come.
        """
        self.until = last_step(step, at=self.step, steps=self.config.steps)

    def unfold(self) -> None:
        """Start normalization that the weights of `init` have folded in from the first batches.

        `run` does it before the first step, when bad files have been named or left out.
        """
        stage, model = self.config.stages[0], self.config.model
        if not model.init or not is_normalized(self.state.weights):
            return
        network = make_network(self.keras, self.config, stage.size)
        pipeline = self.task.pipeline(stage, network)
        started = unfolded(network, model, self.root, self.state.weights, pipeline, stage.batch)
        # The weights of a head for training alone stay beside them.
        self.state.weights |= started
        self.state.average = dict(self.state.weights)

    # Training -------------------------------------------------------------------

    def run(self, *, console: Console) -> bool:
        """Train from the current step to the end of the schedule; whether that was reached.

        Raises Stopped after SIGTERM or SIGINT, with the checkpoint written.
        """
        describe(
            self.folder,
            self.config,
            self.task.spec(self.config.stages[-1].size),
            backend=self.keras.backend.backend(),
        )
        if self.step == 0:
            self.unfold()
        policy = self.keras.config.dtype_policy()
        self.log = Log(self.folder / "log.csv", resumed_at=self.step)
        self.board = Board(self.folder / "tensorboard") if self.config.tensorboard else None
        try:
            if self.config.mixed_precision:
                self.keras.config.set_dtype_policy("mixed_bfloat16")
            with (
                stopping(self._stop),
                noted_progress(console, refresh_per_second=2) as progress,
            ):
                task = progress.add_task("train", total=self.config.steps, note="")
                while self.step < self.until and not self._early():
                    self._stage(progress, task)
        finally:
            self.keras.config.set_dtype_policy(policy)
        if self._ended:
            write_network(self.keras, self.folder, self.config, self.task, self.state.average)
        return self._ended

    def _stage(self, progress: Progress, task: Any) -> None:
        """Train to the end of the stage that the current step falls in, or to `until`."""
        config, state = self.config, self.state
        index, begin = stage_at(config.stages, state.step)
        stage = config.stages[index]
        end = begin + stage.steps
        last = min(end, self.until)
        with self.devices.scope():
            model = make_network(self.keras, config, stage.size)
            trained = self.objective.extended(model)
            set_weights(trained, state.weights)
            freeze(model, config.optimizer.frozen)
            named = named_variables(trained)
            pipeline = self.task.pipeline(stage, model)
            self.objective.begin(model, pipeline)
            step, optimizer = self._compile(trained, named)
        state.put(model, optimizer, origin=self.folder, name=config.optimizer.name)
        move = average.make_mover(self.keras)
        if config.data.resident:
            progress.update(task, note="reading photos")
        sent: deque[tuple[dict[str, Any], int, tuple[str, ...]]] = deque()
        steps = self.supply.steps(
            pipeline, model, self.objective, stage.batch, start=state.step, stop=last
        )
        for names, arrays in steps:
            optimizer.learning_rate = learning_rate(config.stages, state.step, config.optimizer)
            parts = step(*arrays)
            sent.append((parts, state.step, names))
            state.step += 1
            self.log.add(parts)
            if state.step % average.EVERY == 0 or state.step == end:
                share = average.share_at(state.step, config.optimizer.average)
                state.average = move(state.average, named, share)
            stop = self._stop.is_set()
            validated = state.step == end or state.step % config.validate_every == 0
            saved = state.step == last or stop or state.step % config.checkpoint_every == 0
            # One step late, while the device is at the next, but before anything is kept.
            while len(sent) > (0 if validated or saved else 1):
                progress.update(task, note=f"loss {finite_loss(*sent.popleft()):.3f}")
            if validated:
                row = self._validate(model, named, stage, pipeline)
                progress.console.print(as_line(row), highlight=False, soft_wrap=True)
                saved = saved or self._early()
            if saved:
                state.take(model, named, optimizer)
                self._save()
            if state.step == last:
                # Kept for blending: `python -m edgeseg.training.release`.
                save_arrays(state.average, self.folder / f"weights-{state.step}.npz")
            progress.update(task, completed=state.step)
            if stop and state.step < config.steps:
                raise Stopped(f"stopped at step {state.step}; continue with --resume")
            if self._early():
                return

    def _compile(self, model: Any, named: dict[str, Any]) -> tuple[Any, Any]:
        slow = slow_paths(model, named, self.pretrained, self.config.optimizer.slow)
        optimizer = make_optimizer(self.keras, self.config.optimizer, model, slow=slow)
        step = make_step(self.keras, model, optimizer, self.objective.loss, self.devices)
        return step, optimizer

    def _save(self) -> None:
        """Write the checkpoint and the averaged weights."""
        self.state.save(self.folder / "checkpoints" / "last.npz")
        save_arrays(self.state.average, self.folder / "weights.npz")

    # Scores ---------------------------------------------------------------------

    def _validate(
        self, model: Any, named: dict[str, Any], stage: StageConfig, pipeline: Pipeline
    ) -> dict[str, float]:
        """Score the averaged weights, note it, and leave the network as it was."""
        spec = pipeline.spec

        def predict(tensor: np.ndarray) -> np.ndarray:
            return np.asarray(model.predict_on_batch(tensor), np.float32)

        with kept(model, named):
            set_weights(model, average.copied(self.state.average))
            refresh_statistics(model, pipeline, batch=stage.batch, steps=stage.steps)
            scores = self.task.validate(predict, spec)
            row = self.log.write(self.step, scores)
            if self.board:
                self.board.write(self.step, row, self.task.show(predict, spec, PICTURES), spec)
            if self.state.note(scores["score"]) and self.config.patience:
                save_arrays(get_weights(model), self.folder / "best.npz")
        return row

    def _early(self) -> bool:
        return 0 < self.config.patience <= self.state.waited

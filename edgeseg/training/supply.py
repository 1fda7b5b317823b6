"""What training steps are fed with: batches, from the CPU or the device, and a teacher's masks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..data.pipeline import Pipeline
from ..data.resident import Store, make_store, plans
from ..errors import InputError
from .config import TrainConfig
from .devices import Devices
from .feed import made_ahead
from .feedback import feeder
from .objective import Objective
from .render import make_renderer
from .tflite_teacher import held, shifted


class Supply:
    """Batches of a run, and what a step takes of each, ahead of their use.

    Raises InputError for `data.resident` with data that have classes, or several devices.
    """

    def __init__(self, keras: Any, config: TrainConfig, devices: Devices) -> None:
        self._keras, self._config, self._devices = keras, config, devices
        self._data = config.data
        self._store: Store | None = None
        if self._data.resident and self._data.reader:
            raise InputError(
                f"{config.name}: got data.resident with a reader, expected binary masks"
            )
        if self._data.resident and devices.count > 1:
            raise InputError(
                f"{config.name}: got data.resident with {devices.count} devices, expected one"
            )

    def batches(
        self, pipeline: Pipeline, size: int, *, start: int, stop: int, ahead: int = 2
    ) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """Batches `start` to `stop` of `size`: what has their `names`, and a step's arrays."""
        if self._data.resident:
            store = self.store(pipeline)
            made: Iterator[Any] = plans(pipeline, store, size, start=start, stop=stop)
            place: Callable[[Any], tuple[Any, ...]] = make_renderer(self._keras, store, pipeline)
        else:
            made = pipeline.batches(size, start=start, stop=stop, workers=self._data.workers)
            place = functools.partial(self._devices.place, self._keras)
        return made_ahead(made, place, count=ahead)

    def steps(
        self,
        pipeline: Pipeline,
        model: Any,
        objective: Objective,
        size: int,
        *,
        start: int,
        stop: int,
    ) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
        """For batches `start` to `stop`: their images' names, and what a step takes of them.

        model: the stage's network, whose own answers may be its previous masks.
        """
        teach = objective.teach(model, pipeline.spec)
        feed = feeder(self._keras, self._config, model)
        batches = self.batches(pipeline, size, start=start, stop=stop)
        for number, (batch, (tensor, truth, weight, *features)) in enumerate(batches, start):
            tensor = feed(tensor, number)
            answers = [teach(np.asarray(tensor))] if teach else []
            if pipeline.shifts:
                answers = [shifted(answer, batch.shift) for answer in answers]
            if pipeline.knows:
                answers = [held(answer, batch.truth, batch.known) for answer in answers]
            asked = (tensor,) if objective.takes_images else ()
            yield batch.names, (tensor, truth, weight, *answers, *features, *asked)

    def store(self, pipeline: Pipeline) -> Store:
        """All photos of a pipeline, read at the first call; every stage has the same."""
        if self._store is None:
            self._store = make_store(pipeline, self._data.resident, workers=self._data.workers)
        return self._store

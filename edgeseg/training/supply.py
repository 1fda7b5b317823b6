"""What training steps are fed with: batches made on the CPU, or on the device that trains."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from ..data.pipeline import Pipeline
from ..data.resident import Store, make_store, plans
from ..errors import InputError
from .config import TrainConfig
from .devices import Devices
from .feed import made_ahead
from .render import make_renderer


class Supply:
    """Batches of a run, ahead of their use.

    Raises InputError for `data.resident` with data that have classes, or several devices.
    """

    def __init__(self, keras: Any, config: TrainConfig, devices: Devices) -> None:
        self._keras, self._data, self._devices = keras, config.data, devices
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

    def store(self, pipeline: Pipeline) -> Store:
        """All photos of a pipeline, read at the first call; every stage has the same."""
        if self._store is None:
            self._store = make_store(pipeline, self._data.resident, workers=self._data.workers)
        return self._store

"""Batches made ahead of their use, by threads or by processes.

Processes are for machines with more cores than one interpreter can feed. Each makes whole batches
into memory that it shares with the one that trains; between processes goes no more than a step's
number and the names of its images.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol

import cv2
import numpy as np

from .batch import Batch

ARRAYS = ("pixels", "labels", "weight", "features", "known", "shift")


class Source(Protocol):
    """What batches come from: a pipeline."""

    def batch(self, step: int, size: int) -> Batch:
        """Batch number `step` of `size` examples."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the arrays of a batch lie in a piece of memory: shape, dtype and offset of each."""

    places: dict[str, tuple[tuple[int, ...], np.dtype, int]]
    size: int

    @classmethod
    def of(cls, batch: Batch, images: int) -> Layout:
        """The layout of a batch like this one, but of so many images."""
        places, end = {}, 0
        for name in ARRAYS:
            array = getattr(batch, name)
            if array is not None:
                shape = (images, *array.shape[1:])
                places[name] = shape, array.dtype, end
                # The next one begins where any dtype may.
                end += -(-int(np.prod(shape)) * array.dtype.itemsize // 64) * 64
        return cls(places, end)

    def views(self, memory: Any) -> dict[str, np.ndarray]:
        """The arrays by name, in this memory."""
        return {
            name: np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)
            for name, (shape, dtype, offset) in self.places.items()
        }


def batches_from_threads(
    pipeline: Source, size: int, *, start: int, stop: int, workers: int, ahead: int
) -> Iterator[Batch]:
    """Batches `start` to `stop`, in order, made by `workers` threads, `ahead` of their use."""
    with ThreadPoolExecutor(workers) as pool:
        queue: deque[Future[Batch]] = deque()
        for step in range(start, stop):
            queue.append(pool.submit(pipeline.batch, step, size))
            if len(queue) > ahead:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()


def batches_from_processes(
    pipeline: Source, size: int, *, start: int, stop: int, workers: int, ahead: int
) -> Iterator[Batch]:
    """Batches `start` to `stop`, in order, made by `workers` processes, `ahead` of their use.

    An error of a process is raised here, at its batch.
    """
    pattern = pipeline.batch(start, 1)
    layout = Layout.of(pattern, size)
    # Started anew, not forked: a fork would carry half of a running TensorFlow or JAX along.
    context = multiprocessing.get_context("spawn")
    slots = [context.RawArray("B", layout.size) for _ in range(workers + ahead)]
    free, queue = deque(range(len(slots))), deque[tuple[int, Future[tuple[str, ...]]]]()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(pipeline, layout, slots)
    )
    try:
        step = start
        while queue or step < stop:
            while free and step < stop:
                queue.append((slot := free.popleft(), pool.submit(_make, step, size, slot)))
                step += 1
            slot, made = queue.popleft()
            names = made.result()
            arrays = {name: view.copy() for name, view in layout.views(slots[slot]).items()}
            free.append(slot)
            yield dataclasses.replace(pattern, names=names, **arrays)  # type: ignore[arg-type]
    finally:
        pool.shutdown(cancel_futures=True)


_own: dict[str, Any] = {}


def _begin(pipeline: Source, layout: Layout, slots: list[Any]) -> None:
    """In a new process: what it makes batches with, and where they go."""
    cv2.setNumThreads(1)
    _own.update(pipeline=pipeline, slots=[layout.views(slot) for slot in slots])


def _make(step: int, size: int, slot: int) -> tuple[str, ...]:
    batch = _own["pipeline"].batch(step, size)
    for name, view in _own["slots"][slot].items():
        view[...] = getattr(batch, name)
    return batch.names

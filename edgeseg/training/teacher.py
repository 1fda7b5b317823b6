"""A teacher's soft masks, the second target of distillation."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..preprocess import resize
from ..spec import ModelSpec, load_model
from .runs import load_run

Teach = Callable[[np.ndarray], np.ndarray]


def answers_in_steps(path: Path) -> bool:
    """Whether a step asks the teacher itself, on its device, instead of being told."""
    return path.suffix != ".tflite"


def teaching_network(keras: Any, path: Path, spec: ModelSpec, grid: tuple[int, int]) -> Any:
    """A network from the images of a step to the teacher's probabilities.

    path: a run's folder or a Keras file. spec: the student's; the teacher must have as many
    classes and the same colour and scale, at any size.
    grid: (height, width) of the truth.

    It takes float32 (N, height, width, channels) of the student and gives (N, *grid, K).
    Raises InputError where there is no such file, and for other classes.
    """
    check_exists(path)
    model = (
        load_run(keras, path)[0] if path.is_dir() else keras.saving.load_model(path, compile=False)
    )
    model.trainable = False
    inputs = keras.Input((spec.height, spec.width, spec.channels))
    # A teacher without the previous-mask channel sees the image alone.
    images = inputs[..., : model.input_shape[-1]]
    answers = model(_on_grid(keras, images, model.input_shape[1:3]), training=False)
    _check_classes(path, answers.shape[-1], spec)
    return keras.Model(inputs, _on_grid(keras, answers, grid))


def tflite_teacher(path: Path, spec: ModelSpec, grid: tuple[int, int]) -> Teach:
    """The same of a .tflite, as a function of a batch's tensor: float32 arrays."""
    from ..preprocess import to_scores
    from ..runtime.interpreter import Interpreter

    check_exists(path)
    data, own = load_model(path)
    _check_classes(path, len(own.labels), spec)
    # One image to a processor: the kernels of such small networks gain less by sharing one.
    workers = os.cpu_count() or 1
    free: queue.SimpleQueue[Interpreter] = queue.SimpleQueue()
    for _ in range(workers):
        free.put(Interpreter(data, threads=1))
    pool = ThreadPoolExecutor(workers)

    def answer(image: np.ndarray) -> np.ndarray:
        shaped = resize(np.ascontiguousarray(image), own.width, own.height)
        shaped = shaped.reshape(1, own.height, own.width, -1)[..., : own.channels]
        interpreter = free.get()
        try:
            scores = to_scores(interpreter.run(shaped), own)
        finally:
            free.put(interpreter)
        return resize(scores, grid[1], grid[0]).reshape(*grid, -1)

    def teach(tensor: np.ndarray) -> np.ndarray:
        return np.stack(list(pool.map(answer, tensor)))

    return teach


def check_exists(path: Path) -> None:
    """Raise InputError where there is no such teacher."""
    if not path.exists():
        raise InputError(f"teacher: got no such file {path}, expected a run, Keras file or .tflite")


def _check_classes(path: Path, count: int, spec: ModelSpec) -> None:
    if count != len(spec.labels):
        raise InputError(f"teacher {path}: got {count} classes, expected {len(spec.labels)}")


def _on_grid(keras: Any, values: Any, size: tuple[int, int]) -> Any:
    if tuple(values.shape[1:3]) == tuple(size):
        return values
    return keras.ops.image.resize(values, size, interpolation="bilinear", antialias=True)

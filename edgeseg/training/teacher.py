"""A teacher's soft masks, the second target of distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..spec import ModelSpec
from .runs import load_run


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
    check_classes(path, answers.shape[-1], spec)
    return keras.Model(inputs, _on_grid(keras, answers, grid))


def check_exists(path: Path) -> None:
    """Raise InputError where there is no such teacher."""
    if not path.exists():
        raise InputError(f"teacher: got no such file {path}, expected a run, Keras file or .tflite")


def check_classes(path: Path, count: int, spec: ModelSpec) -> None:
    """Raise InputError for a teacher of other classes than the student's."""
    if count != len(spec.labels):
        raise InputError(f"teacher {path}: got {count} classes, expected {len(spec.labels)}")


def _on_grid(keras: Any, values: Any, size: tuple[int, int]) -> Any:
    if tuple(values.shape[1:3]) == tuple(size):
        return values
    return keras.ops.image.resize(values, size, interpolation="bilinear", antialias=True)

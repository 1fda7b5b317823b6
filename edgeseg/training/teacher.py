"""A teacher's soft masks, the second target of distillation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..preprocess import resize
from ..spec import ModelSpec, load_model
from .runs import load_run

Teach = Callable[[np.ndarray], np.ndarray]


def make_teacher(keras: Any, path: Path, spec: ModelSpec, output: tuple[int, int]) -> Teach:
    """A function from a batch's tensor to the teacher's probabilities on the student's grid.

    path: a run's folder, a Keras file or a .tflite. spec: the student's; the teacher
    must have as many classes and the same colour and scale, at any size.
    output: (height, width) of the student's output.

    The function takes float32 (N, h, w, channels) and gives float32 (N, *output, K).
    """
    if not path.exists():
        raise InputError(f"teacher: got no such file {path}, expected a run, Keras file or .tflite")
    predict, size, channels = _open(keras, path)
    wanted = spec.channels - int(spec.previous_mask)

    def teach(tensor: np.ndarray) -> np.ndarray:
        # A teacher without the previous-mask channel sees the image alone.
        tensor = tensor if channels == spec.channels else tensor[..., :wanted]
        inputs = [resize(np.ascontiguousarray(image), size[1], size[0]) for image in tensor]
        shaped = np.stack(inputs).reshape(len(tensor), *size, channels)
        return np.stack([_on_grid(answer, output) for answer in predict(shaped)])

    answer = teach(np.zeros((1, spec.height, spec.width, spec.channels), np.float32))
    if answer.shape[-1] != len(spec.labels):
        raise InputError(
            f"teacher {path}: got {answer.shape[-1]} classes, expected {len(spec.labels)}"
        )
    return teach


def _on_grid(scores: np.ndarray, output: tuple[int, int]) -> np.ndarray:
    return resize(scores, output[1], output[0]).reshape(*output, -1).astype(np.float32)


def _open(keras: Any, path: Path) -> tuple[Teach, tuple[int, int], int]:
    if path.suffix == ".tflite":
        return _open_tflite(path)
    model = (
        load_run(keras, path)[0] if path.is_dir() else keras.saving.load_model(path, compile=False)
    )
    height, width, channels = model.input_shape[1:]

    def predict(tensor: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_on_batch(tensor), np.float32)

    return predict, (height, width), channels


def _open_tflite(path: Path) -> tuple[Teach, tuple[int, int], int]:
    from ..preprocess import to_scores
    from ..runtime.interpreter import Interpreter

    data, spec = load_model(path)
    interpreter = Interpreter(data)

    def predict(tensor: np.ndarray) -> np.ndarray:
        return np.stack([to_scores(interpreter.run(image[np.newaxis]), spec) for image in tensor])

    return predict, (spec.height, spec.width), spec.channels

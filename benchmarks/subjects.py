"""What is measured: our models, peers and baselines, each as a Subject."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeseg.classical import METHODS
from edgeseg.errors import InputError
from edgeseg.preprocess import check_covers_input, to_mask, to_scores, to_tensor
from edgeseg.runtime import assets
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.runtime.segmentation import foreground
from edgeseg.spec import ModelSpec, load_model

Mask = np.ndarray
THRESHOLD = 0.5


@dataclass(frozen=True)
class Subject:
    """One thing to measure.

    kind: "model", "peer" or "baseline". path, spec: of a TFLite model; None
    where there is no such file. segment: uint8 (H, W, 3) BGR -> bool (H, W), for
    what is no model file. close: gives back what `segment` holds. limit: at most so many
    images of each family, for the slow ones; 0 means all. note: one line for the report.
    """

    name: str
    kind: str
    path: Path | None = None
    spec: ModelSpec | None = None
    segment: Callable[[np.ndarray], Mask] | None = None
    close: Callable[[], None] | None = None
    limit: int = 0
    note: str = ""

    def load(self) -> tuple[bytes, ModelSpec]:
        """The model file's bytes and spec; InputError for a subject without a file."""
        if self.path is None:
            raise InputError(f"{self.name}: got no model file")
        return load_model(self.path, spec=self.spec)

    def sha256(self) -> str:
        """Of the model file's bytes, hexadecimal; "" without one."""
        return "" if self.path is None else hashlib.sha256(self.path.read_bytes()).hexdigest()

    def predictor(self, *, threads: int = 1) -> Callable[[np.ndarray], Mask]:
        """Image -> bool mask, each image on its own: empty previous mask, no smoothing."""
        if self.segment is not None:
            return self.segment
        data, spec = self.load()
        interpreter = Interpreter(data, threads=threads)
        height, width = interpreter.outputs[0].shape[1:3]
        check_covers_input(spec, (height, width))

        def predict(frame: np.ndarray) -> Mask:
            scores = foreground(to_scores(interpreter.run(to_tensor(frame, spec)), spec))
            return to_mask(scores, frame.shape[1], frame.shape[0]) > THRESHOLD

        return predict


def model_subjects(models: Sequence[str]) -> list[Subject]:
    """Subjects of bundled names or paths; all bundled models where none are named."""
    found = []
    for model in models or assets.bundled():
        path = assets.resolve(model)
        _, spec = load_model(path)
        found.append(Subject(path.stem, "model", path, spec))
    return found


def baseline_subjects(*, limit: int) -> list[Subject]:
    """The classical methods, measured on at most `limit` images of each family."""
    return [
        Subject(name, "baseline", segment=method.segment, limit=limit, note=method.note)
        for name, method in METHODS.items()
    ]


def with_distinct_names(subjects: Sequence[Subject]) -> list[Subject]:
    """The same with names made distinct by their folder, then by a number."""
    taken: set[str] = set()
    result = []
    for subject in subjects:
        name = subject.name
        if name in taken and subject.path is not None:
            name = f"{subject.path.resolve().parent.name}/{name}"
        base, number = name, 2
        while name in taken:
            name, number = f"{base} ({number})", number + 1
        taken.add(name)
        result.append(replace(subject, name=name))
    return result

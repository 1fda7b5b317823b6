"""What a run writes beside its weights: configuration, environment, log, pictures."""

from __future__ import annotations

import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.sheet import overlay
from ..preprocess import resize
from ..spec import ModelSpec
from .config import TrainConfig

PACKAGES = (
    "edgeseg",
    "numpy",
    "opencv-python",
    "keras",
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "jax",
)
PICTURE_WIDTH = 320


def describe(folder: Path, config: TrainConfig, spec: ModelSpec, *, backend: str) -> None:
    """Write config.json, spec.json and environment.json into the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.json", json.dumps(dataclasses.asdict(config), indent=1))
    write_text(folder / "spec.json", spec.to_json())
    environment = {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": backend,
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": _commit(),
    }
    write_text(folder / "environment.json", json.dumps(environment, indent=1))


def changes_since(folder: Path, config: TrainConfig) -> list[str]:
    """What differs from the config.json of a run's folder, such as "seed: 1, now 2".

    Empty where the folder has none that can be read.
    """
    try:
        before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    now = json.loads(json.dumps(dataclasses.asdict(config)))
    return _differences(before, now, "")


def _differences(before: Any, now: Any, name: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(key for key in now if key not in before)]
        pairs = {key: (before.get(key), now.get(key)) for key in keys}
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = dict(enumerate(zip(before, now)))
    else:
        return [] if before == now else [f"{name}: {json.dumps(before)}, now {json.dumps(now)}"]
    return [
        line
        for key, (old, new) in pairs.items()
        for line in _differences(old, new, f"{name}.{key}" if name else str(key))
    ]


def write_text(path: Path, text: str) -> None:
    """Write beside and rename, so that an interruption never leaves half a file."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """The commit of the code that trains, with "+changes" where files differ; empty outside git."""
    here = Path(__file__).parent
    try:
        run = [
            subprocess.run(
                ["git", *words], cwd=here, capture_output=True, text=True, check=True, timeout=20
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return run[0] + ("+changes" if run[1] else "")


class Log:
    """log.csv: a row per validation, losses averaged since the one before.

    resumed_at: rows of later steps, which are about to be made again, are dropped.
    """

    def __init__(self, path: Path, *, resumed_at: int) -> None:
        self.path = path
        self.parts: list[dict[str, Any]] = []
        self.begun = time.monotonic()
        if path.exists():
            self._drop_after(resumed_at)

    def _drop_after(self, step: int) -> None:
        lines = self.path.read_text().splitlines()
        kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
        write_text(self.path, "\n".join([*lines[:1], *kept, ""]))

    def add(self, parts: dict[str, Any]) -> None:
        """Remember one step's losses, as they are: `write` makes numbers of them."""
        self.parts.append(parts)

    def write(self, step: int, scores: dict[str, float]) -> dict[str, float]:
        """Append the row and return it; new columns do not enter a file that exists."""
        means = {key: float(np.mean([float(p[key]) for p in self.parts])) for key in self.parts[0]}
        seconds = (time.monotonic() - self.begun) / len(self.parts)
        row = {"step": step, "seconds_per_step": seconds, **means, **scores}
        columns = list(row)
        new = not self.path.exists()
        if not new:
            with open(self.path, newline="") as file:
                columns = next(csv.reader(file), columns)
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.parts, self.begun = [], time.monotonic()
        return row


def as_line(row: dict[str, float]) -> str:
    """A log row for people; classes that do not occur are left out."""
    return " ".join(
        f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
        for key, value in row.items()
        if not (isinstance(value, float) and math.isnan(value))
    )


class Board:
    """TensorBoard: scalars, and pictures of predictions beside the truth."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(folder))

    def write(
        self,
        step: int,
        row: dict[str, float],
        shown: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        spec: ModelSpec,
    ) -> None:
        """One validation's row and its pictures: image, truth, prediction."""
        with self._writer.as_default(step=step):
            for name, value in row.items():
                if name != "step" and not math.isnan(value):
                    self._summary.scalar(name, value)
            for index, one in enumerate(shown):
                picture = side_by_side(*one, spec)[np.newaxis, ..., ::-1]
                self._summary.image(f"prediction {index}", picture)
        self._writer.flush()


def side_by_side(
    image: np.ndarray, truth: np.ndarray, predicted: np.ndarray, spec: ModelSpec
) -> np.ndarray:
    """uint8 (H, 3 W, 3) BGR: the image, the true classes and the predicted ones in colour."""
    palette = ((0, 0, 0), *spec.palette) if spec.binary else spec.palette
    width = PICTURE_WIDTH
    height = round(image.shape[0] * width / image.shape[1])
    small = resize(image, width, height)

    def coloured(ids: np.ndarray) -> np.ndarray:
        ids = cv2.resize(ids.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return overlay(small, ids, palette)

    return np.hstack([small, coloured(truth), coloured(predicted)])

"""Scores of a finished model on a data set, whatever file it comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.dataset import IGNORE, Labelled
from ..data.folder import check_size
from ..data.palette_folder import check_not_all_empty
from ..errors import InputError, ModelError, require
from ..metrics.boundary import boundary_f
from ..spec import ModelSpec, load_model
from .confusion import Confusion
from .runs import load_run
from .validation import Predict, predict_classes


@dataclass(frozen=True)
class Evaluation:
    """Scores per class, NaN for a class that does not occur, and over all.

    mean_iou: over the classes that the truth has. accuracy: share of right pixels.
    boundary_f: mean over the images and classes in which a class occurs.
    images: number of images.
    """

    labels: tuple[str, ...]
    iou: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    boundary: tuple[float, ...]
    mean_iou: float
    accuracy: float
    boundary_f: float
    images: int


def open_model(path: Path) -> tuple[Predict, ModelSpec]:
    """A .tflite or a bundled name, a .keras beside its spec.json, or a run's folder: a function.

    The function takes float32 (N, h, w, channels) and gives the model's output,
    float32 (N, h', w', classes).
    """
    if path.suffix == ".tflite" or not path.exists():
        from ..runtime import assets
        from ..runtime.interpreter import Interpreter

        path = assets.resolve(path)
        data, spec = load_model(path)
        interpreter = Interpreter(data)
        return lambda x: np.concatenate([interpreter.run(one[np.newaxis]) for one in x]), spec
    if not path.is_dir() and path.suffix != ".keras":
        raise InputError(
            f"{path}: got no model, expected a .tflite, a .keras file or a run's folder"
        )
    keras = require("keras", extra="train")
    if path.is_dir():
        model, spec, _ = load_run(keras, path)
    else:
        spec = ModelSpec.from_file(path.with_name("spec.json"))
        model = _load_keras(keras, path)
    return lambda x: np.asarray(model.predict_on_batch(x), np.float32), spec


def _load_keras(keras: Any, path: Path) -> Any:
    try:
        return keras.saving.load_model(path, compile=False)
    # Keras raises whatever its reader stumbles over first.
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{path}: got no Keras model that can be loaded ({first[:200]})") from None


def evaluate(
    predict: Predict,
    spec: ModelSpec,
    samples: Sequence[Labelled],
    labels: Sequence[str],
    *,
    tile: bool = False,
    progress: Callable[[], None] | None = None,
) -> Evaluation:
    """Score a model at the labels' own size, each image alone, the previous mask empty.

    labels: the data set's. A binary model is scored on two classes, background and
    everything else. Raises InputError where the numbers of classes differ, where there are no
    images, for a mask of another size than its image or with other classes, and for binary masks
    that are all empty because they hold numbers of classes; ModelError for answers that are no
    finite numbers.
    """
    if not samples:
        raise InputError("data: got no images, expected one or more")
    classes = 2 if spec.binary else len(spec.labels)
    if len(labels) != classes:
        raise InputError(
            f"classes: got {len(labels)} in the data ({', '.join(labels)}), expected {classes} as "
            f"the model {spec.name} has"
        )

    def finite(tensor: np.ndarray) -> np.ndarray:
        answer = predict(tensor)
        if not np.isfinite(answer).all():
            raise ModelError(f"model {spec.name!r}: got NaN or infinite answers")
        return answer

    confusion = Confusion(classes)
    outlines: list[list[float]] = [[] for _ in range(classes)]
    for sample in samples:
        image, truth = sample.read_image(), sample.read_labels()
        check_size(truth, image, sample.mask)
        if unknown := sorted({*np.unique(truth).tolist()} - {*range(classes), IGNORE}):
            raise InputError(
                f"{sample.mask}: got unknown class ids {unknown}, expected {classes} classes; "
                "`edgeseg dataset verify` names all such files"
            )
        predicted = predict_classes(finite, spec, image, tile=tile)
        confusion.add(truth, predicted)
        counted = truth != IGNORE
        for index in np.unique(truth[counted]):
            # What is predicted on ignored pixels must not count as an outline.
            found, wanted = (predicted == index) & counted, truth == index
            outlines[index].append(boundary_f(found, wanted))
        if progress:
            progress()
    if not any(outlines[1:]):
        check_not_all_empty(samples)
    boundary = [float(np.mean(values)) if values else float("nan") for values in outlines]
    return Evaluation(
        labels=tuple(labels),
        iou=tuple(map(float, confusion.iou)),
        precision=tuple(map(float, confusion.precision)),
        recall=tuple(map(float, confusion.recall)),
        boundary=tuple(boundary),
        mean_iou=confusion.mean_iou,
        accuracy=confusion.accuracy,
        boundary_f=float(np.nanmean(boundary)) if any(outlines) else float("nan"),
        images=len(samples),
    )


def best_threshold(samples: Sequence[Labelled], index: int) -> tuple[int, bool, float]:
    """The best that one grey threshold for all images can do for a class, chosen on these images.

    Returns the threshold, whether the class lies below it, and its IoU.
    """
    inside, outside = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for sample in samples:
        grey = sample.read_image().mean(axis=-1).astype(np.uint8)
        truth = sample.read_labels()
        inside += np.bincount(grey[truth == index], minlength=256)
        outside += np.bincount(grey[(truth != index) & (truth != IGNORE)], minlength=256)
    best = (0, True, 0.0)
    for below in (True, False):
        order = slice(None) if below else slice(None, None, -1)
        hits, false = np.cumsum(inside[order]), np.cumsum(outside[order])
        iou = hits / np.maximum(1, inside.sum() + false)
        place = int(np.argmax(iou))
        if iou[place] > best[2]:
            best = (place if below else 255 - place, below, float(iou[place]))
    return best

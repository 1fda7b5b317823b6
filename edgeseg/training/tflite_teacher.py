"""A teacher that is a .tflite, and second opinions: other networks beside it."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..preprocess import resize, to_scores
from ..runtime.interpreter import Interpreter
from ..spec import ModelSpec, load_model
from .target_config import SecondOpinionConfig
from .teacher import check_classes, check_exists

Teach = Callable[[np.ndarray], np.ndarray]

ALONE = SecondOpinionConfig()  # nobody else is heard
CUT = 1e-3  # probabilities are kept so far from 0 and 1: a float network's may be either


def tflite_teacher(
    path: Path,
    spec: ModelSpec,
    grid: tuple[int, int],
    second: SecondOpinionConfig = ALONE,
    root: Path = Path(),
) -> Teach:
    """A function from a batch's tensor to the teacher's probabilities, float32 arrays.

    path: the teacher. spec: the student's; the teacher must have as many classes and the same
    colour order, at any size and scale. grid: (height, width) of the truth. second: further
    networks, their paths relative to `root`.

    Of (N, height, width, channels) of the student it makes (N, *grid, K).
    Raises InputError where a file is not there, and for other classes or colours.
    """
    ask = _pool(path, spec, grid)
    everywhere = [_pool(root / other, spec, grid) for other in second.everywhere]
    others = [_pool(root / other, spec, grid) for other in second.models]

    def teach(tensor: np.ndarray) -> np.ndarray:
        own = ask(tensor)
        if everywhere:
            own = averaged(own, [other(tensor) for other in everywhere], second.everywhere_share)
        return heard(own, [other(tensor) for other in others], second) if others else own

    return teach


def check_second_opinion(
    second: SecondOpinionConfig, root: Path, teacher: Path | None, classes: int
) -> None:
    """Raise InputError where it cannot be heard.

    teacher: the .tflite beside which it is to be heard, None where there is none.
    """
    if teacher is None:
        raise InputError("second_opinion: got no .tflite as teacher, beside which to be heard")
    for path in (root / model for model in (*second.everywhere, *second.models)):
        if not path.exists():
            raise InputError(f"second_opinion: got no such file {path}, expected a .tflite")
    if classes > 1:
        raise InputError(f"second_opinion: got {classes} classes, expected binary masks")
    shares = (second.everywhere_share, second.share)
    if not (all(0 <= share <= 1 for share in shares) and second.reach > 0 and second.sure > 0):
        raise InputError(
            f"second_opinion: got everywhere_share {shares[0]}, share {shares[1]}, "
            f"reach {second.reach} and sure {second.sure}, expected shares of 0 to 1 and the "
            "others above 0"
        )


def averaged(own: np.ndarray, others: list[np.ndarray], share: float) -> np.ndarray:
    """Probabilities with `share` of the others' mean log odds: an ensemble (Dietterich 2000).

    own, others: probabilities, float32 (N, h, w, 1), and so is the answer.
    """
    theirs = _mean_log_odds(others)
    return _sigmoid((1 - share) * _log_odds(own) + share * theirs)


def heard(own: np.ndarray, others: list[np.ndarray], second: SecondOpinionConfig) -> np.ndarray:
    """Probabilities with the others' log odds mixed in where both find people.

    own, others: probabilities, float32 (N, h, w, 1), and so is the answer. What counts is how much
    of a neighbourhood both call a person, so that somebody whom the others do not find stays, a
    thing that they take for a person is none, and a gap in one's mask is filled by the other.
    `second.shift` is added there.
    """
    mine = _log_odds(own)
    theirs = _mean_log_odds(others)
    found = np.minimum(_around(own, second.reach), _around(_sigmoid(theirs), second.reach))
    agreed = np.clip(found / second.sure, 0.0, 1.0)
    return _sigmoid(mine + agreed * (second.share * (theirs - mine) + second.shift))


def shifted(probabilities: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Probabilities with `shift` added to each image's log odds, float32 (N, h, w, 1).

    shift: float32 (N,), as a batch has it. A teacher of photos from several sources answers to
    all alike, but some are labelled with wide outlines and others with tight ones.
    """
    return _sigmoid(_log_odds(probabilities) + shift[:, None, None, None])


def held(probabilities: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Probabilities with the truth in their place as far as it is known, float32 (N, h, w, 1).

    truth, known: as a batch has them, `Batch.truth` and `Batch.known`.
    """
    return probabilities + known / np.float32(255) * (truth - probabilities)


def _pool(path: Path, spec: ModelSpec, grid: tuple[int, int]) -> Teach:
    """A .tflite's answers, one image to a processor.

    The kernels of such small networks gain less by sharing one.
    """
    check_exists(path)
    data, own = load_model(path)
    check_classes(path, len(own.labels), spec)
    if own.colour != spec.colour:
        raise InputError(f"teacher {path}: got {own.colour}, expected the student's {spec.colour}")
    factor = np.divide(own.scale, spec.scale).astype(np.float32)
    shift = (own.offset - factor * spec.offset).astype(np.float32)
    alike = bool(np.allclose(factor, 1) and np.allclose(shift, 0))
    workers = os.cpu_count() or 1
    free: queue.SimpleQueue[Interpreter] = queue.SimpleQueue()
    for _ in range(workers):
        free.put(Interpreter(data, threads=1))
    pool = ThreadPoolExecutor(workers)

    def answer(image: np.ndarray) -> np.ndarray:
        # A teacher without the previous-mask channel sees the image alone.
        shaped = resize(np.ascontiguousarray(image), own.width, own.height)
        shaped = shaped.reshape(1, own.height, own.width, -1)[..., : own.channels]
        if not alike:
            shaped = shaped.copy()
            colours = shaped[..., : own.colour_channels]
            colours *= factor
            colours += shift
        interpreter = free.get()
        try:
            scores = to_scores(interpreter.run(shaped), own)
        finally:
            free.put(interpreter)
        return resize(np.ascontiguousarray(scores), grid[1], grid[0]).reshape(*grid, -1)

    def teach(tensor: np.ndarray) -> np.ndarray:
        return np.stack(list(pool.map(answer, tensor)))

    return teach


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    inside = np.clip(probabilities, CUT, 1 - CUT)
    return np.log(inside / (1 - inside))


def _mean_log_odds(several: list[np.ndarray]) -> np.ndarray:
    return np.mean([_log_odds(probabilities) for probabilities in several], axis=0)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))


def _around(probabilities: np.ndarray, reach: float) -> np.ndarray:
    """Their mean about each place, Gaussian, of standard deviation `reach` of the longer side."""
    sigma = reach * max(probabilities.shape[1:3])
    return np.stack([cv2.GaussianBlur(p, (0, 0), sigma)[..., None] for p in probabilities[..., 0]])

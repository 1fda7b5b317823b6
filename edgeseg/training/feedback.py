"""Previous masks that the network itself has answered, as in a running video.

Masks made of the truth (`data.previous_mask`) are better than what a network is given in use, and
what it learns from them is to believe its own mistakes. So some examples are given its answer to
the frame before, which has seen its answer to the one before that: the photo, moved a little
for each frame, is the video. The gradient stays within the last frame (compare DAgger, Ross et
al. 2011: learning on the states that the learner itself gets into).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data.augment import warp
from ..data.previous_mask import PreviousMaskConfig, motion
from ..preprocess import resize
from .config import TrainConfig
from .step import make_answer

# Apart from what the pipeline draws with the same seed.
OWN = 1

Predict = Callable[[np.ndarray], np.ndarray]


def feeder(keras: Any, config: TrainConfig, model: Any) -> Callable[[Any, int], Any]:
    """A function (tensor, step) -> tensor, `with_own_answers` of `model` where they are asked for.

    The answers are those of the weights that the model has when it is called.
    """
    previous = config.data.previous_mask
    if not previous.own:
        return lambda tensor, step: tensor

    predict = make_answer(keras, model)

    def feed(tensor: Any, step: int) -> np.ndarray:
        return with_own_answers(
            np.asarray(tensor), predict, previous, seed=(config.seed, step, OWN)
        )

    return feed


def with_own_answers(
    tensor: np.ndarray, predict: Predict, config: PreviousMaskConfig, *, seed: tuple[int, ...]
) -> np.ndarray:
    """A batch with the network's own answers as the previous masks of a share `config.own`.

    tensor: float32 (N, H, W, channels), the previous mask last. predict: from such a batch to
    probabilities (N, h, w, 1), at any size. seed: of the batch, for what is drawn.
    Returns the same shape; images and the other masks are as they were.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.random(len(tensor)) < config.own
    if not chosen.any():
        return tensor
    steps = [_step(rng, tensor.shape[1:3], config) for _ in tensor]
    # The oldest frame is a video's first. All examples go along: sizes that change are compiled
    # anew each time.
    _, height, width, _ = tensor.shape
    mask = np.zeros_like(tensor[..., -1])
    for back in range(int(rng.integers(config.own_frames)) + 1, 0, -1):
        frames = [_moved(image, step, back) for image, step in zip(tensor[..., :-1], steps)]
        batch = np.concatenate([np.stack(frames), mask[..., np.newaxis]], axis=-1)
        mask = np.stack([resize(a, width, height) for a in predict(batch)[..., 0]])
    fed = tensor.copy()
    fed[chosen, ..., -1] = mask[chosen]
    return fed


def _step(
    rng: np.random.Generator, shape: tuple[int, ...], config: PreviousMaskConfig
) -> np.ndarray:
    """A motion from one frame to the one before, 3x3; slow ones are as common as fast ones."""
    share = rng.random()
    slower = dataclasses.replace(
        config,
        shift=config.shift * share,
        scale=config.scale * share,
        rotation=config.rotation * share,
    )
    return np.vstack([motion(rng, (shape[0], shape[1]), slower), [0, 0, 1]])


def _moved(image: np.ndarray, step: np.ndarray, count: int) -> np.ndarray:
    height, width, channels = image.shape
    moved = warp(image, np.linalg.matrix_power(step, count)[:2], (width, height))
    return moved.reshape(height, width, channels)  # OpenCV drops a single one

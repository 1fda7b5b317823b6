"""How much what a network answers varies: the measure that errors are a share of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.pipeline import Pipeline

IMAGES = 48


def examples(keras: Any, network: Any, pipeline: Pipeline) -> list[np.ndarray]:
    """float32 (48, h, w, C) by output of `network`: its answers to the pipeline's first images."""
    answers = network.predict_on_batch(pipeline.batch(0, IMAGES).tensor)
    # Of a network with one output, Keras gives no list.
    return [np.asarray(answer, np.float32) for answer in keras.tree.flatten(answers)]


def spread_of(example: np.ndarray) -> float:
    """The variance over images and places, mean over the channels, of answers (N, h, w, C)."""
    return float(example.var((0, 1, 2)).mean())

"""Temporal measures of a sequence: lists of (H, W) arrays, one per frame, in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .region import check_same_shape, iou

Masks = Sequence[np.ndarray]


def _check(predictions: Masks, truths: Masks) -> None:
    if len(predictions) != len(truths) or not truths:
        raise InputError(
            f"sequence: got {len(predictions)} predictions and {len(truths)} truths, "
            "expected the same number, at least one"
        )
    for prediction, truth in zip(predictions, truths):
        check_same_shape(prediction, truth)


def flicker(predictions: Masks, truths: Masks) -> float:
    """Per mille of the pixels with unchanged truth between two frames whose prediction changed.

    predictions, truths: bool. A constant prediction scores 0: read it beside IoU.
    """
    _check(predictions, truths)
    changed = still = 0
    for t in range(1, len(truths)):
        same = truths[t] == truths[t - 1]
        still += int(np.count_nonzero(same))
        changed += int(np.count_nonzero(same & (predictions[t] != predictions[t - 1])))
    return 1000.0 * changed / still if still else 0.0


def lag(predictions: Masks, truths: Masks, *, longest: int = 5) -> int:
    """The k of 0 to `longest` that maximises the mean IoU of prediction t with truth t - k."""
    _check(predictions, truths)
    longest = min(longest, len(truths) - 1)
    scores = [
        np.mean([iou(predictions[t], truths[t - k]) for t in range(longest, len(truths))])
        for k in range(longest + 1)
    ]
    return int(np.argmax(scores))


def dtssd(predictions: Masks, truths: Masks) -> float:
    """100 times the root mean square of the difference of temporal gradients.

    predictions, truths: float in [0, 1] (Erofeev et al. 2015, dtSSD).
    """
    _check(predictions, truths)
    if len(truths) < 2:
        return 0.0
    squares = [
        np.mean(
            np.square(
                (predictions[t].astype(np.float32) - predictions[t - 1])
                - (truths[t].astype(np.float32) - truths[t - 1])
            )
        )
        for t in range(1, len(truths))
    ]
    return float(100 * np.sqrt(np.mean(squares)))


def video_consistency(predictions: Masks, truths: Masks, *, window: int = 8) -> float:
    """VC_n of VSPW (Miao et al. 2021): over windows of n frames, the share of the pixels
    of constant truth whose prediction is constant as well; in [0, 1].

    predictions, truths: integer labels or bool. 1.0 where no pixel is constant.
    """
    _check(predictions, truths)
    shares = []
    for start in range(len(truths) - window + 1):
        constant = np.logical_and.reduce(
            [truths[start] == truths[start + i] for i in range(1, window)]
        )
        kept = np.logical_and.reduce(
            [predictions[start] == predictions[start + i] for i in range(1, window)]
        )
        if constant.any():
            shares.append(np.count_nonzero(constant & kept) / np.count_nonzero(constant))
    return float(np.mean(shares)) if shares else 1.0

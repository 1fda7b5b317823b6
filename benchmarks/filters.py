"""Every temporal filter on every sequence: the flicker it takes away, the lag and time it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from edgeseg import Segmenter
from edgeseg.errors import InputError
from edgeseg.preprocess import to_mask
from edgeseg.runtime.segmenter import DEFAULT_TEMPORAL
from edgeseg.runtime.temporal import FILTERS

from . import video
from .subjects import THRESHOLD, Subject

Tick = Callable[[], None]
# What is measured: the temporal filter, and whether the network looks at people alone.
SETTINGS = {
    **{name: (name, True) for name in FILTERS},
    **{f"{name}, whole frames": (name, False) for name in ("none", DEFAULT_TEMPORAL)},
}
NAMES = tuple(SETTINGS)
NOTE = (
    "Filters: edges refined, means over the sequences; cost is the median processor time of a "
    "frame, the audit included."
)


def measure(subject: Subject, clips: Sequence[video.Clip], name: str, tick: Tick) -> dict:
    """Means over the sequences, `lag_worst` of any of them and `cost_ms` of a setting.

    name: of `SETTINGS`.

    InputError for a subject without a model file.
    """
    if subject.path is None:
        raise InputError(f"{subject.name}: got no model file, expected one to filter the masks of")
    temporal, focus = SETTINGS[name]
    seconds: list[float] = []
    scores = {}
    for clip in clips:
        with Segmenter(
            subject.path,
            delegate="cpu",
            threads=1,
            temporal=temporal,
            focus=focus,
            spec=subject.spec,
        ) as segmenter:
            masks = []
            for frame in clip.frames:
                masks.append(_mask(segmenter, frame.read_image(), seconds))
                tick()
        scores[clip.name] = video.score(masks, clip.truths())
    return {
        **video.mean(scores),
        "lag_worst": max(score["lag"] for score in scores.values()),
        "cost_ms": float(np.median(seconds)) * 1000,
    }


def _mask(segmenter: Segmenter, frame: np.ndarray, seconds: list[float]) -> np.ndarray:
    """bool (H, W), as `Segmenter.segment` gives it; the filter's processor time is noted."""
    view = segmenter.view(frame)
    scores = segmenter.scores(view)
    start = time.process_time()
    scores = segmenter.steady(scores, view)
    seconds.append(time.process_time() - start)
    return to_mask(segmenter.refined(scores, frame), frame.shape[1], frame.shape[0]) > THRESHOLD

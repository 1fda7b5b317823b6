"""The budget's choice, on candidates with known costs."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edgeseg import InputError, ModelSpec
from edgeseg.runtime import budget
from edgeseg.runtime.budget import Candidate, alternatives, budget_of, measure, plan
from edgeseg.runtime.effects import make_effect
from edgeseg.runtime.focus import GLANCE_EVERY
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.stream import Stream
from edgeseg.runtime.stream_settings import StreamSettings

LARGE = Candidate("large", (320, 320), invoke_ms=20, rest_ms=4)
SMALL = Candidate("small", (256, 256), invoke_ms=8, rest_ms=4)


@pytest.mark.parametrize(
    ("budget", "model", "cadence"),
    [
        (30, "large", 1),
        (24, "large", 1),
        (23, "small", 1),
        (12, "small", 1),
        # Every second frame of the small one goes before every third of the large one.
        (11, "small", 2),
        (8, "small", 2),
        (6, "small", 4),
    ],
)
def test_the_largest_that_fits(budget: float, model: str, cadence: int) -> None:
    chosen = plan([SMALL, LARGE], budget)
    assert (chosen.model, chosen.cadence) == (model, cadence)
    assert f"{budget:.1f} ms" in chosen.reason
    often = "every frame" if cadence == 1 else f"every {cadence}. frame"
    cost = 4 + {"large": 20, "small": 8}[model] / cadence
    size = {"large": "320x320", "small": "256x256"}[model]
    assert f"{model} at {size} on {often}" in chosen.reason
    assert f"measured {cost:.1f} ms" in chosen.reason


def test_what_cannot_be_kept_is_told() -> None:
    chosen = plan([SMALL, LARGE], 2)
    assert (chosen.model, chosen.cadence) == ("small", 4)
    assert "cannot be kept" in chosen.reason


def test_budget_of() -> None:
    assert budget_of(budget_ms=7, cpu_percent=None, fps=30) == 7
    assert budget_of(budget_ms=None, cpu_percent=50, fps=25) == pytest.approx(20)
    for wrong in ({"budget_ms": 0, "cpu_percent": None}, {"budget_ms": None, "cpu_percent": -1}):
        with pytest.raises(InputError, match="more than 0"):
            budget_of(fps=30, **wrong)


def test_measured_on_the_bundled_model() -> None:
    names = alternatives("person")
    assert names[0] == "person"
    spec = ModelSpec(name="person", width=8, height=8)
    frame = np.zeros((120, 160, 3), np.uint8)
    opened = functools.partial(Segmenter, delegate="cpu", threads=1)
    found = measure(names[:1], make_effect("blur", spec=spec), frame, opened=opened)
    assert found[0].invoke_ms > 0
    assert found[0].rest_ms >= 0
    assert found[0].cost_ms(2) < found[0].cost_ms(1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_measured_at_the_sources_size(monkeypatch, clip, wrapped: bool) -> None:
    shapes = []

    def measured(models, effect, frame, *, opened):
        shapes.append(frame.shape)
        return [SMALL]

    monkeypatch.setattr(budget, "measure", measured)
    monkeypatch.setattr(budget, "plan", lambda *_: budget.Plan("person", 1, "fits"))
    words = {"cpu_percent": 50} if wrapped else {"budget_ms": 50}
    with Stream(StreamSettings(source=str(clip), sink="none", effect="none", **words)) as stream:
        stream.run()
    assert shapes == [(64, 96, 3)]


@pytest.mark.parametrize(("focus", "every"), [(True, GLANCE_EVERY), (True, 4), (False, 4)])
def test_glances_are_paid_for_where_there_are_any(monkeypatch, focus, every) -> None:
    # A network that takes longer than everything together leaves nothing but the glances' share.
    monkeypatch.setattr(budget, "invoke_ms", lambda interpreter: 1e6)
    effect = make_effect("blur", spec=ModelSpec(name="person", width=8, height=8))
    opened = functools.partial(Segmenter, focus=focus, glance_every=every)
    frame = np.zeros((120, 160, 3), np.uint8)
    found = measure(["person"], effect, frame, opened=opened)
    assert found[0].rest_ms == (1e6 / (every + 1) if focus else 0)

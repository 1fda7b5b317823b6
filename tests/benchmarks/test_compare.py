"""What an older report is compared by: the figures of an entry, and how much worse is worse."""

from __future__ import annotations

import pytest
from edgeseg.benchmarks.compare import (
    Figure,
    Tolerance,
    figures,
    not_compared,
    regressions,
    worsening,
)
from edgeseg.benchmarks.entry import Entry, Report

from edgeseg.errors import GateFailed


def report(iou: float, milliseconds: float, flicker: float = 0.0) -> Report:
    entry = Entry("m", "model", speed={"p50_ms": milliseconds})
    entry.accuracy = {"families": {"a": {"images": 3, "iou": iou}}}
    entry.video = {"walk": {"frames": 9, "iou": 0.5, "flicker": flicker}}
    return Report({}, {}, "", "", [entry])


def test_the_figures_of_an_entry() -> None:
    entry = Entry("m", "model", speed={"p50_ms": 4.0, "ratio": {"value": 0.8, "to": "peer"}})
    entry.accuracy["families"] = {
        "a": {"images": 3, "iou": 0.75, "boundary_f": 0.5, "precision": 0.25},
        "neg": {"images": 2, "false_positive_area": 0.125},
    }
    entry.video = {"walk": {"frames": 9, "iou": 0.625, "flicker": 6.0, "lag": 1.0}}
    compared = [
        Figure("a iou", 0.75, "share", True, 3),
        Figure("a boundary_f", 0.5, "share", True, 3),
        Figure("neg false_positive_area", 0.125, "share", False, 2),
        Figure("walk iou", 0.625, "share", True, 9),
        Figure("walk flicker", 6.0, "flicker", False, 9),
    ]
    assert list(figures(entry)) == [*compared, Figure("ratio to peer", 0.8, "speed", False)]
    del entry.speed["ratio"]
    assert list(figures(entry)) == [*compared, Figure("p50_ms", 4.0, "speed", False)]
    entry.speed.clear()
    assert list(figures(entry)) == compared


@pytest.mark.parametrize(
    ("kind", "higher_is_better", "old", "new", "by"),
    [
        ("share", True, 0.75, 0.5, 0.25),
        ("share", False, 0.5, 0.75, 0.25),
        ("flicker", False, 4.0, 6.0, 2.0),
        ("speed", False, 4.0, 6.0, 0.5),
        ("speed", False, 4.0, 3.0, -0.25),
        ("speed", False, 0.0, 3.0, 3.0),
    ],
)
def test_times_worsen_by_a_share_of_the_old_one(kind, higher_is_better, old, new, by) -> None:
    after, before = (Figure("f", value, kind, higher_is_better) for value in (new, old))
    assert worsening(after, before) == by


def test_as_much_as_is_tolerated_is_no_regression() -> None:
    allowed = Tolerance(share=0.25, flicker=2.0, speed=0.5)
    assert regressions(report(0.5, 6.0, 2.0), report(0.75, 4.0), allowed) == []
    worse = regressions(report(0.4, 7.0, 2.5), report(0.75, 4.0), allowed)
    assert [(r["figure"], r["old"], r["new"], r["tolerance"]) for r in worse] == [
        ("a iou", 0.75, 0.4, 0.25),
        ("walk flicker", 0.0, 2.5, 2.0),
        ("p50_ms", 4.0, 7.0, 0.5),
    ]


def made(iou, ratio):
    families = {"ccp": {"iou": iou, "boundary_f": 0.5}}
    entry = Entry("m", "model", accuracy={"families": families}, speed={"ratio": {"value": ratio}})
    return Report({}, {}, "", "", [entry])


def test_compare_by_hand():
    old = made(0.90, 1.0)
    assert regressions(made(0.896, 1.09), old, Tolerance()) == []
    worse = regressions(made(0.894, 1.11), old, Tolerance())
    assert [r["figure"] for r in worse] == ["ccp iou", "ratio"]
    assert regressions(made(0.99, 0.5), old, Tolerance()) == []


def test_ratios_to_different_peers_are_not_compared():
    old, new = made(0.9, 1.0), made(0.9, 2.0)
    old.entries[0].speed["ratio"]["to"] = "selfie"
    new.entries[0].speed["ratio"]["to"] = "landscape"
    assert regressions(new, old, Tolerance()) == []
    assert not_compared(new, old) == ["m ratio to selfie"]
    new.entries[0].speed["ratio"]["to"] = "selfie"
    assert [r["figure"] for r in regressions(new, old, Tolerance())] == ["ratio to selfie"]


def test_figures_of_other_numbers_of_photos_are_not_compared():
    old, new = made(0.9, 1.0), made(0.5, 1.0)
    old.entries[0].accuracy["families"]["ccp"]["images"] = 100
    new.entries[0].accuracy["families"]["ccp"]["images"] = 5
    assert regressions(new, old, Tolerance()) == []
    assert not_compared(new, old) == ["m ccp iou", "m ccp boundary_f"]
    new.entries[0].accuracy["families"]["ccp"]["images"] = 100
    assert [r["figure"] for r in regressions(new, old, Tolerance())] == ["ccp iou"]


@pytest.mark.parametrize(
    ("words", "worse"),
    [
        ((), "a iou 0.7500 -> 0.5000; m p50_ms 4.0000 -> 6.0000"),
        (("--tolerance", "0.3"), "p50_ms 4.0000 -> 6.0000"),
        (("--speed-tolerance", "0.6"), "a iou 0.7500 -> 0.5000"),
        (("--tolerance", "0.3", "--speed-tolerance", "0.6"), ""),
    ],
)
def test_the_commands_tolerances(run, monkeypatch, tmp_path, words, worse) -> None:
    older = tmp_path / "old.json"
    older.write_text(report(0.75, 4.0).to_json())
    new = report(0.5, 6.0)
    monkeypatch.setattr("edgeseg.benchmarks.run.run", lambda *_, **__: (new, []))
    monkeypatch.setattr("edgeseg.benchmarks.output.write", lambda *_: None)
    result = run("person", "--compare", older, "-o", tmp_path, *words)
    if worse:
        assert isinstance(result.exception, GateFailed)
        assert str(result.exception) == f"benchmark: worse than {older}: m {worse}"
    else:
        assert result.exit_code == 0, result.output

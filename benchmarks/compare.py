"""A report against an older one: what got worse by more than the tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .entry import Entry, Report


@dataclass(frozen=True)
class Tolerance:
    """How much worse is still the same.

    share: of IoU, boundary F and false-positive area, absolute, in [0, 1].
    flicker: per mille, absolute. speed: of the time, relative.
    """

    share: float = 0.005
    flicker: float = 1.0
    speed: float = 0.10


@dataclass(frozen=True)
class Figure:
    """A figure of an entry. kind: the field of Tolerance. count: of photos or frames."""

    name: str
    value: float
    kind: str
    higher_is_better: bool
    count: int = 0


def regressions(new: Report, old: Report, tolerance: Tolerance) -> list[dict]:
    """What of entries and figures in both reports got worse: entry, figure, old, new, tolerance."""
    before = {(entry.name, f.name, f.count): f for entry in old.entries for f in figures(entry)}
    found = []
    for entry in new.entries:
        for figure in figures(entry):
            past = before.get((entry.name, figure.name, figure.count))
            if past is None or worsening(figure, past) <= getattr(tolerance, figure.kind):
                continue
            found.append(
                {
                    "entry": entry.name,
                    "figure": figure.name,
                    "old": past.value,
                    "new": figure.value,
                    "tolerance": getattr(tolerance, figure.kind),
                }
            )
    return found


def not_compared(new: Report, old: Report) -> list[str]:
    """Entries and figures of the older report that the new one has not, or of fewer or more images.

    Other photos have other figures: a part of them says nothing of all.
    """
    measured = {(entry.name, f.name, f.count) for entry in new.entries for f in figures(entry)}
    return [
        f"{entry.name} {figure.name}"
        for entry in old.entries
        for figure in figures(entry)
        if (entry.name, figure.name, figure.count) not in measured
    ]


def worsening(new: Figure, old: Figure) -> float:
    """By how much a figure got worse: absolute, relative to the old for speed; below 0 better."""
    change = old.value - new.value if new.higher_is_better else new.value - old.value
    return change / abs(old.value) if new.kind == "speed" and old.value else change


def figures(entry: Entry) -> Iterator[Figure]:
    """All figures of an entry that are compared.

    Time is compared relative to the peer's where there is one: another machine, or
    a busy one, is then no regression.
    """
    for family, values in entry.accuracy.get("families", {}).items():
        images = values.get("images", 0)
        for key in ("iou", "boundary_f"):
            if key in values:
                yield Figure(f"{family} {key}", values[key], "share", True, images)
        if "false_positive_area" in values:
            area = values["false_positive_area"]
            yield Figure(f"{family} false_positive_area", area, "share", False, images)
    for sequence, values in entry.video.items():
        frames = values.get("frames", 0)
        yield Figure(f"{sequence} iou", values["iou"], "share", True, frames)
        yield Figure(f"{sequence} flicker", values["flicker"], "flicker", False, frames)
    if "ratio" in entry.speed:
        # Ratios to different peers are different figures.
        to = entry.speed["ratio"].get("to")
        name = f"ratio to {to}" if to else "ratio"
        yield Figure(name, entry.speed["ratio"]["value"], "speed", False)
    elif "p50_ms" in entry.speed:
        yield Figure("p50_ms", entry.speed["p50_ms"], "speed", False)

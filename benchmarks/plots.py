"""The report's plots, each as PNG bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

from edgeseg.errors import require

from .entry import Entry, Report
from .table import families

# Chosen to be told apart with any colour vision (Okabe and Ito 2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#000000")
MARKERS = {"model": "o", "peer": "s", "baseline": "^"}
Plot = Callable[[Report, Any], bool]


def plots(report: Report) -> dict[str, bytes]:
    """Name -> PNG of every plot that the report has figures for."""
    drawn = {}
    for name, draw in {
        "accuracy_latency": accuracy_against_latency,
        "families": family_bars,
        "flicker": flicker_over_time,
        "groups": group_bars,
        "sustained": sustained,
    }.items():
        image = _png(draw, report)
        if image is not None:
            drawn[name] = image
    return drawn


def _png(draw: Plot, report: Report) -> bytes | None:
    """Run one drawing function on a fresh figure; None where it had nothing to draw."""
    figures = require("matplotlib.figure", extra="benchmark")
    figure = figures.Figure(figsize=(8, 4.5), dpi=130, layout="constrained")
    if not draw(report, figure):
        return None
    buffer = io.BytesIO()
    # Without the software's name in it the same figures give the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def colour(report: Report, entry: Entry) -> str:
    """The entry's colour, the same in all plots."""
    return COLOURS[[one.name for one in report.entries].index(entry.name) % len(COLOURS)]


def accuracy_against_latency(report: Report, figure: Any) -> bool:
    """Mean IoU over the time of an invoke, logarithmic; baselines have no invoke: whole image."""
    axes = figure.subplots()
    drawn = 0
    for entry in report.entries:
        accuracy, time = entry.accuracy.get("mean", {}).get("iou"), _milliseconds(entry)
        if accuracy is None or time is None:
            continue
        low, high = entry.accuracy["mean"]["ci"]
        axes.errorbar(
            time,
            accuracy,
            yerr=[[max(0, accuracy - low)], [max(0, high - accuracy)]],
            fmt=MARKERS[entry.kind],
            color=colour(report, entry),
            markersize=8,
            elinewidth=0.8,
            label=entry.name,
        )
        drawn += 1
    axes.set(xscale="log", xlabel="milliseconds an image (median)", ylabel="mean IoU")
    ticks = _ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    if drawn:
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return drawn > 0


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers on a logarithmic axis: matplotlib writes 2 ms as 2 x 10^0."""
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8) if high < 10 * low else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    return [tick for n in powers for step in steps if low <= (tick := step * 10.0**n) <= high]


def _milliseconds(entry: Entry) -> float | None:
    return entry.speed.get("p50_ms", entry.speed.get("image_p50_ms"))


def family_bars(report: Report, figure: Any) -> bool:
    """A group of bars for each family, with intervals; false-positive area on its own axis."""
    names = families(report)
    measured = [entry for entry in report.entries if entry.accuracy]
    kinds = {
        "iou": [n for n in names if any(_family(e, n).get("iou") is not None for e in measured)]
    }
    kinds["false_positive_area"] = [name for name in names if name not in kinds["iou"]]
    kinds = {key: found for key, found in kinds.items() if found}
    if not kinds:
        return False
    panels = figure.subplots(
        1, len(kinds), width_ratios=[len(found) for found in kinds.values()], squeeze=False
    )[0]
    for axes, (key, found) in zip(panels, kinds.items()):
        _bars(axes, report, measured, found, key)
        axes.set_title({"iou": "IoU, higher is better"}.get(key, "false area, lower is better"))
        if key != "iou":
            # In the tables it is a percentage, too.
            ticker = require("matplotlib.ticker", extra="benchmark")
            axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    _legend(figure, panels, columns=4)
    return True


def _legend(figure: Any, panels: Any, *, columns: int) -> None:
    """One legend below all panels: an entry may be missing in some of them."""
    shown: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            shown.setdefault(label, handle)
    figure.legend(
        shown.values(), shown.keys(), loc="outside lower center", ncols=columns, fontsize=8
    )


def _family(entry: Entry, name: str) -> dict:
    return entry.accuracy.get("families", {}).get(name, {})


def _bars(axes: Any, report: Report, entries: list[Entry], names: list[str], key: str) -> None:
    width = 0.8 / len(entries)
    for number, entry in enumerate(entries):
        for place, name in enumerate(names):
            family = _family(entry, name)
            if key not in family:
                continue
            low, high = family["ci"]
            axes.bar(
                place + (number - (len(entries) - 1) / 2) * width,
                family[key],
                width,
                yerr=[[max(0, family[key] - low)], [max(0, high - family[key])]],
                color=colour(report, entry),
                error_kw={"elinewidth": 0.8},
                label=entry.name,
            )
    axes.set_xticks(range(len(names)), names)
    axes.grid(axis="y", alpha=0.3)


def flicker_over_time(report: Report, figure: Any) -> bool:
    """Flicker of every sequence, frame by frame, smoothed over five frames to be readable."""
    sequences = sorted({name for entry in report.entries for name in entry.video})
    if not sequences:
        return False
    rows = -(-len(sequences) // 2)
    figure.set_size_inches(8, 2.6 * rows + 0.6)
    panels = figure.subplots(rows, min(2, len(sequences)), squeeze=False).ravel()
    for axes, name in zip(panels, sequences):
        for entry in report.entries:
            if name in entry.video:
                _flicker_line(axes, entry.video[name], entry.name, colour(report, entry), "-")
            if name in entry.video_unsmoothed:
                label = f"{entry.name}, no filter"
                past = entry.video_unsmoothed[name]
                _flicker_line(axes, past, label, colour(report, entry), ":")
        axes.set_title(name, fontsize=10)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("frame", fontsize=8)
        axes.grid(alpha=0.3)
    for axes in panels[len(sequences) :]:
        axes.set_visible(False)
    figure.supylabel("flicker, per mille", fontsize=9)
    _legend(figure, panels, columns=3)
    return True


def _flicker_line(axes: Any, values: dict, label: str, shade: str, style: str) -> None:
    series = values["flicker_over_time"]
    smooth = [
        sum(series[max(0, t - 2) : t + 3]) / len(series[max(0, t - 2) : t + 3])
        for t in range(len(series))
    ]
    axes.plot(range(1, len(smooth) + 1), smooth, style, color=shade, label=label, linewidth=1.4)


def group_bars(report: Report, figure: Any) -> bool:
    """IoU by group of the first entry that has groups, one panel for each attribute."""
    entry = next((one for one in report.entries if one.groups), None)
    if entry is None:
        return False
    figure.set_size_inches(8, 2.6 * len(entry.groups))
    panels = figure.subplots(len(entry.groups), 1, squeeze=False)[:, 0]
    for axes, (attribute, values) in zip(panels, entry.groups.items()):
        names = list(values["groups"])
        shares = [values["groups"][name]["iou"] for name in names]
        intervals = [values["groups"][name]["ci"] for name in names]
        spread = [
            [max(0, iou - low) for iou, (low, _) in zip(shares, intervals)],
            [max(0, high - iou) for iou, (_, high) in zip(shares, intervals)],
        ]
        axes.bar(names, shares, yerr=spread, color=colour(report, entry))
        gap = values["largest_gap"]["iou"]
        axes.set_title(f"{entry.name}: {attribute}, largest gap {gap:.3f}", fontsize=10)
        axes.set(ylim=(0, 1), ylabel="IoU")
    return True


def sustained(report: Report, figure: Any) -> bool:
    """Time of an invoke over minutes of load."""
    axes = figure.subplots()
    drawn = 0
    for entry in report.entries:
        load = entry.speed.get("sustained")
        if not load:
            continue
        step = load["seconds"] / len(load["p50_ms"])
        times = [step * (number + 0.5) for number in range(len(load["p50_ms"]))]
        axes.plot(times, load["p50_ms"], color=colour(report, entry), label=entry.name)
        drawn += 1
    axes.set(xlabel="seconds under load", ylabel="ms an invoke (median)", ylim=(0, None))
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend(fontsize=8)
    return drawn > 0

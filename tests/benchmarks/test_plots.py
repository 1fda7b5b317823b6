"""What a report's drawings show."""

from __future__ import annotations

import pytest
from edgeseg.benchmarks.entry import Entry, Report
from edgeseg.benchmarks.plots import accuracy_against_latency, family_bars
from matplotlib.figure import Figure


def timed(name, milliseconds):
    score = {"iou": 0.9, "ci": [0.88, 0.92]}
    empty = {"false_positive_area": 0.1, "ci": [0.05, 0.2]}
    accuracy = {"mean": score, "families": {"a": score, "neg": empty}}
    return Entry(name, "model", accuracy=accuracy, speed={"p50_ms": milliseconds})


@pytest.mark.parametrize(
    ("times", "labels"),
    [((1.7, 3.2), {"2", "2.5", "3"}), ((0.4, 430), {"0.5", "1", "10", "200"})],
)
def test_milliseconds_are_written_as_in_the_tables(times, labels):
    report = Report({}, {}, "", "", [timed(str(time), time) for time in times])
    drawing = Figure()
    assert accuracy_against_latency(report, drawing)
    (axes,) = drawing.axes
    ticks = axes.get_xticklabels()
    assert labels <= {tick.get_text() for tick in ticks}
    assert [float(tick.get_text()) for tick in ticks] == pytest.approx(axes.get_xticks())
    low, high = axes.get_xlim()
    assert low <= min(axes.get_xticks()) <= max(axes.get_xticks()) <= high


def test_false_area_is_drawn_in_percent():
    drawing = Figure()
    assert family_bars(Report({}, {}, "", "", [timed("m", 1.0)]), drawing)
    share, area = (axes.yaxis.get_major_formatter()(0.1) for axes in drawing.axes)
    assert "%" not in share
    assert float(area.removesuffix("%")) == 10

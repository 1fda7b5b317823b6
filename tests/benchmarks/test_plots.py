"""What a report's drawings show."""

from __future__ import annotations

import pytest
from edgeseg.benchmarks.entry import Entry, Report
from edgeseg.benchmarks.plots import (
    accuracy_against_latency,
    family_bars,
    flicker_over_time,
    group_bars,
    sustained,
)
from matplotlib.container import ErrorbarContainer
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


def share(iou, low, high):
    return {"iou": iou, "ci": [low, high]}


def whiskers(axes):
    """Lower and upper end of every error bar, in the order in which they were drawn."""
    bars = [bar for bar in axes.containers if isinstance(bar, ErrorbarContainer)]
    segments = [ends for bar in bars for ends in bar.lines[2][0].get_segments()]
    return [[point[1] for point in ends] for ends in segments]


def test_a_point_lies_at_its_time_and_iou_within_its_interval():
    score = {"mean": share(0.8, 0.7, 0.95)}
    model = Entry("m", "model", accuracy=score, speed={"p50_ms": 2.0, "image_p50_ms": 9.0})
    baseline = Entry("b", "baseline", accuracy=score, speed={"image_p50_ms": 90.0})
    # What lacks one of the two figures has no place.
    half = [Entry("t", "peer", speed={"p50_ms": 5.0}), Entry("a", "peer", accuracy=score)]
    drawing = Figure()
    assert accuracy_against_latency(Report({}, {}, "", "", [model, *half, baseline]), drawing)
    (axes,) = drawing.axes
    points = [container.lines[0].get_xydata()[0].tolist() for container in axes.containers]
    assert points == [[2.0, 0.8], [90.0, 0.8]]
    assert whiskers(axes) == [pytest.approx([0.7, 0.95])] * 2
    assert axes.get_xscale() == "log"


def test_bars_have_the_height_of_their_family_and_a_legend_for_all_who_have_one():
    # The second entry saw only those images of `mixed` that are without the class.
    families = {"mixed": share(0.6, 0.5, 0.8), "people": share(0.9, 0.85, 0.92)}
    few = {"mixed": {"false_positive_area": 0.1, "ci": [0, 1]}, "people": share(0.7, 0.6, 0.75)}
    entries = [
        Entry(name, "model", accuracy={"mean": {}, "families": found})
        for name, found in (("first", families), ("second", few))
    ]
    drawing = Figure()
    assert family_bars(Report({}, {}, "", "", entries), drawing)
    (axes,) = drawing.axes
    bars = [(bar.get_center()[0], bar.get_height()) for bar in axes.patches]
    # Two bars of 0.4 beside each other around the family's place.
    assert bars == [pytest.approx(pair) for pair in [(-0.2, 0.6), (0.8, 0.9), (1.2, 0.7)]]
    ends = [[0.5, 0.8], [0.85, 0.92], [0.6, 0.75]]
    assert whiskers(axes) == [pytest.approx(pair) for pair in ends]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["mixed", "people"]
    (legend,) = drawing.legends
    assert [text.get_text() for text in legend.get_texts()] == ["first", "second"]


def test_flicker_is_the_mean_of_five_frames_and_the_filter_can_be_told():
    walk = {"walk": {"flicker_over_time": [0, 0, 10, 0, 0, 0]}}
    run = {"run": {"flicker_over_time": [4, 4]}}
    entry = Entry("m", "model", video=walk | run, video_unsmoothed=walk)
    drawing = Figure()
    assert flicker_over_time(Report({}, {}, "", "", [entry]), drawing)
    short, long = (axes.get_lines() for axes in drawing.axes)
    assert short[0].get_xydata().tolist() == [[1, 4], [2, 4]]
    # At the ends of fewer frames: 10/3, 10/4, 10/5.
    wanted = [10 / 3, 2.5, 2, 2, 2.5, 0]
    assert [line.get_ydata().tolist() for line in long] == [pytest.approx(wanted)] * 2
    assert [line.get_linestyle() for line in long] == ["-", ":"]
    (legend,) = drawing.legends
    assert [text.get_text() for text in legend.get_texts()] == ["m", "m, no filter"]


def test_load_is_drawn_over_its_seconds():
    load = {"seconds": 60, "p50_ms": [3.0, 3.1, 3.4]}
    drawing = Figure()
    assert sustained(
        Report({}, {}, "", "", [Entry("m", "model", speed={"sustained": load})]), drawing
    )
    (line,) = drawing.axes[0].get_lines()
    # In the middle of three parts of 20 seconds.
    assert line.get_xydata().tolist() == [[10, 3.0], [30, 3.1], [50, 3.4]]
    assert not sustained(Report({}, {}, "", "", [Entry("m", "model")]), Figure())


def test_groups_are_drawn_with_their_interval_and_gap():
    found = {"dark": share(0.7, 0.6, 0.9), "bright": share(0.9, 0.8, 0.95)}
    light = {"groups": found, "largest_gap": {"iou": 0.2}}
    drawing = Figure()
    assert group_bars(
        Report({}, {}, "", "", [Entry("m", "model", groups={"light": light})]), drawing
    )
    (axes,) = drawing.axes
    assert [bar.get_height() for bar in axes.patches] == [0.7, 0.9]
    assert whiskers(axes) == [pytest.approx([0.6, 0.9]), pytest.approx([0.8, 0.95])]
    assert axes.get_title() == "m: light, largest gap 0.200"

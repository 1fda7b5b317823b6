"""What the tables of a report's page say."""

from __future__ import annotations

import pytest
from edgeseg.benchmarks.entry import Entry, Report
from edgeseg.benchmarks.page import accuracy_grid, filter_grid, render, summary_grid, video_grid

CPU = {
    "threads": 2,
    "delegate": "cpu",
    "fps": 333.4,
    "p50_ms": 3.0,
    "p90_ms": 3.25,
    "p99_ms": 4.0,
    "pipeline_fps": 60.4,
    "pipeline_bare_fps": 90.0,
    "ratio": {"value": 0.5, "ci": [0.4, 0.625]},
}
GPU = {"threads": 1, "delegate": "gpu", "unavailable": "no such library"}
MEAN = {"images": 20, "iou": 0.91, "ci": [0.9, 0.92], "set_iou": 0.95}
PEOPLE = {"images": 16, "iou": 0.8764, "ci": [0.8, 0.9]}
ROOMS = {"images": 4, "false_positive_area": 0.0125, "ci": [0.0, 0.031]}


def report(*entries) -> Report:
    return Report({"processor": "CPU", "usable_cores": 2}, {}, "edgeseg", "today", [*entries])


def cells(grid) -> list[list[tuple[str, str]]]:
    return [[(cell.text, cell.small) for cell in line.cells] for line in grid.lines]


@pytest.fixture
def model() -> Entry:
    accuracy = {"mean": MEAN, "families": {"rooms": ROOMS, "people": PEOPLE}}
    return Entry("m", "model", accuracy=accuracy, speed=CPU, speeds=[CPU, GPU])


def test_a_row_for_each_setting_and_its_accuracy_once(model):
    baseline = Entry("b", "baseline", speed={"image_p50_ms": 90.0, "pipeline_bare_fps": 11.1})
    grid = summary_grid(report(model, baseline))
    # Load time and memory were measured of none.
    assert grid.columns == [
        "name",
        "network FPS",
        "mean IoU",
        "device",
        "invoke ms",
        "ratio to peer",
        "whole-way FPS",
    ]
    none = ("", "")
    assert cells(grid) == [
        [
            ("m", "model"),
            ("333", ""),
            ("0.910", "0.900-0.920"),
            ("cpu, 2 threads", ""),
            ("3.00", "p90 3.25, p99 4.00"),
            ("0.50", "0.40-0.62"),
            ("60", "bare 90"),
        ],
        [
            ("m", "model"),
            ("", "no such library"),
            none,
            ("gpu, 1 thread", ""),
            none,
            none,
            none,
        ],
        [("b", "baseline"), none, none, none, ("90.00", ""), none, ("11", "")],
    ]


def test_false_area_is_written_in_percent_of_its_family(model):
    grid = accuracy_grid(report(model, Entry("unmeasured", "peer")))
    assert grid.columns == [
        "name",
        "images",
        "mean IoU",
        "set IoU",
        "people IoU",
        "rooms false area",
    ]
    assert cells(grid) == [
        [
            ("m", ""),
            ("20", ""),
            ("0.910", "0.900-0.920"),
            ("0.950", ""),
            ("0.876", "0.800-0.900"),
            ("1.2 %", "0.0-3.1"),
        ]
    ]


def test_a_sequence_stands_below_the_mean_with_the_filter_and_without():
    own, bare = ({"iou": iou, "flicker": flicker} for iou, flicker in ((0.9, 3.21), (0.8, 7.0)))
    means = {"default": {"iou": 0.95, "flicker": 1.0}, "none": {"iou": 0.85, "flicker": 6.0}}
    ours = Entry(
        "m", "model", video={"walk": own}, video_unsmoothed={"walk": bare}, video_mean=means
    )
    peer = Entry("p", "peer", video={"walk": bare}, video_mean={"default": means["none"]})
    grid = video_grid(report(ours, peer, Entry("b", "baseline")))
    assert grid.columns == ["name", "filter", "sequence", "IoU", "flicker"]
    assert [[text for text, _ in line] for line in cells(grid)] == [
        ["m", "own", "mean of all", "0.950", "1.0"],
        ["m", "own", "walk", "0.900", "3.2"],
        ["m", "none", "mean of all", "0.850", "6.0"],
        ["m", "none", "walk", "0.800", "7.0"],
        ["p", "none", "mean of all", "0.850", "6.0"],
        ["p", "none", "walk", "0.800", "7.0"],
    ]


def test_filters_are_rows_with_their_cost():
    flow = {"flicker": 1.06, "iou": 0.9, "boundary_f": 0.8, "lag_worst": 1.0, "cost_ms": 0.444}
    grid = filter_grid(report(Entry("m", "model", filters={"flow": flow})))
    assert [[text for text, _ in line] for line in cells(grid)] == [
        ["m", "flow", "1.1", "0.900", "0.800", "1", "0.44"]
    ]


def test_names_are_text_on_the_page_and_parts_that_were_not_measured_are_left_out(model):
    model.name = "<b>m</b>"
    page = render(report(model), {"sustained": b"picture"}, [])
    assert "&lt;b&gt;m&lt;/b&gt;" in page
    assert "<b>m" not in page
    assert 'src="data:image/png;base64,cGljdHVyZQ=="' in page
    titles = [part.partition("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert titles == ["Summary", "Accuracy", "Sustained load", "Notes", "Machine and command"]

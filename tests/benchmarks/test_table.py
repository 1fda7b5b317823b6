"""The rows of a report, and how their figures are written."""

from __future__ import annotations

import pytest
from edgeseg.benchmarks.entry import Entry, Report
from edgeseg.benchmarks.table import _text, console_table, row, to_csv


def test_a_row_by_hand() -> None:
    entry = Entry("m", "model")
    entry.accuracy = {
        "families": {"a": {"iou": 0.75}, "neg": {"false_positive_area": 0.125}},
        "mean": {"images": 5, "iou": 0.5},
    }
    entry.video_mean = {"default": {"iou": 0.25, "flicker": 6.0}, "plain": {"iou": 0.125}}
    entry.speed = {"threads": 2, "p50_ms": 4.0, "ratio": {"value": 0.8, "to": "peer"}}
    cells = row(entry, ["a", "b", "neg"])
    assert {name: value for name, value in cells.items() if value is not None} == {
        "name": "m",
        "kind": "model",
        "a_iou": 0.75,
        "neg_false_positive_area": 0.125,
        "images": 5,
        "iou": 0.5,
        "video_iou": 0.25,
        "video_flicker": 6.0,
        "threads": 2,
        "p50_ms": 4.0,
        "ratio": 0.8,
    }
    # What was not measured has the column of those who have it measured.
    assert list(cells)[:5] == ["name", "kind", "a_iou", "b_iou", "neg_false_positive_area"]
    text = to_csv(Report({}, {}, "", "", [entry]))
    header, line = text.split("\n")[:2]
    assert header.startswith("name,kind,a_iou,neg_false_positive_area,images,iou,set_iou,")
    assert line.startswith("m,model,0.75,0.125,5,0.5,,")
    assert (text.count("\n"), text.count("\r")) == (2, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("cpu", "cpu"),
        (12, "12"),
        (0.1254, "0.125"),
        (9.5, "9.500"),
        (10.0, "10.0"),
        (-12.34, "-12.3"),
    ],
)
def test_three_digits_of_a_share_and_one_of_a_rate(value, text) -> None:
    assert _text(value) == text


def test_names_and_labels_are_whole_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a-long-name-of-an-entry-{number}" for number in range(8)]
    accuracy = {"mean": {"images": 3, "iou": 0.5, "precision": 0.123456}}
    console_table(Report({}, {}, "", "", [Entry(n, "model", accuracy=accuracy) for n in names]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    heads = [line.split("┃")[2:-1] for line in lines if line.startswith("┃")]
    assert ["".join(part.strip() for part in parts) for parts in zip(*heads)] == names
    cells = [line.split("│")[1:3] for line in lines if line.startswith("│")]
    assert "precision" in "".join(label.strip() for label, _ in cells)
    assert "0.123" in [figure.strip() for _, figure in cells]

"""The report's summary as rows: for the terminal, the CSV and the page."""

from __future__ import annotations

import csv
import io

from rich.console import Console
from rich.table import Column, Table

from .entry import Entry, Report, rounded

ACCURACY_COLUMNS = ("images", "iou", "set_iou", "boundary_f", "precision", "recall")
TIMES = ("p50_ms", "p90_ms", "p99_ms", "fps", "image_p50_ms")
WHOLE_WAY = ("pipeline_fps", "pipeline_bare_fps", "load_ms", "memory_mib")
SPEED_COLUMNS = ("threads", "delegate", *TIMES, *WHOLE_WAY, "unavailable")
FILTER_COLUMNS = ("flicker", "iou", "boundary_f", "lag_worst", "cost_ms")


def families(report: Report) -> list[str]:
    """Names of all families, sorted."""
    return sorted({name for e in report.entries for name in e.accuracy.get("families", {})})


def value_of(family: dict) -> float | None:
    """The figure a family stands for: IoU, or the false-positive area of one without the class."""
    return family.get("iou", family.get("false_positive_area"))


def row(entry: Entry, names: list[str]) -> dict[str, float | str | None]:
    """One flat row: column -> value; None where it was not measured."""
    accuracy = entry.accuracy.get("families", {})
    cells: dict[str, float | str | None] = {"name": entry.name, "kind": entry.kind}
    for name in names:
        family = accuracy.get(name, {})
        label = "false_positive_area" if "iou" not in family and family else "iou"
        cells[f"{name}_{label}"] = value_of(family)
    mean = entry.accuracy.get("mean", {})
    cells |= {key: mean.get(key) for key in ACCURACY_COLUMNS}
    cells |= {key: entry.speed.get(key) for key in SPEED_COLUMNS}
    steady = entry.video_mean.get("default", {})
    cells |= {f"video_{key}": steady.get(key) for key in ("iou", "boundary_f", "flicker", "lag")}
    cells["ratio"] = entry.speed.get("ratio", {}).get("value")
    return cells


def rows(report: Report) -> list[dict[str, float | str | None]]:
    """The rows of all entries, with the same columns."""
    names = families(report)
    return [row(entry, names) for entry in report.entries]


def to_csv(report: Report) -> str:
    """The rows as CSV text, floats rounded as in report.json."""
    table = [{key: rounded(value) for key, value in cells.items()} for cells in rows(report)]
    columns = list(dict.fromkeys(column for cells in table for column in cells))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def console_table(report: Report) -> None:
    """Print the figures with a column for each entry: names are long, figures short."""
    table = rows(report)
    heads = [Column(str(cells["name"]), overflow="fold") for cells in table]
    printed = Table(Column("", overflow="fold"), *heads)
    for column in dict.fromkeys(column for cells in table for column in cells):
        values = [cells.get(column) for cells in table]
        if column != "name" and any(value is not None for value in values):
            printed.add_row(column.replace("_", " "), *map(_text, values))
    Console().print(printed)
    _print_filters(report)


def _print_filters(report: Report) -> None:
    for entry in report.entries:
        if not entry.filters:
            continue
        printed = Table("filter", *FILTER_COLUMNS, title=f"{entry.name}: temporal filters")
        for name, values in entry.filters.items():
            printed.add_row(name, *[_text(values.get(column)) for column in FILTER_COLUMNS])
        Console().print(printed)


def _text(value: float | str | None) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    # Three digits of a share, one of a rate: more would not fit beside the other entries.
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"

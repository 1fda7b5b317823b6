"""Writing a report's files: report.json, report.csv, report.html and the plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeseg.errors import require

from .entry import Report, write_bytes, write_text
from .page import render
from .pictures import Case
from .plots import plots
from .table import to_csv


def check_extras() -> None:
    """Raise MissingExtra before minutes of measuring, not after."""
    require("matplotlib", extra="benchmark")
    require("jinja2", extra="benchmark")


def write(report: Report, cases: Sequence[Case], folder: Path) -> None:
    """Write all files; each appears whole, report.html last."""
    write_text(folder / "report.json", report.to_json())
    write_text(folder / "report.csv", to_csv(report))
    drawn = plots(report)
    for name, png in drawn.items():
        write_bytes(folder / f"{name}.png", png)
    write_text(folder / "report.html", render(report, drawn, cases))

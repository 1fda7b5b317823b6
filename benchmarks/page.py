"""The report as one self-contained page: no script, no file beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeseg.errors import require

from .entry import Entry, Report
from .pictures import Case
from .pipeline import FRAME_SIZE
from .table import families

TEMPLATE = Path(__file__).with_name("page.html.j2")
SECTIONS = (
    (
        "Accuracy against latency",
        "accuracy_latency",
        "Up and to the left is better. Circles are our models, squares peers, triangles baselines; "
        "baselines have no network, their time is that of the whole image.",
    ),
    ("By family", "families", "A family is the file name's prefix; whiskers are 95 % intervals."),
    ("By group", "groups", "IoU of each group with its interval, and the largest gap."),
    (
        "Flicker over time",
        "flicker",
        "Frame by frame, averaged over five frames; lower is steadier.",
    ),
    ("Sustained load", "sustained", "A rising line is a machine that throttles."),
)
# Measures of a sequence, and how many digits of each mean something.
VIDEO_DIGITS = (
    ("iou", 3),
    ("boundary_f", 3),
    ("flicker", 1),
    ("lag", 2),
    ("dtssd", 2),
    ("vc8", 3),
)


@dataclass(frozen=True)
class Cell:
    """A cell of a table; `small` goes under the figure."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Line:
    """A row; kind: "model", "peer" or "baseline"."""

    kind: str
    cells: list[Cell]


@dataclass(frozen=True)
class Grid:
    """A table of the page."""

    columns: list[str]
    lines: list[Line]


def render(report: Report, plots: Mapping[str, bytes], cases: Sequence[Case]) -> str:
    """HTML text with the plots (name -> PNG) and pictures inside."""
    jinja2 = require("jinja2", extra="benchmark")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        report=asdict(report),
        summary=summary_grid(report),
        accuracy=accuracy_grid(report),
        video=video_grid(report),
        filters=filter_grid(report),
        sections=SECTIONS,
        plots={name: base64.b64encode(png).decode() for name, png in plots.items()},
        cases=[{**asdict(c), "jpeg": base64.b64encode(c.jpeg).decode()} for c in cases],
        frame_size="x".join(map(str, FRAME_SIZE)),
    )


def summary_grid(report: Report) -> Grid:
    """FPS and IoU per variant and device; columns without any figure are left out."""
    columns = ["name", "network FPS", "mean IoU", "device", "invoke ms", "ratio to peer"]
    columns += ["whole-way FPS", "load ms", "memory MiB"]
    lines = [
        Line(entry.kind, _summary_cells(entry, speed, first=number == 0))
        for entry in report.entries
        for number, speed in enumerate([entry.speed, *entry.speeds[1:]])
    ]
    return without_empty(Grid(columns, lines))


def accuracy_grid(report: Report) -> Grid:
    """Mean and families of every entry; without lines where no accuracy was measured."""
    names = families(report)
    columns = ["name", "images", "mean IoU", "set IoU", "boundary F", "precision", "recall"]
    columns += [_family_title(report, name) for name in names]
    measured = [entry for entry in report.entries if entry.accuracy]
    lines = [Line(entry.kind, _accuracy_cells(entry, names)) for entry in measured]
    return without_empty(Grid(columns, lines))


def _family_title(report: Report, name: str) -> str:
    measured = [e.accuracy.get("families", {}).get(name, {}) for e in report.entries]
    return f"{name} IoU" if any("iou" in family for family in measured) else f"{name} false area"


def _summary_cells(entry: Entry, speed: Mapping, *, first: bool) -> list[Cell]:
    """One row; a further setting of the same entry repeats no accuracy."""
    mean = entry.accuracy.get("mean", {}) if first else {}
    device = f"{speed['delegate']}, {speed['threads']} thread" if "delegate" in speed else ""
    device += "s" if speed.get("threads", 1) > 1 else ""
    ratio = speed.get("ratio", {})
    bare = speed.get("pipeline_bare_fps")
    way = speed.get("pipeline_fps")
    return [
        Cell(entry.name, entry.kind),
        Cell(_number(speed.get("fps"), 0), speed.get("unavailable", "")),
        Cell(_number(mean.get("iou"), 3), _interval(mean, 3)),
        Cell(device),
        Cell(_number(speed.get("p50_ms", speed.get("image_p50_ms")), 2), _tail(speed)),
        Cell(_number(ratio.get("value"), 2), _interval(ratio, 2)),
        Cell(_number(way or bare, 0), f"bare {bare:.0f}" if way and bare else ""),
        Cell(_number(speed.get("load_ms"), 1)),
        Cell(_number(speed.get("memory_mib"), 1)),
    ]


def _accuracy_cells(entry: Entry, names: list[str]) -> list[Cell]:
    mean = entry.accuracy["mean"]
    return [
        Cell(entry.name),
        Cell(str(mean["images"])),
        Cell(_number(mean.get("iou"), 3), _interval(mean, 3) if "iou" in mean else ""),
        *[Cell(_number(mean.get(k), 3)) for k in ("set_iou", "boundary_f", "precision", "recall")],
        *[_family_cell(entry.accuracy["families"].get(name, {})) for name in names],
    ]


def _family_cell(family: Mapping) -> Cell:
    if "iou" in family:
        return Cell(_number(family["iou"], 3), _interval(family, 3))
    if "false_positive_area" not in family:
        return Cell("")
    low, high = family["ci"]
    return Cell(f"{100 * family['false_positive_area']:.1f} %", f"{100 * low:.1f}-{100 * high:.1f}")


def video_grid(report: Report) -> Grid:
    """Means over sequences, then each sequence, for every entry with and without its filter."""
    columns = ["name", "filter", "sequence", "IoU", "boundary F", "flicker", "lag", "dtSSD", "VC8"]
    lines = []
    for entry in report.entries:
        for label, sequences in (("own", entry.video), ("none", entry.video_unsmoothed)):
            applied = label if entry.kind == "model" else "none"
            mean = entry.video_mean.get("default" if label == "own" else "none", {})
            if not sequences:
                continue
            for name, values in [("mean of all", mean), *sequences.items()]:
                cells = [Cell(entry.name), Cell(applied), Cell(name)]
                cells += [Cell(_number(values.get(key), digits)) for key, digits in VIDEO_DIGITS]
                lines.append(Line(entry.kind, cells))
    return without_empty(Grid(columns, lines))


def filter_grid(report: Report) -> Grid:
    """Every temporal filter of our models; without lines where they were not asked for."""
    columns = ["name", "filter", "flicker", "IoU", "boundary F", "worst lag", "cost ms"]
    digits = (("flicker", 1), ("iou", 3), ("boundary_f", 3), ("lag_worst", 0), ("cost_ms", 2))
    lines = [
        Line(
            entry.kind,
            [Cell(entry.name), Cell(name)]
            + [Cell(_number(values.get(key), places)) for key, places in digits],
        )
        for entry in report.entries
        for name, values in entry.filters.items()
    ]
    return Grid(columns, lines)


def without_empty(grid: Grid) -> Grid:
    """The grid without the columns in which nothing stands."""
    kept = [
        index
        for index in range(len(grid.columns))
        if any(line.cells[index].text or line.cells[index].small for line in grid.lines)
    ]
    return Grid(
        [grid.columns[index] for index in kept],
        [Line(line.kind, [line.cells[index] for index in kept]) for line in grid.lines],
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _interval(values: Mapping, digits: int) -> str:
    if "ci" not in values:
        return ""
    low, high = values["ci"]
    return f"{low:.{digits}f}-{high:.{digits}f}"


def _tail(speed: Mapping) -> str:
    return f"p90 {speed['p90_ms']:.2f}, p99 {speed['p99_ms']:.2f}" if "p99_ms" in speed else ""

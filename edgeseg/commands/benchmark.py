"""`edgeseg benchmark`: FPS and IoU of models, beside peers and baselines, in one report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..benchmarks.entry import Report


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(benchmark)


def benchmark(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Model files or bundled names. Default: all bundled ones."),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder with images/ and masks/; repeatable.")
    ] = None,
    video: Annotated[
        list[Path] | None,
        typer.Option(help="Sequence with images/ and masks/, or a folder of them; repeatable."),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            help="mediapipe, mediapipe=WHEEL, FILE.tflite or FILE.tflite=SPEC.json; repeatable."
        ),
    ] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="Classical methods too.")] = False,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the report.")] = Path(
        "report"
    ),
    only: Annotated[str, typer.Option(help="One part: accuracy, speed or video.")] = "",
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of the invoke; repeatable. Default: 1.")
    ] = None,
    delegate: Annotated[
        list[str] | None, typer.Option(help="auto, edgetpu, gpu or cpu; repeatable. Default: cpu.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Rounds of the latency measurement.")] = 100,
    limit: Annotated[int, typer.Option(min=0, help="Images of each family; 0 for all.")] = 0,
    baseline_limit: Annotated[
        int, typer.Option(min=1, help="Images of each family for the slow baselines.")
    ] = 20,
    sustained: Annotated[
        float, typer.Option(min=0, help="Seconds of sustained load for each model; 0 for none.")
    ] = 0.0,
    groups: Annotated[
        Path | None, typer.Option(help="CSV: image, and one column for each attribute.")
    ] = None,
    filters: Annotated[
        bool, typer.Option("--filters", help="Every temporal filter on the video, with its cost.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(help="Older report.json; exit code 3 where something is worse.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="How much worse IoU, boundary F and false area may be, absolute."),
    ] = 0.005,
    speed_tolerance: Annotated[
        float, typer.Option(min=0, help="How much slower a network may be, as a share.")
    ] = 0.10,
) -> None:
    """Measure accuracy, steadiness and speed; write report.html, report.json and report.csv."""
    from ..benchmarks.compare import Tolerance, regressions
    from ..benchmarks.entry import Report
    from ..benchmarks.output import check_extras, write
    from ..benchmarks.plan import Plan
    from ..benchmarks.run import run
    from ..benchmarks.speed import Rounds, Setting
    from ..benchmarks.table import console_table
    from ..errors import GateFailed
    from ..output import check_folder

    check_extras()
    check_folder(output)
    old = Report.read(compare) if compare else None
    plan = Plan(
        models=tuple(models or ()),
        data=tuple(data or ()),
        video=tuple(video or ()),
        peers=tuple(peer or ()),
        baselines=baselines,
        only=only,
        settings=tuple(Setting(t, d) for d in delegate or ["cpu"] for t in threads or [1]),
        rounds=Rounds(rounds=rounds),
        limit=limit,
        baseline_limit=baseline_limit,
        sustained_s=sustained,
        groups=groups,
        filters=filters,
    )
    report, cases = run(plan, command=shlex.join(["edgeseg", *sys.argv[1:]]))
    if old is not None:
        allowed = Tolerance(share=tolerance, speed=speed_tolerance)
        report.regressions = regressions(report, old, allowed)
    write(report, cases, output)
    console_table(report)
    if old is not None:
        _tell_not_compared(report, old)
    if report.regressions:
        worse = "; ".join(
            f"{r['entry']} {r['figure']} {r['old']:.4f} -> {r['new']:.4f}"
            for r in report.regressions
        )
        raise GateFailed(f"benchmark: worse than {compare}: {worse}")


def _tell_not_compared(report: Report, old: Report) -> None:
    """Name the older report's figures that this run has not; InputError where it has none."""
    from ..benchmarks.compare import figures, not_compared
    from ..errors import InputError

    missing = not_compared(report, old)
    if len(missing) == sum(1 for entry in old.entries for _ in figures(entry)):
        raise InputError(
            "compare: got an older report that has no figure in common with this run, expected "
            "the same models on the same data"
        )
    if missing:
        print(f"not compared, only in the older report: {', '.join(missing)}", file=sys.stderr)

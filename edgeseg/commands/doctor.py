"""`edgeseg doctor`: what this machine can run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..diagnosis import Finding


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def doctor(
        as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
    ) -> None:
        """What this machine can run, why not the rest, and what to install."""
        import dataclasses
        import json

        from ..diagnosis import diagnose

        findings = diagnose()
        if as_json:
            values: dict = {"ready": _ready(findings)}
            for finding in findings:
                values.setdefault(finding.part, []).append(dataclasses.asdict(finding))
            sys.stdout.write(json.dumps(values, indent=1) + "\n")
        else:
            _print(findings)
        if not _ready(findings):
            raise typer.Exit(2)


def _ready(findings: list[Finding]) -> bool:
    """True where everything that segmenting on the CPU needs is there."""
    return all(finding.ok for finding in findings if finding.needed)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    part = ""
    for finding in findings:
        if finding.part != part:
            part = finding.part
            console.print(f"[bold]{part}[/bold]")
        colour, sign = _sign(finding)
        console.print(
            f"  [{colour}]{sign:4}[/{colour}] {finding.name}: {escape(finding.found)}",
            soft_wrap=True,
        )
        if finding.mend:
            console.print(f"       [dim]{escape(finding.mend)}[/dim]", soft_wrap=True)
    verdict = "ready: the bundled model runs here" if _ready(findings) else "not ready"
    console.print(f"[bold]{verdict}[/bold]")


def _sign(finding: Finding) -> tuple[str, str]:
    """Colour and word of a finding: what is not needed is no failure."""
    if finding.ok:
        return "green", "ok"
    return ("red", "FAIL") if finding.needed else ("yellow", "no")

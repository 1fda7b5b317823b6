"""The progress bar of what trains: how far, how long still, and a note such as the loss."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, TextColumn


def noted_progress(console: Console, *, refresh_per_second: float = 10) -> Progress:
    """Rich's default columns, and behind them each task's field `note`."""
    note = TextColumn("{task.fields[note]}")
    columns = (*Progress.get_default_columns(), note)
    return Progress(*columns, console=console, refresh_per_second=refresh_per_second)

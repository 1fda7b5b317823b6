"""Whether every file of a run can be read, before its first step."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress

from ..data.verify import find_problems
from ..errors import InputError
from .task import Task


def check_files(task: Task, *, workers: int, skip_bad: bool, console: Console) -> None:
    """Read every sample once and print what is wrong.

    workers: threads that read. skip_bad: leave the bad ones out of `task` instead of raising.
    Raises InputError, which names the first of them.
    """
    samples = task.samples()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("checking data", total=len(samples))
        bad = find_problems(
            samples,
            classes=task.classes,
            workers=workers,
            progress=lambda: progress.advance(bar),
        )
    problems = [*task.problems, *bad.values()]
    for problem in problems:
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if problems and not skip_bad:
        raise InputError(
            f"data: got {len(problems)} bad files, the first {problems[0]}; "
            "mend them, or pass --skip-bad to go on without"
        )
    task.leave_out(set(bad))

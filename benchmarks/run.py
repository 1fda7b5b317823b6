"""A whole run: subjects in, Report out, with a progress bar for each part."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from edgeseg.errors import InputError

from . import accuracy, machine, speed
from .entry import Entry, Report
from .peers import peer_subjects
from .plan import Plan
from .subjects import Subject, baseline_subjects, model_subjects, with_distinct_names

Tick = Callable[[], None]


def run(plan: Plan, *, command: str) -> Report:
    """Measure what `plan` names. command: the command line, for the report."""
    subjects = gather(plan)
    entries = {
        subject.name: Entry(subject.name, subject.kind, subject.note, str(subject.path or ""))
        for subject in subjects
    }
    before = machine.describe()
    if plan.wants("speed"):
        _speed(plan, subjects, entries)
    if plan.wants("accuracy"):
        _accuracy(plan, subjects, entries)
    return Report(
        machine=before,
        versions=machine.versions(),
        command=command,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        entries=list(entries.values()),
    )


def gather(plan: Plan) -> list[Subject]:
    """All subjects of a plan, their names distinct. InputError where there are none."""
    subjects = [*model_subjects(plan.models), *peer_subjects(plan.peers)]
    if plan.baselines:
        subjects += baseline_subjects(limit=plan.baseline_limit)
    if not subjects:
        raise InputError("benchmark: got no model, peer or baseline to measure")
    return with_distinct_names(subjects)


@contextmanager
def progress(what: str, total: int) -> Iterator[Tick]:
    """A progress bar on stderr; the block calls what it is given after each step."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    from rich.console import Console

    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _speed(plan: Plan, subjects: Sequence[Subject], entries: dict[str, Entry]) -> None:
    with progress("speed", plan.rounds.rounds) as tick:
        turns = speed.measure(subjects, plan.settings, rounds=plan.rounds, tick=tick)
    peers = {subject.name for subject in subjects if subject.kind == "peer"}
    for setting in plan.settings:
        alike = [one for one in turns if one.setting == setting]
        reference = next((t for t in alike if t.subject in peers and t.ms is not None), None)
        for one in alike:
            summary = speed.summarise(one)
            if reference is not None and one.ms is not None:
                summary["ratio"] = speed.ratio(one, reference)
            entries[one.subject].speeds.append(summary)
    for entry in entries.values():
        entry.speed = entry.speeds[0] if entry.speeds else {}


def _accuracy(plan: Plan, subjects: Sequence[Subject], entries: dict[str, Entry]) -> None:
    samples = accuracy.read_folders(plan.data)
    parts = {
        subject.name: accuracy.subsample(samples, subject.limit or plan.limit)
        for subject in subjects
    }
    with progress("accuracy", sum(map(len, parts.values()))) as tick:
        for subject in subjects:
            scores = accuracy.measure(subject, parts[subject.name], tick)
            entries[subject.name].accuracy = accuracy.summarise(scores)

"""A whole run: subjects in, Report and pictures out, with a progress bar for each part."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from edgeseg.data.folder import Sample
from edgeseg.errors import InputError

from . import (
    accuracy,
    checks,
    filters,
    groups,
    machine,
    pictures,
    pipeline,
    probe,
    speed,
    sustained,
    video,
)
from .entry import Entry, Report
from .peers import peer_subjects
from .pictures import Case
from .plan import Plan
from .subjects import Subject, baseline_subjects, model_subjects, with_distinct_names

Tick = Callable[[], None]
Entries = dict[str, Entry]
PIPELINE_ROUNDS, PIPELINE_FRAMES = 30, 150
VIDEO_NOTE = (
    "Video: our models one frame after the other through edgeseg.Segmenter with its default "
    "temporal filter and focus, and once more with temporal=none and focus=False; peers without "
    "either."
)
IMAGE_NOTE = (
    "Images: each on its own, the plain network without refinement, empty previous mask, "
    "threshold 0.5 at the image's size."
)


def run(plan: Plan, *, command: str) -> tuple[Report, list[Case]]:
    """Measure what `plan` names. command: the command line, for the report."""
    subjects = gather(plan)
    try:
        return _run(plan, subjects, command=command)
    finally:
        for subject in subjects:
            if subject.close is not None:
                subject.close()


def _run(plan: Plan, subjects: Sequence[Subject], *, command: str) -> tuple[Report, list[Case]]:
    samples = accuracy.read_folders(plan.data)
    clips = video.read_sequences(plan.video)
    by_image = groups.read_groups(plan.groups) if plan.groups else {}
    entries = {
        subject.name: Entry(
            subject.name, subject.kind, subject.note, str(subject.path or ""), subject.sha256()
        )
        for subject in subjects
    }
    report = Report(
        machine=machine.describe(),
        versions=machine.versions(),
        command=command,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        entries=list(entries.values()),
    )
    cases: list[Case] = []
    _check(plan, subjects, samples, clips, by_image)
    if plan.wants("speed"):
        _networks(plan, subjects, entries)
        _whole_way(plan, subjects, entries, _frames(clips, samples))
    if plan.wants("accuracy"):
        cases = _accuracy(plan, subjects, entries, samples, by_image)
        report.notes.append(IMAGE_NOTE)
    if plan.wants("video"):
        _video(subjects, entries, clips)
        report.notes.append(VIDEO_NOTE)
        if plan.filters:
            _filters(subjects, entries, clips)
            report.notes.append(filters.NOTE)
    if plan.baselines and plan.wants("accuracy"):
        report.notes.append(
            f"Baselines: {plan.baseline_limit} images of each family, evenly spread over the "
            "names, for they are slow; models and peers: "
            + (f"{plan.limit} of each." if plan.limit else "all.")
        )
    return report, cases


def _check(
    plan: Plan,
    subjects: Sequence[Subject],
    samples: Sequence[Sample],
    clips: Sequence[video.Clip],
    by_image: groups.Groups,
) -> None:
    """A bad file is told before minutes of measuring, not after."""
    if plan.wants("accuracy") or plan.wants("video"):
        checks.check_models(subjects)
    pairs = checks.pairs(plan, subjects, samples, clips)
    if plan.groups:
        groups.check_images(by_image, {sample.name for sample in pairs})
    if pairs:
        with progress("reading", len(pairs)) as tick:
            checks.check_pairs(pairs, tick)


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
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def _networks(plan: Plan, subjects: Sequence[Subject], entries: Entries) -> None:
    """Invoke times in all settings, ratios, load time and memory; sustained load if asked."""
    with progress("invoke", plan.rounds.rounds) as tick:
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
    threads = plan.settings[0].threads
    on_cpu = []
    for subject in subjects:
        if subject.path is None:
            continue
        entry = entries[subject.name]
        entry.speed = dict(entry.speeds[0])
        # They open the file on the CPU: beside another delegate's times they would be its.
        if "unavailable" not in entry.speed and entry.speed["delegate"] == "cpu":
            entry.speed |= probe.measure(subject.path, threads=threads)
            on_cpu.append(subject)
    if plan.sustained_s:
        with progress("sustained load", len(on_cpu) * sustained.BUCKETS) as tick:
            for subject in on_cpu:
                entries[subject.name].speed["sustained"] = sustained.measure(
                    subject, seconds=plan.sustained_s, threads=threads, tick=tick
                )


def _frames(clips: Sequence[video.Clip], samples: Sequence[Sample]) -> list:
    """Frames to time the whole way on: of the first sequence, else of the data, else none."""
    source = clips[0].frames if clips else samples
    return [sample.read_image() for sample in source[:PIPELINE_FRAMES]]


def _whole_way(plan: Plan, subjects: Sequence[Subject], entries: Entries, images: list) -> None:
    """In the first setting, as the invoke beside it; not where that cannot run."""
    running = [s for s in subjects if "unavailable" not in entries[s.name].speed]
    delegates = {s.name: entries[s.name].speed["delegate"] for s in running if s.path is not None}
    ways = pipeline.ways(running, threads=plan.settings[0].threads, delegates=delegates)
    frames = pipeline.frames_of(images, count=PIPELINE_FRAMES)
    with progress("whole way", PIPELINE_ROUNDS) as tick:
        measured = pipeline.measure(ways, frames, rounds=PIPELINE_ROUNDS, tick=tick)
    for one in measured:
        entries[one.subject].speed |= pipeline.summarise(one)


def _accuracy(
    plan: Plan,
    subjects: Sequence[Subject],
    entries: Entries,
    samples: Sequence[Sample],
    by_image: groups.Groups,
) -> list[Case]:
    """Scores of all subjects; pictures of the first model's and the baselines' cases."""
    parts = {
        subject.name: accuracy.subsample(samples, subject.limit or plan.limit)
        for subject in subjects
    }
    scores = {}
    with progress("accuracy", sum(map(len, parts.values()))) as tick:
        for subject in subjects:
            measured = accuracy.measure(subject, parts[subject.name], tick)
            entry = entries[subject.name]
            entry.accuracy = accuracy.summarise(measured.scores)
            if subject.kind == "baseline":
                entry.speed["image_p50_ms"] = measured.p50_ms
            if by_image and subject.kind != "baseline":
                entry.groups = groups.summarise(measured.scores, by_image)
            scores[subject.name] = measured.scores
    return [
        case
        for subject, best, worst in _pictured(subjects)
        for case in pictures.cases(
            subject, parts[subject.name], scores[subject.name], best=best, worst=worst
        )
    ]


def _pictured(subjects: Sequence[Subject]) -> list[tuple[Subject, int, int]]:
    """Whose cases are shown, with how many best and worst: a baseline's failures, one success."""
    first = next((subject for subject in subjects if subject.kind == "model"), subjects[0])
    others = [subject for subject in subjects if subject.kind == "baseline"]
    return [(first, 4, 8), *[(subject, 1, 3) for subject in others if subject is not first]]


def _video(subjects: Sequence[Subject], entries: Entries, clips: Sequence[video.Clip]) -> None:
    """Baselines take no part: a method for single images, far from the speed of a camera."""
    jobs = [
        (subject, temporal)
        for subject in subjects
        if subject.kind != "baseline"
        for temporal in video.filters_of(subject)
    ]
    total = len(jobs) * sum(len(clip.frames) for clip in clips)
    with progress("video", total) as tick:
        for subject, temporal in jobs:
            entry = entries[subject.name]
            measured = {clip.name: video.measure(subject, clip, temporal, tick) for clip in clips}
            first = temporal == video.filters_of(subject)[0]
            if first:
                entry.video = measured
            else:
                entry.video_unsmoothed = measured
            entry.video_mean["default" if first else "none"] = video.mean(measured)


def _filters(subjects: Sequence[Subject], entries: Entries, clips: Sequence[video.Clip]) -> None:
    """Our models alone: peers bring their own networks and nothing else."""
    models = [subject for subject in subjects if subject.kind == "model"]
    frames = sum(len(clip.frames) for clip in clips)
    with progress("filters", len(models) * len(filters.NAMES) * frames) as tick:
        for subject in models:
            entries[subject.name].filters = {
                name: filters.measure(subject, clips, name, tick) for name in filters.NAMES
            }

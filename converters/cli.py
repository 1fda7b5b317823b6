"""One run of `edgeseg convert`: reading what it names, progress, table, exit."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bar

from edgeseg.errors import GateFailed, InputError
from edgeseg.output import check_folder
from edgeseg.runtime.console import terminable

from .compiler import find_compiler
from .conversion import Run, check_source_stays, convert_all
from .gate import Limits
from .job import Job
from .manifest import (
    FILE_NAME,
    Converted,
    NotMade,
    check_manifest,
    manifest,
    tool_versions,
    write_manifest,
)
from .native_output import open_streams, silenced
from .pictures import doubts, read_clip, read_pictures, spared
from .reference import make_reference
from .source import load_source
from .table import table
from .targets import TARGETS, check_names, check_possible


@dataclass(frozen=True)
class Options:
    """The command's arguments and options, as their help describes them."""

    arguments: tuple[str, ...]
    calibration: Path
    targets: tuple[str, ...]
    output: Path
    images: Path | None
    video: Path | None
    max_iou_drop: float
    max_flicker_rise: float | None
    io: str
    spec: Path | None
    qat: Path | None
    frames: int
    verify: int
    video_frames: int
    as_json: bool
    quiet: bool


class _Steps:
    """One bar for one step after the other."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task = bar.add_task("", total=None)

    def begin(self, text: str, total: int) -> None:
        self.bar.reset(self.task, description=text, total=total)

    def advance(self) -> None:
        self.bar.advance(self.task)


@contextmanager
def _steps(*, quiet: bool) -> Iterator[_Steps]:
    # A duplicate of standard error: the original is silenced while TensorFlow talks.
    with os.fdopen(os.dup(2), "w") as stream:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(file=stream)
        visible = not quiet and console.is_terminal
        with Bar(*columns, console=console, transient=True, disable=not visible) as bar:
            yield _Steps(bar)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def split_arguments(arguments: tuple[str, ...], targets: tuple[str, ...]) -> tuple[Path, list[str]]:
    """The model and the targets: `--to int8 gpu` leaves `gpu` among the arguments."""
    known = {*TARGETS, "all"}
    loose = [value for value in arguments if set(value.split(",")) <= known]
    rest = [value for value in arguments if value not in loose]
    if len(rest) != 1:
        raise InputError(
            f"arguments: got {' '.join(rest) or 'no model'}, expected one model, and targets among "
            f"{', '.join(TARGETS)}"
        )
    names = [name for value in (*targets, *loose) for name in value.split(",") if name]
    return Path(rest[0]), check_names(names)


def run(options: Options) -> None:
    """Convert, write the manifest, print. GateFailed where a target failed, InputError before."""
    open_streams()
    path, names = split_arguments(options.arguments, options.targets)
    _check_options(options, names)
    check_folder(options.output)
    check_manifest(options.output)
    with terminable(_end), _steps(quiet=options.quiet) as steps:
        prepared = _prepare(options, path, names, steps)
        # Whoever is stopped from here on leaves finished files, and no list that is of others.
        (options.output / FILE_NAME).unlink(missing_ok=True)
        files = convert_all(prepared, names, steps)
    versions = tool_versions(**_compiler_version(files))
    values = manifest(prepared.job.source, files, tools=versions, warnings=prepared.warnings)
    write_manifest(options.output, values)
    _print(options, values, files)
    failed = [converted for converted in files if not converted.gate.passed]
    if failed:
        raise GateFailed(
            " | ".join(
                f"{file.target} {'not made' if isinstance(file, NotMade) else 'refused'}: "
                f"{'; '.join(file.gate.reasons)}"
                for file in failed
            )
        )


def _check_options(options: Options, names: list[str]) -> None:
    """Raise InputError for limits that say nothing, and for what no target would look at."""
    if not 0 <= options.max_iou_drop <= 1:
        raise InputError(
            f"--max-iou-drop: got {options.max_iou_drop}, expected 0 to 1: 0.005 is half a percent"
        )
    if options.max_flicker_rise is not None:
        if options.video is None:
            raise InputError("--max-flicker-rise: got no --video, expected a clip to measure it on")
        if math.isnan(options.max_flicker_rise):
            raise InputError("--max-flicker-rise: got nan, expected a number, per mille")
    if options.qat is not None and "int8-qat" not in names:
        raise InputError(
            f"--qat: got {options.qat} and the targets {', '.join(names)}, expected int8-qat among "
            "them: no other takes such weights"
        )


def _prepare(options: Options, path: Path, names: list[str], steps: _Steps) -> Run:
    steps.begin("reading the model", 1)
    # Bad images are cheaper to find than TensorFlow is to import.
    used = options.frames
    if options.images is None:
        used = spared(options.calibration, limit=used)
    calibration = read_pictures(options.calibration, limit=used)
    pictures = read_pictures(
        options.images or options.calibration,
        limit=options.verify,
        avoid={picture.path for picture in calibration},
    )
    clip = read_clip(options.video, limit=options.video_frames) if options.video else []
    with silenced():
        source = load_source(path, spec=options.spec)
        check_possible(names, source, io=options.io, qat=options.qat)
    check_source_stays(options.output, names, source)
    frames = [picture.frame for picture in calibration]
    job = Job(source, frames, io=options.io, qat=options.qat, progress=steps.advance)
    steps.begin("running the float model", 1)
    with silenced():
        reference = make_reference(source.predict, source.spec, pictures, clip)
    limits = Limits(options.max_iou_drop, options.max_flicker_rise)
    warnings = (*doubts(calibration, pictures), *reference.doubts())
    return Run(job, reference, options.output, limits, warnings)


def _compiler_version(files: list[Converted | NotMade]) -> dict[str, str]:
    for file in files:
        if isinstance(file, Converted) and "edgetpu_compiler" in file.extra:
            return {"edgetpu_compiler": str(file.extra["edgetpu_compiler"]["version"])}
    return {} if find_compiler() else {"edgetpu_compiler": "not installed"}


def _print(options: Options, values: dict, files: list[Converted | NotMade]) -> None:
    if not options.quiet:
        for warning in values["warnings"]:
            print(f"edgeseg: warning: {warning}", file=sys.stderr)
    if options.as_json:
        sys.stdout.write(json.dumps(values, indent=1) + "\n")
    elif not options.quiet:
        Console().print(table(files))

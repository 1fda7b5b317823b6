"""What a stream did: times per stage, frames, drops, resets, as one summary."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SinkError
from .statistics import Percentiles, Statistics

if TYPE_CHECKING:
    from .segmenter import Segmenter


@dataclass(frozen=True)
class Summary:
    """What a stream did; `to_json` is the form that `--stats` writes.

    fps: frames shown per second, from the first to the last. frames: frames that
    reached the sink. dropped: frames that were captured and overtaken by newer
    ones. age: from capture to the sink having taken the frame. hidden: frames
    shown fully hidden. ops_per_device: operators by where they run.
    delegates_refused: delegate -> why it was passed over.
    """

    fps: float
    frames: int
    dropped: int
    hidden: int
    model: str
    delegate: str
    interpreter: str
    threads: int
    temporal: str
    ops_per_device: dict[str, int]
    delegates_refused: dict[str, str]
    resets: dict[str, int]
    warnings: list[str]
    age: Percentiles | None
    stages: dict[str, Percentiles]
    interrupted: bool = False
    choice: str = ""

    def to_json(self) -> str:
        """JSON text, indented."""
        return json.dumps(asdict(self), indent=1)

    def write(self, path: str | Path) -> None:
        """Write `to_json` beside `path` and rename, so that no half file is ever there.

        Raises SinkError where that is not possible, or `path` is a device or a folder.
        """
        path = Path(path)
        check_statistics_path(path)
        beside = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(self.to_json() + "\n", encoding="utf-8")
            os.replace(beside, path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise SinkError(f"stats: cannot write {path} ({error.strerror})") from None


def check_statistics_path(path: Path) -> None:
    """Raise SinkError where `path` is a device or a folder, which no file may replace."""
    if path.exists() and not path.is_file():
        raise SinkError(f"stats: got {path}, which is no file; expected a path to write")


def summarise(
    segmenter: Segmenter,
    statistics: Statistics,
    *,
    dropped: int,
    interrupted: bool,
    choice: str,
) -> Summary:
    """What happened until now; the arguments are those of `Summary`."""
    return Summary(
        fps=round(statistics.fps(), 2),
        frames=statistics.frames,
        dropped=dropped,
        hidden=statistics.hidden,
        model=segmenter.spec.name,
        delegate=segmenter.delegate,
        interpreter=segmenter.interpreter.package,
        threads=segmenter.interpreter.threads,
        temporal=segmenter.temporal,
        ops_per_device=segmenter.ops_per_device(),
        delegates_refused=segmenter.refused,
        resets=dict(segmenter.resets),
        warnings=list(segmenter.warnings),
        age=statistics.age(),
        stages=statistics.stages(),
        interrupted=interrupted,
        choice=choice,
    )

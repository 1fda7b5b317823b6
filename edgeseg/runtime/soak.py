"""A long run of the whole pipeline: does it keep its memory, its threads and its speed?

python -m edgeseg.runtime.soak --frames 20000
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import GateFailed, InputError
from .console import exit_code_of
from .effects import EFFECTS
from .stream import Stream
from .stream_settings import StreamSettings

# The stretch at each end over which speed is compared, and after which memory is read.
STRETCH = 1000
ALLOWED_MB = 10.0
ALLOWED_SLOWDOWN = 0.05


@dataclass(frozen=True)
class Soak:
    """Resident memory in MB, frames a second of the first and the last stretch, threads left."""

    frames: int
    memory_after_first_mb: float
    memory_at_end_mb: float
    grown_mb: float
    fps_first: float
    fps_last: float
    threads_left: int

    def problems(self) -> list[str]:
        """What is worse than allowed."""
        found = []
        if self.grown_mb > ALLOWED_MB:
            found.append(f"memory grew by {self.grown_mb:.1f} MB, allowed {ALLOWED_MB:g}")
        if self.fps_last < (1 - ALLOWED_SLOWDOWN) * self.fps_first:
            found.append(f"FPS fell from {self.fps_first:.1f} to {self.fps_last:.1f}")
        if self.threads_left:
            found.append(f"{self.threads_left} threads were left")
        return found


def soak(settings: StreamSettings) -> Soak:
    """Run `settings.frames` frames, at least two stretches, and compare the ends.

    Raises InputError where those are too few or the source has fewer.
    """
    frames = settings.frames or 0
    if frames < 2 * STRETCH:
        raise InputError(f"frames: got {frames}, expected at least {2 * STRETCH}")
    times: dict[int, float] = {}
    memory: dict[int, float] = {}
    marks = (1, STRETCH, frames - STRETCH, frames)

    def mark(shown: int) -> None:
        if shown in marks:
            times[shown], memory[shown] = time.perf_counter(), resident_mb()

    before = threading.active_count()
    with Stream(settings) as stream:
        stream.on_frame = mark
        summary = stream.run()
    if summary.interrupted:
        raise KeyboardInterrupt
    if summary.frames < frames:
        raise InputError(
            f"source: got {summary.frames} frames, expected {frames}, as --frames says"
        )
    return Soak(
        frames=frames,
        memory_after_first_mb=round(memory[STRETCH], 1),
        memory_at_end_mb=round(memory[frames], 1),
        grown_mb=round(memory[frames] - memory[STRETCH], 2),
        fps_first=round((STRETCH - 1) / (times[STRETCH] - times[1]), 2),
        fps_last=round(STRETCH / (times[frames] - times[frames - STRETCH]), 2),
        threads_left=threading.active_count() - before,
    )


def resident_mb() -> float:
    """Resident memory of this process, in MB. Linux only."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        raise InputError("soak: got no /proc/self/statm, expected Linux") from None
    return pages * 4096 / 2**20


def main() -> int:
    """Run the soak test of the command line; exit code 3 where something grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add(
        "--frames",
        type=int,
        default=20_000,
        help=f"how many, at least {2 * STRETCH}. Default: %(default)s",
    )
    add(
        "--source",
        default="sample",
        help="as of demos/webcam.py, with at least so many frames. Default: %(default)s",
    )
    add("--effect", default="blur", choices=EFFECTS, help="Default: %(default)s")
    add("--sink", default="none", help="as of demos/webcam.py. Default: %(default)s")
    given = parser.parse_args()
    result = soak(
        StreamSettings(
            source=given.source,
            effect=given.effect,
            sink=given.sink,
            frames=given.frames,
            every_frame=True,
            size=(640, 480),
        )
    )
    print(json.dumps(asdict(result), indent=1))
    if result.problems():
        raise GateFailed("; ".join(result.problems()))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main))

"""What OpenCV does not tell of a video file: ffprobe does, where it is installed."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

# Headers are read, or a whole file, which is not decoded.
LONGEST_S = 60.0


def picture_begins_s(path: Path) -> float:
    """How long a file's sound plays before its first picture; 0 where nobody can tell."""
    times = "format=start_time:stream=start_time"
    found = _ask(path, "-select_streams", "v:0", "-show_entries", times)
    # Files without a picture or without times lack some of it.
    with contextlib.suppress(LookupError, ValueError):
        picture, file = found["streams"][0], found["format"]
        return max(0.0, float(picture["start_time"]) - float(file["start_time"]))
    return 0.0


def mean_fps(path: Path) -> float:
    """The rate at which a file's pictures follow each other; 0 where nobody can tell."""
    found = _ask(path, "-select_streams", "v:0", "-show_entries", "packet=pts_time")
    with contextlib.suppress(LookupError, ValueError, ZeroDivisionError):
        times = [float(packet["pts_time"]) for packet in found["packets"]]
        return (len(times) - 1) / (max(times) - min(times))
    return 0.0


@functools.cache  # A background that is repeated ends again and again.
def goes_on_at(path: Path, moment_s: float) -> bool:
    """Whether anything in a file, such as sound, comes so late; False where nobody can tell."""
    times = "format=start_time:packet=pts_time"
    found = _ask(path, "-read_intervals", f"{moment_s:.3f}%", "-show_entries", times)
    with contextlib.suppress(LookupError, ValueError):
        last = max(float(packet["pts_time"]) for packet in found["packets"] if "pts_time" in packet)
        return last - float(found["format"]["start_time"]) >= moment_s
    return False


def _ask(path: Path, *words: str) -> dict[str, Any]:
    """ffprobe's JSON, empty where it has none."""
    program = shutil.which("ffprobe")
    if program is None:
        return {}
    try:
        done = subprocess.run(
            [program, "-v", "error", *words, "-of", "json", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
            check=True,
        )
    except subprocess.SubprocessError:
        return {}
    return json.loads(done.stdout)

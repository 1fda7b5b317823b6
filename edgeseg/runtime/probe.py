"""What OpenCV does not tell of a video file: ffprobe does, where it is installed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

# Only headers are read.
LONGEST_S = 20.0


def picture_begins_s(path: Path) -> float:
    """How long a file's sound plays before its first picture; 0 where nobody can tell."""
    times = "format=start_time:stream=start_time"
    found = _ask(path, "-select_streams", "v:0", "-show_entries", times)
    # Files without a picture or without times lack some of it.
    with contextlib.suppress(LookupError, ValueError):
        picture, file = found["streams"][0], found["format"]
        return max(0.0, float(picture["start_time"]) - float(file["start_time"]))
    return 0.0


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

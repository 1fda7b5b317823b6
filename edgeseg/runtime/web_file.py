"""Whether an address that does not say its number of frames is a file all the same."""

from __future__ import annotations

import contextlib
import http.client
import urllib.parse
import urllib.request

# No others are asked about: a camera that serves one reader at a time lets a second one wait.
SUFFIXES = (".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")


def is_file(url: str, *, wait_s: float) -> bool:
    """Whether a http(s) address is called like a video file and has a length.

    A live stream may be called so as well: its server knows no length.
    """
    parts = urllib.parse.urlsplit(url)
    if not parts.scheme.startswith("http") or not parts.path.lower().endswith(SUFFIXES):
        return False
    question = urllib.request.Request(url, method="HEAD")
    with (
        contextlib.suppress(OSError, ValueError, http.client.HTTPException),
        urllib.request.urlopen(question, timeout=wait_s) as answer,
    ):
        return int(answer.headers["Content-Length"] or 0) > 0
    return False

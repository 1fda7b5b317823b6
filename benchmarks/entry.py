"""The report's data: entries, one per subject, and the report that holds them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgeseg.errors import InputError

SCHEMA = "edgeseg-benchmark"
SCHEMA_VERSION = 1


@dataclass
class Entry:
    """All that was measured of one subject; empty parts were not.

    sha256: of the file's bytes, hexadecimal; "" without a file.
    accuracy: of `accuracy.summarise`. video: sequence -> measures of `video.score`;
    video_unsmoothed: the same of our models without temporal filter and focus. video_mean:
    means over sequences of both. speed: of `speed.summarise` in the first setting
    and of the whole way; speeds: of the network in all settings. groups: of
    `groups.summarise`. filters: temporal filter -> measures of `filters.measure`.
    """

    name: str
    kind: str
    note: str = ""
    file: str = ""
    sha256: str = ""
    accuracy: dict = field(default_factory=dict)
    video: dict = field(default_factory=dict)
    video_unsmoothed: dict = field(default_factory=dict)
    video_mean: dict = field(default_factory=dict)
    speed: dict = field(default_factory=dict)
    speeds: list[dict] = field(default_factory=list)
    groups: dict = field(default_factory=dict)
    filters: dict = field(default_factory=dict)


@dataclass
class Report:
    """A whole run. command: the command line that gives it again."""

    machine: dict
    versions: dict[str, str]
    command: str
    created: str
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    regressions: list[dict] = field(default_factory=list)
    schema: str = SCHEMA
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """JSON text, floats rounded to six digits."""
        return json.dumps(rounded(asdict(self)), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Report:
        """A report.json; InputError where it is none, or of another schema version."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: got no readable file ({error.strerror})") from None
        except ValueError as error:
            raise InputError(f"{path}: got no JSON ({error}), expected a report.json") from None
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise InputError(f"{path}: got no report, expected one of `edgeseg benchmark`")
        if values.get("schema_version") != SCHEMA_VERSION:
            raise InputError(
                f"{path}: got schema version {values.get('schema_version')}, "
                f"expected {SCHEMA_VERSION}"
            )
        try:
            return cls(**{**values, "entries": [Entry(**entry) for entry in values["entries"]]})
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: got an incomplete report ({error})") from None


def write_text(path: Path, text: str) -> None:
    """Write beside and rename, so that half a file is never there."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write beside and rename, so that half a file is never there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may fill the same cache.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)


def rounded(value):
    """The value, of whatever JSON can hold, with all its floats rounded to six digits."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value

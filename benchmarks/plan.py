"""What one run of the benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.errors import InputError
from edgeseg.runtime.delegates import OPENERS

from .speed import Rounds, Setting

PARTS = ("accuracy", "speed", "video")
DELEGATES = ("auto", *OPENERS)


@dataclass(frozen=True)
class Plan:
    """Options of a run.

    models: bundled names or paths, all bundled ones where empty. data: folders with
    `images/` and `masks/`. video: folders of such folders, or one itself. peers: as
    `peers.peer_subjects` takes them. only: the one part to run, "" for all.
    limit: images of each family for the models and peers, 0 for all;
    baseline_limit: the same for the slow baselines. sustained_s: seconds of
    sustained load, 0 for none. groups: CSV of image names and groups. filters: every
    temporal filter on the video, not only the default one and none.
    """

    models: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()
    video: tuple[Path, ...] = ()
    peers: tuple[str, ...] = ()
    baselines: bool = False
    only: str = ""
    settings: tuple[Setting, ...] = (Setting(),)
    rounds: Rounds = field(default_factory=Rounds)
    limit: int = 0
    baseline_limit: int = 20
    sustained_s: float = 0.0
    groups: Path | None = None
    filters: bool = False

    def __post_init__(self) -> None:
        if self.only and self.only not in PARTS:
            raise InputError(f"only: got {self.only!r}, expected one of {', '.join(PARTS)}")
        for setting in self.settings:
            if setting.delegate not in DELEGATES:
                raise InputError(
                    f"delegate: got {setting.delegate!r}, expected one of {', '.join(DELEGATES)}"
                )
        if self.only == "accuracy" and not self.data:
            raise InputError("only accuracy: got no folder, expected --data DIR")
        if self.only == "video" and not self.video:
            raise InputError("only video: got no folder, expected --video DIR")
        for name, part, given in (
            ("baselines", "accuracy", self.baselines),
            ("groups", "accuracy", self.groups),
            ("filters", "video", self.filters),
            ("sustained", "speed", self.sustained_s),
        ):
            if given and not self.wants(part):
                raise InputError(f"{name}: got nothing to measure, {self._missing(part)}")

    def _missing(self, part: str) -> str:
        if self.only not in ("", part):
            return f"expected no --only {self.only}"
        return f"expected --{'video' if part == 'video' else 'data'} DIR"

    def wants(self, part: str) -> bool:
        """True where a part is to be run and has something to run on."""
        given = {"accuracy": bool(self.data), "video": bool(self.video), "speed": True}
        return given[part] and self.only in ("", part)

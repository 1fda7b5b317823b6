"""What a stream is made of, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .effects import EFFECTS, check_strength
from .focus import GLANCE_EVERY
from .segmenter import DEFAULT_TEMPORAL
from .temporal import FILTERS

# A day: a wait has an end, and threads take no number that is much larger.
LONGEST_WAIT_S = 86400.0


@dataclass(frozen=True)
class StreamSettings:
    """What a stream is made of; see `open_source`, `make_effect`, `open_sink`, `Segmenter`.

    source: "auto" is the first camera, or the sample where there is none.
    every_frame: True keeps all, None does so where nobody watches and nothing is live.
    frames: stop after so many. size: of the sample, a camera, raw frames.
    stats: path of the summary, "-" for JSON lines on stderr as well.
    picture: path for input, mask and result side by side.
    budget_ms, cpu_percent: choose model and cadence by time; at most one of the two.
    """

    source: str = "auto"
    effect: str = "blur"
    sink: str = "window"
    every_frame: bool | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    model: str = "person"
    delegate: str = "auto"
    threads: int | None = None
    temporal: str = DEFAULT_TEMPORAL
    refine: bool = True
    focus: bool = True
    glance_every: int = GLANCE_EVERY
    background: str = "#2e7d4f"
    blur: float = 16.0
    stall_ms: float = 500.0
    wait_s: float = 10.0
    stats: str | None = None
    picture: Path | None = None
    budget_ms: float | None = None
    cpu_percent: float | None = None
    public: bool = False

    def __post_init__(self) -> None:
        if not self.source:
            # As a path it would be the current folder.
            raise InputError("source: got an empty name, expected a camera, a file or an address")
        for name, count in (("frames", self.frames), ("glance-every", self.glance_every)):
            if count is not None and not (isinstance(count, int | np.integer) and count >= 1):
                raise InputError(f"{name}: got {count!r}, expected a whole number of at least 1")
        if self.size is not None and not (len(self.size) == 2 and min(self.size) >= 1):
            raise InputError(f"size: got {self.size}, expected (width, height), each at least 1")
        if not isinstance(self.picture, Path | None):
            raise InputError(f"picture: got {self.picture!r}, expected a pathlib.Path")
        if not self.stall_ms > 0:
            raise InputError(f"stall-ms: got {self.stall_ms:g}, expected more than 0")
        if not 0 < self.wait_s <= LONGEST_WAIT_S:
            raise InputError(
                f"wait-s: got {self.wait_s:g}, expected seconds above 0, at most {LONGEST_WAIT_S:g}"
            )
        check_strength(self.blur)
        if self.effect not in EFFECTS:
            raise InputError(f"effect: got {self.effect!r}, expected one of {', '.join(EFFECTS)}")
        if self.temporal not in FILTERS:
            raise InputError(
                f"temporal: got {self.temporal!r}, expected one of {', '.join(FILTERS)}"
            )
        if self.budget_ms is not None and self.cpu_percent is not None:
            raise InputError("budget: got both budget-ms and cpu-percent, expected one of them")

"""What a target's converter is given: the source, the calibration, the choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgeseg.spec import ModelSpec, embed, read_entries

from .calibration import calibration_tensors
from .golden import finish, golden_entries
from .source import Source


def silent() -> None:
    """No progress."""


@dataclass(frozen=True)
class Job:
    """One source and its calibration images.

    frames: uint8 (H, W, 3) BGR. io: type of input and output of the integer
    targets, "int8", "uint8" or "float32". progress: called after each
    calibrated frame. qat: folder with quantization-aware weights, None for the run's.
    """

    source: Source
    frames: Sequence[np.ndarray]
    io: str = "int8"
    qat: Path | None = None
    progress: Callable[[], None] = silent

    @property
    def spec(self) -> ModelSpec:
        """The source's spec."""
        return self.source.spec

    @cached_property
    def tensors(self) -> list[np.ndarray]:
        """The calibration's input tensors, mask feedback included."""
        return list(calibration_tensors(self.frames, self.spec, self.source.predict))

    @cached_property
    def golden(self) -> dict[str, bytes]:
        """The golden frame's entries, the same in all files."""
        return golden_entries(self.frames, self.spec, self.source.predict)

    def finish(self, model: bytes) -> bytes:
        """A converted flatbuffer with spec, golden frame, and what else the source carried."""
        finished = finish(model, self.spec, self.golden)
        return embed(finished, {**self.source.entries, **read_entries(finished)})

"""What every source is: it gives frames one after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np


class Source:
    """Gives no frames; the others derive from it.

    live: it cannot wait, frames that nobody takes are lost. fps: the rate at which
    frames are meant to follow each other, None where there is none. ends: it has an end of
    its own, before which an interruption cuts it short. count: number of frames where known.
    size: (width, height) of the frames where known before the first.
    sound: a file whose sound belongs to the frames. description: for messages.
    """

    live: bool = False
    ends: bool = False
    fps: float | None = None
    count: int | None = None
    size: tuple[int, int] | None = None
    sound: Path | None = None
    description: str = "nothing"

    def read(self) -> np.ndarray | None:
        """The next frame, uint8 (H, W, 3) BGR, or None at the end.

        Raises SourceError where it stopped answering.
        """
        return None

    def interrupt(self) -> None:
        """Make a `read` that waits in another thread return None soon, where possible."""

    def close(self) -> None:
        """Release the device or file. Not while another thread reads."""

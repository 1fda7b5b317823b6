"""What every sink is: it takes pictures one after another."""

from __future__ import annotations

import numpy as np


class Sink:
    """Takes every picture and does nothing with it; the others derive from it.

    live: somebody is watching now, and what was shown last stays visible.
    alpha: pictures may have an alpha channel. main_thread: only the main thread
    may write. incomplete: set before `close` where pictures are missing at the end, after an
    error, or where a source that has an end was interrupted before it.
    """

    live = False
    alpha = True
    main_thread = False
    incomplete = False

    def write(self, picture: np.ndarray) -> None:
        """Take a uint8 (H, W, 3) BGR picture, or (H, W, 4) BGRA with `alpha`.

        The picture may be written over once this returns. Raises SinkError where it
        cannot be taken.
        """

    def idle(self) -> None:
        """Called now and then while there is nothing to write."""

    def close(self) -> None:
        """Finish. SinkError where what was written is not complete."""

    def abort(self) -> None:
        """Make a write that blocks in another thread return, where that is possible."""

"""Ghosts: what a mask with a past keeps although nothing is there any more."""

from __future__ import annotations

import numpy as np

# Every so many frames the filtered mask is compared with one that knows no past.
AUDIT_EVERY = 30
# They disagree where their IoU is below this, if they cover anything to speak of.
AUDIT_IOU = 0.4
AUDIT_AREA = 0.01


class Audit:
    """Says when a mask with a past is to be compared with one that knows none."""

    def __init__(self) -> None:
        self._since = 0

    def due(self) -> bool:
        """True once in `AUDIT_EVERY` calls."""
        self._since = (self._since + 1) % AUDIT_EVERY
        return self._since == 0

    def reset(self) -> None:
        """Begin to count again."""
        self._since = 0


def ghost(tracked: np.ndarray, fresh: np.ndarray) -> bool:
    """True where a mask with a past covers something quite different from one without."""
    ours, theirs = tracked > 0.5, fresh > 0.5
    union = int((ours | theirs).sum())
    if union < AUDIT_AREA * ours.size:
        return False
    return int((ours & theirs).sum()) < AUDIT_IOU * union

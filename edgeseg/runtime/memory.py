"""What is remembered of the masks before, and of which part of the frame."""

from __future__ import annotations

import numpy as np

from .audit import Audit
from .focus import View
from .region import WHOLE, Region
from .temporal import make_filter


class Memory:
    """A temporal filter, the region that its mask shows, and the time for its next audit.

    temporal: name of the filter; InputError where there is none such.
    """

    def __init__(self, temporal: str) -> None:
        self._region = WHOLE
        self._audit = Audit()
        self.temporal = temporal

    @property
    def temporal(self) -> str:
        """Name of the filter; assigning another, in any thread, starts it without a past."""
        return self._temporal

    @temporal.setter
    def temporal(self, name: str) -> None:
        self._filter = make_filter(name)
        self._temporal = name

    @property
    def empty(self) -> bool:
        """Whether there is no mask."""
        return self._filter.previous is None

    def mask(self, region: Region) -> np.ndarray | None:
        """The mask before, of a region of the frame: float32 (h, w, classes), None without one."""
        self._reframe(region)
        return self._filter.previous

    def carried(self, view: View) -> np.ndarray | None:
        """The mask before, moved to where its content is in the view; None without one."""
        self._reframe(view.region)
        # Another thread may choose another one at any moment, which has no mask to move along.
        chosen = self._filter
        return None if chosen.previous is None else chosen.carry(view.thumbnail)

    def filtered(self, scores: np.ndarray, view: View) -> np.ndarray:
        """The view's scores, float32 (h, w, classes), as the filter has them; remembered."""
        self._reframe(view.region)
        return self._filter.apply(scores, view.thumbnail)

    def audited(self, region: Region) -> np.ndarray | None:
        """Asked for every mask: the mask before, where it is to be audited now; else None."""
        return self.mask(region) if self._audit.due() else None

    def reset(self) -> None:
        """Forget every mask."""
        self._filter.reset()
        self._audit.reset()

    def _reframe(self, region: Region) -> None:
        """Let what the filter remembers show a region."""
        if region != self._region:
            self._filter.reframe(self._region, region)
            self._region = region

"""What the network sees of each frame, and where a scene begins."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from ..spec import ModelSpec
from .focus import Focus, View
from .motion import SceneCut
from .network import Network
from .parts import joined, parts_of
from .region import WHOLE, Region
from .segmentation import foreground
from .squeeze import Squeeze

# Frames whose proportions differ by more than this share are no successors of one another.
SAME_SHAPE = 0.02


class Viewer:
    """Chooses the part of each frame that the network is to see, one frame after the other.

    focuses: whether it may be less than the whole frame; glance_every: see `Focus`.
    resets: where scenes that begin in the middle are counted, as "cut".
    """

    def __init__(
        self,
        network: Network,
        spec: ModelSpec,
        *,
        focuses: bool,
        glance_every: int,
        resets: Counter[str],
    ) -> None:
        self._network = network
        self._focuses = focuses
        self._aspect = spec.width / spec.height
        self._focus = Focus(network.size, self._aspect, glance_every=glance_every)
        self._squeeze = Squeeze(spec)
        self._cut = SceneCut()
        self._shape: float | None = None
        self._resets = resets

    def look(self, frame: np.ndarray) -> View:
        """What the network would see of the frame now; in any thread."""
        return self._look(frame, self._focus.region)

    def view(self, frame: np.ndarray, ahead: View | None) -> View:
        """What the network is to see of the frame.

        ahead: what `look` gave for this frame; made anew where another part is needed.
        """
        view = ahead
        if view is None or view.region != self._focus.region:
            view = self.look(frame)
        reshaped = self._reshaped(*view.size)
        cut = self._cut(view.thumbnail) or reshaped
        if cut:
            self._resets["cut"] += 1
        if cut or (self._focuses and self._focus.fresh):
            view = self._begin(view)
        return view

    def glance_due(self) -> bool:
        """Asked for every frame: whether it is time for `glance`."""
        return self._focus.glance_due()

    def glance(self, frame: np.ndarray) -> None:
        """Look at the whole frame, for whoever is outside of what `view` has of it."""
        whole = self.scores(self._look(frame, WHOLE), None)
        self._focus.glanced(foreground(whole))

    def scores(self, view: View, previous: np.ndarray | None) -> np.ndarray:
        """The network's for a view, float32 (h, w, classes), of its parts where it has some.

        previous: scores of the frame before, of the same region; None without any.
        """
        if not view.parts:
            return self._network.scores(view.pixels, previous)
        scores = [
            self._network.scores(pixels, None if previous is None else part.cut(previous))
            for part, pixels in view.parts
        ]
        return joined(scores, [part for part, _ in view.parts], self._network.size)

    def follow(self, scores: np.ndarray, view: View) -> None:
        """Choose what to see of the next frame by the network's scores for this view."""
        if self._focuses:
            self._focus.follow(foreground(scores), view.size)
            self._cut.reframe(view.region, self._focus.region)

    def reset(self) -> None:
        """Forget the frames before."""
        self._cut.reset()
        self._shape = None
        self._focus.reset()

    def _look(self, frame: np.ndarray, region: Region) -> View:
        seen = region.cut(frame)
        height, width = seen.shape[:2]
        pixels = self._network.pixels
        parts = tuple((part, pixels(part.cut(seen))) for part in self._parts(width, height))
        return View(frame, pixels(seen), region, parts=parts)

    def _reshaped(self, width: int, height: int) -> bool:
        """Whether frames have other proportions than before: a phone was turned, say.

        Warns of the first ones, and of new ones, where people in them are squeezed too much.
        """
        before, self._shape = self._shape, width / height
        if before is not None and abs(self._shape / before - 1) <= SAME_SHAPE:
            return False
        if not self._parts(width, height):
            self._squeeze.check(width, height)
        return before is not None

    def _parts(self, width: int, height: int) -> list[Region]:
        """The parts that a picture of this size is looked at in; none where that is whole."""
        if not self._focuses:
            return []
        return parts_of(width, height, aspect=self._aspect, cells=self._network.size)

    def _begin(self, view: View) -> View:
        """The first view of a scene; by a glance at the whole frame, for a photo has no second.

        The masks of the scene before are forgotten where they are kept, in a later stage.
        """
        if self._focuses:
            self._focus.reset()
            if view.region != WHOLE:
                view = self._look(view.frame, WHOLE)
            scores = self.scores(view, None)
            self._focus.start(foreground(scores), view.size)
            if self._focus.region == WHOLE:
                view = dataclasses.replace(view, scores=scores)
            else:
                view = self._look(view.frame, self._focus.region)
        self._cut.reset()
        self._cut(view.thumbnail)
        return dataclasses.replace(view, begins=True)

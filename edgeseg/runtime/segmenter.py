"""Segmenter: a model, its delegate, a temporal filter and the way back to the frame's size."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from ..errors import InputError
from ..preprocess import check_frame, to_mask
from ..spec import ModelSpec, load_model
from . import assets
from .audit import ghost
from .delegates import choose, ops_per_device
from .focus import GLANCE_EVERY, View
from .memory import Memory
from .network import Network
from .refiner import Refiner
from .segmentation import Segmentation, foreground
from .viewer import Viewer

DEFAULT_TEMPORAL = "flow"


class Segmenter:
    """Segments frames one after another; one for each stream and thread.

    model: name of a bundled model, or path of a .tflite.
    delegate: "auto", "edgetpu", "gpu" or "cpu". threads: of the CPU kernels.
    temporal: "none", "ema", "blend" or "flow".
    refine: draw the mask's edges along the frame's, for binary models.
    focus: look at the people of the frame before and some room around them, with a glance
        at the whole frame first and every now and then, in parts where it is more than twice
        as wide as high, or as high as wide; for binary models.
    glance_every: frames between two such glances, each of which is one more run of the
        network, or one for each part. Somebody who comes in elsewhere is seen after at most one
        more than so many: with 10 a third of a second at 30 frames/s, a whole one at 10.
    cadence: run the network for every n-th frame only; optical flow moves the mask along
        for those between.
    flip: average what the network answers to a view and to its mirror image, which takes twice
        the time; for binary models, since several classes may have a left and a right. Better
        on photos, not in video, where it costs time that is missing elsewhere.
    spec: for a model file without one.

    `focuses` says whether it may look at less than the whole frame, `refused` why delegates that
    were tried are not used, `resets` how often the frames before were forgotten, and why.

    Raises ModelError for a file that is no usable model, DelegateError for a named
    delegate that does not work, InputError for other arguments.
    """

    def __init__(
        self,
        model: str | Path = "person",
        *,
        delegate: str = "auto",
        threads: int | None = None,
        temporal: str = DEFAULT_TEMPORAL,
        refine: bool = True,
        focus: bool = True,
        glance_every: int = GLANCE_EVERY,
        cadence: int = 1,
        flip: bool = False,
        spec: ModelSpec | None = None,
    ) -> None:
        for option, count in (("cadence", cadence), ("glance_every", glance_every)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise InputError(f"{option}: got {count!r}, expected a whole number of at least 1")
        if not isinstance(spec, ModelSpec | None):
            raise InputError(f"spec: got {spec!r}, expected a ModelSpec")
        self.path = assets.resolve(model)
        data, self.spec = load_model(self.path, spec=spec)
        choice = choose(
            data,
            self.spec,
            delegate=delegate,
            threads=threads,
            variants=assets.variants(self.path),
        )
        self.refused = choice.refused
        self.resets: Counter[str] = Counter()
        self.glance_every = glance_every
        self.focuses = focus and self.spec.binary
        self._network = Network(choice, self.spec, threads=threads, flip=flip)
        self._viewer = Viewer(
            self._network,
            self.spec,
            focuses=self.focuses,
            glance_every=glance_every,
            resets=self.resets,
        )
        self._memory = Memory(temporal)
        self._refiner = Refiner(binary=self.spec.binary, refine=refine)
        self._cadence = cadence
        self._position = 0
        self._closed = False
        self._free = threading.Lock()

    @property
    def temporal(self) -> str:
        """Name of the temporal filter; assigning another starts it without a past."""
        return self._memory.temporal

    @temporal.setter
    def temporal(self, name: str) -> None:
        self._memory.temporal = name

    @property
    def delegate(self) -> str:
        """Where the network runs now: "edgetpu", "gpu" or "cpu"."""
        return self._network.name

    @property
    def interpreter(self):
        """The interpreter in use, with `package`, `threads`, `inputs` and `outputs`."""
        return self._network.interpreter

    @property
    def warnings(self) -> list[str]:
        """What the watchdog had to say, oldest first."""
        return self._network.warnings

    def ops_per_device(self) -> dict[str, int]:
        """How many operators run where."""
        return ops_per_device(self._network.interpreter)

    def segment(self, frame: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) BGR -> float32 (H, W) in [0, 1], the probability of the foreground.

        The frame is taken for the successor of the one before: call `reset` between
        unrelated ones. Raises InputError for another dtype or shape, after `close`, and
        where another thread is in here.
        """
        with self._alone():
            mask = self.refined(self._track(frame), frame)
            return to_mask(mask, frame.shape[1], frame.shape[0])

    def segment_classes(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class scores float32 (H, W, classes) and label map uint8 (H, W), for several labels.

        The frame and the errors are those of `segment`. A binary model has one class, number 0.
        """
        with self._alone():
            scores = to_mask(self._track(frame), frame.shape[1], frame.shape[0])
        scores = scores.reshape(*frame.shape[:2], -1)
        return scores, scores.argmax(axis=-1).astype(np.uint8)

    def reset(self) -> None:
        """Forget the frames before: a cut, a new image."""
        self.resets["asked"] += 1
        self._viewer.reset()
        self._forget_masks()

    def close(self) -> None:
        """Release the interpreter; no frame can be segmented after it."""
        self._closed = True
        self._network.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # The stages, for a pipeline that times them and runs them in different threads.

    @property
    def sequential(self) -> bool:
        """True where stage 2 needs what stage 3 made of the frame before."""
        return self.spec.previous_mask or self._cadence > 1

    def look(self, frame: np.ndarray) -> View:
        """Before stage 1, in any thread: the part of the frame that is looked at now."""
        if self._closed:
            raise InputError("segmenter: got a frame after it was closed; open another one")
        check_frame(frame)
        return self._viewer.look(frame)

    def view(self, frame: np.ndarray, ahead: View | None = None) -> View:
        """Stage 1: what the network is to see of the frame, in its size and colour order.

        ahead: what `look` gave for this frame; made anew where another part is needed.
        """
        if ahead is None:
            ahead = self.look(frame)
        return self._viewer.view(frame, ahead)

    def scores(self, view: View) -> np.ndarray | None:
        """Stage 2: the network's scores, float32 (h, w, classes); None between two cadences."""
        if self.sequential and view.begins:
            self._forget_masks()
        position, self._position = self._position, (self._position + 1) % self._cadence
        glance = self._viewer.glance_due()
        # Without a previous mask there is none to move along, whatever the cadence.
        if position > 0 and not self._memory.empty:
            return None
        if glance:
            self._viewer.glance(view.frame)
        scores = view.scores
        if scores is None:
            # The mask before is of use where this stage shares the thread of the next.
            before = self._memory.mask(view.region) if self.sequential else None
            scores = self._viewer.scores(view, before)
        self._viewer.follow(scores, view)
        return scores

    def steady(self, scores: np.ndarray | None, view: View) -> np.ndarray:
        """Stage 3: the temporal filter; without scores, the previous mask moved along.

        Returns scores of the whole frame, float32 (h, w, classes), finer where less of it
        was looked at.
        """
        if view.begins and not self.sequential:
            self._forget_masks()
        steady = self._memory.carried(view) if scores is None else None
        if steady is None:
            if scores is None:
                scores = self._viewer.scores(view, None)
            steady = self._memory.filtered(self._audited(scores, view), view)
        return view.region.placed(steady)

    def refined(self, scores: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """Stage 4: foreground float32 (h, w), cleaned and sharpened, below the frame's size."""
        return self._refiner.refined(scores, frame)

    def segmentation(self, scores: np.ndarray, frame: np.ndarray) -> Segmentation:
        """Stage 4 as effects want it."""
        return self._refiner.segmentation(scores, frame)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse a second thread: an interpreter runs one input at a time, and says it badly."""
        if not self._free.acquire(blocking=False):
            raise InputError(
                "segmenter: got a frame while another thread has one in it; open one for each"
            )
        try:
            yield
        finally:
            self._free.release()

    def _track(self, frame: np.ndarray) -> np.ndarray:
        view = self.view(frame)
        return self.steady(self.scores(view), view)

    def _audited(self, scores: np.ndarray, view: View) -> np.ndarray:
        """Scores without a past, where those with one have come to disagree with them."""
        before = self._memory.audited(view.region)
        if before is None:
            return scores
        fresh = self._viewer.scores(view, None) if self.spec.previous_mask else scores
        if not ghost(foreground(before), foreground(fresh)):
            return scores
        self.resets["audit"] += 1
        # Where to look is no ghost's doing: it stays.
        self._forget_masks()
        return fresh

    def _forget_masks(self) -> None:
        self._memory.reset()
        self._refiner.reset()
        self._position = 0

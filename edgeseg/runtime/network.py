"""A segmenter's network: from what it sees of a frame to scores."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from ..preprocess import check_covers_input, sharpened, to_scores
from ..spec import ModelSpec
from .delegates import OPENERS, Choice
from .feeder import Feeder
from .segmentation import foreground
from .watchdog import Guarded


class Network:
    """A model on the delegate that was chosen for it, watched.

    threads: of the CPU, should the delegate fail. flip: average what is answered to a view
    and to its mirror image, for binary models. size: width and height of the scores.
    Raises ModelError where the model's tensors are not those of `spec`.
    """

    def __init__(
        self, choice: Choice, spec: ModelSpec, *, threads: int | None = None, flip: bool = False
    ) -> None:
        self._guarded = Guarded(
            choice.interpreter,
            name=choice.name,
            open_cpu=lambda: OPENERS["cpu"](choice.on_cpu, threads),
        )
        self._feeder = Feeder(spec, choice.interpreter.inputs[0])
        shape = choice.interpreter.outputs[0].shape
        _check_output(spec, shape)
        self.size = (shape[2], shape[1])
        self._spec = spec
        self._flip = flip and spec.binary

    @property
    def name(self) -> str:
        """Of the delegate that it runs on now."""
        return self._guarded.name

    @property
    def interpreter(self):
        """The interpreter in use, with `package`, `threads`, `inputs` and `outputs`."""
        return self._guarded.interpreter

    @property
    def warnings(self) -> list[str]:
        """What the watchdog had to say, oldest first."""
        return self._guarded.warnings

    def pixels(self, frame: np.ndarray) -> np.ndarray:
        """BGR frame uint8 (H, W, 3) -> what the network sees of it, as `scores` takes it."""
        return self._feeder.pixels(frame)

    def scores(self, pixels: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
        """float32 (h, w, classes) in [0, 1].

        previous: scores of the frame before, of the same part of it; None without one. The
        errors are those of `Guarded.run`.
        """
        before = None if previous is None else foreground(previous)
        scores = self._answer(pixels, before)
        if not self._flip:
            return scores
        flipped = None if before is None else before[:, ::-1]
        return (scores + self._answer(pixels[:, ::-1], flipped)[:, ::-1]) / 2

    def close(self) -> None:
        """Release the interpreter."""
        self._guarded.close()

    def _answer(self, pixels: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
        output = self._guarded.run(self._feeder.tensor(pixels, previous))
        # Filters and effects want masks that are sure of themselves.
        return sharpened(to_scores(output, self._spec), self._spec)


def _check_output(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    if len(shape) != 4 or shape[-1] != len(spec.labels):
        raise ModelError(
            f"model {spec.name!r}: got an output tensor of {shape}, expected "
            f"(1, height, width, {len(spec.labels)}) from its labels"
        )
    check_covers_input(spec, (shape[1], shape[2]))

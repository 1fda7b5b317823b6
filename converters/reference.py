"""The float model's answers, with which converted files are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeseg.errors import ModelError
from edgeseg.preprocess import covers_input, sharpened, to_scores, to_tensor
from edgeseg.spec import ModelSpec

from .calibration import foreground
from .pictures import Picture

Predict = Callable[[np.ndarray], np.ndarray]

# Probabilities end so far beside 0 and 1 at most: logits of a trained network go further.
BESIDE = 0.5


@dataclass(frozen=True)
class Reference:
    """Pictures and the float model's answers to them, computed once for all files.

    outputs: per photograph scores (h, w, classes). clip: frames in order, may be
    empty. clip_outputs: the float model's foreground over the clip, float32 (h, w).
    """

    spec: ModelSpec
    pictures: tuple[Picture, ...]
    outputs: tuple[np.ndarray, ...]
    clip: tuple[Picture, ...]
    clip_outputs: tuple[np.ndarray, ...]

    @property
    def whole(self) -> bool:
        """Whether the network answers to all that it sees, not to the middle alone."""
        height, width = self.outputs[0].shape[:2]
        return covers_input((self.spec.height, self.spec.width), (height, width))

    def doubts(self) -> list[str]:
        """What the files are not good for."""
        if self.whole:
            return []
        height, width = self.outputs[0].shape[:2]
        return [
            f"got a network whose output of {height}x{width} leaves out the borders of its input "
            f"of {self.spec.height}x{self.spec.width}: its files are compared with the float model "
            "alone, and Segmenter and `edgeseg benchmark` refuse them; only `edgeseg evaluate "
            "--tile` takes them"
        ]

    @property
    def known(self) -> list[tuple[int, np.ndarray]]:
        """Photographs with a known mask that is not empty, as index and mask.

        Against an empty mask IoU is 0 for a single wrong pixel, so that such
        photographs would decide alone. None are known for more classes than one, nor for a
        network that leaves out the borders.
        """
        if not self.spec.binary or not self.whole:
            return []
        truths = [(index, picture.truth) for index, picture in enumerate(self.pictures)]
        return [(index, truth) for index, truth in truths if truth is not None and truth.any()]


def make_reference(
    predict: Predict, spec: ModelSpec, pictures: Sequence[Picture], clip: Sequence[Picture] = ()
) -> Reference:
    """Run the float model once over everything that files are compared on.

    Raises ModelError for a model whose answers are not all finite, or no probabilities: nothing
    compares with them.
    """
    outputs = tuple(scores_of(predict, picture.frame, spec) for picture in pictures)
    masks = tuple(closed_loop(predict, [picture.frame for picture in clip], spec))
    for picture, output in zip((*pictures, *clip), (*outputs, *masks)):
        if not np.isfinite(output).all():
            raise ModelError(
                f"model {spec.name!r}: got NaN or infinite answers to {picture.path}, expected "
                "finite ones; look at its weights, and at scale and offset in its spec"
            )
        _check_probabilities(output, spec, picture)
    return Reference(
        spec=spec,
        pictures=tuple(pictures),
        outputs=outputs,
        clip=tuple(clip),
        clip_outputs=masks,
    )


def scores_of(predict: Predict, frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """What a model says of a frame, uint8 (H, W, 3) BGR: float32 (h, w, classes)."""
    return to_scores(predict(to_tensor(frame, spec)), spec)


def closed_loop(
    predict: Predict, frames: Sequence[np.ndarray], spec: ModelSpec
) -> list[np.ndarray]:
    """Foreground over a clip, float32 (h, w).

    Where the model takes a previous mask each is fed back, sharpened as the runtime does.
    """
    masks: list[np.ndarray] = []
    for frame in frames:
        previous = sharpened(masks[-1], spec) if masks and spec.previous_mask else None
        masks.append(foreground(predict(to_tensor(frame, spec, previous)), spec))
    return masks


def _check_probabilities(output: np.ndarray, spec: ModelSpec, picture: Picture) -> None:
    # A network without a last activation may be a little beside 0 and 1, but not far.
    if output.min() < -BESIDE or output.max() > 1 + BESIDE:
        mend = "sigmoid" if spec.binary else "softmax"
        raise ModelError(
            f"model {spec.name!r}: got answers from {output.min():.3g} to {output.max():.3g} to "
            f"{picture.path}, expected probabilities from 0 to 1; for logits put "
            f'"activation": "{mend}" into its spec'
        )

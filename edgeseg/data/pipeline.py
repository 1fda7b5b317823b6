"""Input pipeline: from groups of samples to augmented batches, in threads, reproducibly.

Sample i of a run is a function of (seed, i) alone, so that the batches are the
same whatever the number of workers, and a resumed run continues with the very
batches that an uninterrupted one would have seen.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..preprocess import model_pixels, resize
from ..spec import ModelSpec
from .augment import AugmentConfig, photometric, turn_hue, warp, warp_matrix
from .batch import Batch
from .batch_workers import batches_from_processes, batches_from_threads
from .composition import composited, mixed, mosaic, pasted, with_cutouts
from .example import Example
from .feature_maps import FeatureMaps
from .folder import Group, Sample
from .previous_mask import PreviousMaskConfig, motion, previous_mask


@dataclass(frozen=True)
class Pipeline:
    """Draws, augments and batches. `cache` keeps decoded images in memory (uint8).

    processes: whether processes make the batches instead of threads.

    cutouts: photos with masks of things, for `augment.cutouts`.
    features: a published network's maps of the samples, for batches that have them as
        well, on a grid of `feature_grid` (height, width).
    Raises InputError for an augmentation that these samples or sizes do not allow.
    """

    groups: tuple[Group, ...]
    backgrounds: tuple[Sample, ...]
    spec: ModelSpec
    output_stride: int = 2
    augment: AugmentConfig = AugmentConfig()
    previous: PreviousMaskConfig = PreviousMaskConfig()
    seed: int = 0
    cache: bool = True
    processes: bool = False
    cutouts: tuple[Sample, ...] = ()
    features: FeatureMaps | None = None
    feature_grid: tuple[int, int] = (0, 0)
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    # Of `augment`, what these samples are not changed by.
    without_effect: ClassVar[tuple[str, ...]] = ("elastic",)

    def __post_init__(self) -> None:
        for name in self.without_effect:
            if getattr(self.augment, name):
                raise InputError(
                    f"augment.{name}: got {getattr(self.augment, name)} for samples that it has no "
                    "effect on, expected 0"
                )
        if self.augment.things and not self.things:
            raise InputError(
                f"augment.things: got {self.augment.things} without a photo that has no mask, "
                "expected a group of them, or 0"
            )
        if self.augment.cutouts and not self.cutouts:
            raise InputError(
                f"augment.cutouts: got {self.augment.cutouts} without data.cutouts, expected a "
                "folder of them, or 0"
            )
        sizes = (self.spec.height, self.spec.width, *self.feature_grid)
        if self.augment.mosaic and any(size % 2 for size in sizes):
            raise InputError(
                f"augment.mosaic: got an input of {self.spec.height}x{self.spec.width}, features "
                f"on {self.feature_grid[0]}x{self.feature_grid[1]}; expected even sizes, or 0"
            )

    def __getstate__(self) -> dict[str, object]:
        # Another process reads its own images: what is in memory here would take longer to send.
        return {**self.__dict__, "_cache": {}}

    @functools.cached_property
    def things(self) -> tuple[Sample, ...]:
        """The samples of all groups whose mask is empty by definition."""
        return tuple(s for group in self.groups for s in group.samples if s.mask is None)

    @functools.cached_property
    def knows(self) -> bool:
        """Whether there is anything that is known better than a teacher knows it."""
        return bool(self.augment.cutouts) or any(group.taught < 1 for group in self.groups)

    @functools.cached_property
    def shifts(self) -> bool:
        """Whether any group's masks are wider or tighter than a teacher's."""
        return any(group.shift for group in self.groups)

    def read(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) BGR and mask uint8 (H, W) of one size."""
        if sample.image in self._cache:
            image, coded = self._cache[sample.image]
            if coded is None:
                return image, np.zeros(image.shape[:2], np.uint8)
            return image, coded
        image = sample.read_image()
        mask = sample.read_mask() if sample.mask else None
        if mask is not None and mask.shape != image.shape[:2]:
            mask = resize(mask, image.shape[1], image.shape[0])
        if self.cache:
            self._cache[sample.image] = (image, mask)
        return image, np.zeros(image.shape[:2], np.uint8) if mask is None else mask

    def draw(self, rng: np.random.Generator) -> tuple[Group, Sample]:
        """A group by its share, then one of its samples."""
        shares = np.array([group.share for group in self.groups])
        group = self.groups[rng.choice(len(shares), p=shares / shares.sum())]
        return group, group.samples[rng.integers(len(group.samples))]

    def matrix(
        self,
        rng: np.random.Generator,
        mask: np.ndarray,
        crop: tuple[float, float] | None = None,
        *,
        part: int = 1,
        emptiest_of: int = 1,
    ) -> np.ndarray:
        """A `warp_matrix` drawn for a photo with this mask; the others as for `warped`."""
        config, size = self.augment, self._size(part)
        if crop is not None:
            config = dataclasses.replace(config, crop=(float(crop[0]), float(crop[1])))
        matrices = [warp_matrix(rng, mask.shape, size, config) for _ in range(emptiest_of)]
        if emptiest_of == 1:
            return matrices[0]
        return min(matrices, key=lambda matrix: _area(mask, matrix, size))

    def _size(self, part: int) -> tuple[int, int]:
        """Width and height of one `part`th of the tensor's sides."""
        return self.spec.width // part, self.spec.height // part

    def warped(
        self,
        rng: np.random.Generator,
        sample: Sample,
        crop: tuple[float, float] | None = None,
        *,
        part: int = 1,
        emptiest_of: int = 1,
    ) -> Example:
        """A sample after the geometric augmentation, at one `part`th of the tensor's sides.

        emptiest_of: see `Group`.
        """
        image, mask = self.read(sample)
        shape, size = image.shape[:2], self._size(part)
        matrix = self.matrix(rng, mask, crop, part=part, emptiest_of=emptiest_of)
        features = None
        if self.features is not None:
            grid = (self.feature_grid[0] // part, self.feature_grid[1] // part)
            features = self.features.warped(sample, matrix, shape, size, grid)
        image = warp(image, matrix, size)
        turned = self.augment.hue_things if sample.mask is None else self.augment.hue
        if turned and rng.random() < turned:
            image = turn_hue(rng, image)
        return Example(image, warp(mask, matrix, size), features)

    def example(
        self, index: int
    ) -> tuple[np.ndarray, np.ndarray, float, str, np.ndarray | None, np.ndarray | None, float]:
        """Sample `index` of the run: pixels (h, w, channels), mask (h', w', 1), weight, name.

        Both uint8. And its features, where the pipeline has them; as the mask, where it `knows`,
        how far; and what is added to a teacher's log odds.
        """
        rng = np.random.default_rng((self.seed, index))
        group, sample = self.draw(rng)
        example = self.warped(rng, sample, group.crop, emptiest_of=group.emptiest_of)
        if sample.mask is not None and self.backgrounds and rng.random() < self.augment.composite:
            example = composited(rng, self, example)
        if rng.random() < self.augment.paste:
            example = pasted(rng, self, example)
        taught, shift = group.taught, group.shift
        # Only drawn where asked for: other configurations keep their sequence of numbers.
        if self.augment.mosaic and rng.random() < self.augment.mosaic:
            example, taught, shift = mosaic(rng, self), 1.0, 0.0
        elif self.augment.mixup and rng.random() < self.augment.mixup:
            example, taught, shift = mixed(rng, self, example), 1.0, 0.0
        if self.knows:
            certain = np.full_like(example.mask, round(255 * (1 - taught)))
            example = dataclasses.replace(example, known=certain)
        if self.augment.cutouts and rng.random() < self.augment.cutouts:
            example = with_cutouts(rng, self, example)
        image = photometric(rng, example.image, self.augment)
        pixels, mask, known = self._pixels(rng, image, example.mask, example.known)
        known = None if known is None else self._on_grid(known)
        mask = self._on_grid(mask)
        return pixels, mask, group.weight, sample.name, example.features, known, shift

    def _on_grid(self, mask: np.ndarray) -> np.ndarray:
        """A mask (h, w) as the truth is, (h', w', 1)."""
        stride = self.output_stride
        return resize(mask, mask.shape[1] // stride, mask.shape[0] // stride)[..., np.newaxis]

    def _pixels(self, rng, image, mask, known):
        """The network's input, and the truth and what is known, which move with the camera."""
        if not self.spec.previous_mask:
            return model_pixels(image, self.spec), mask, known
        kind = self.previous.kind(rng.random())
        # Another photo is read and warped only where its mask is shown.
        other = self.warped(rng, self.draw(rng)[1]).mask if kind == "wrong" else mask
        channel = previous_mask(rng, mask, other, self.previous, kind)
        if kind == "camera":
            size = (self.spec.width, self.spec.height)
            matrix = motion(rng, mask.shape, self.previous)
            image, mask = warp(image, matrix, size), warp(mask, matrix, size)
            known = None if known is None else warp(known, matrix, size)
        return np.dstack([model_pixels(image, self.spec), channel]), mask, known

    def batch(self, step: int, size: int) -> Batch:
        """Batch number `step` of `size` examples."""
        examples = [self.example(step * size + i) for i in range(size)]
        pixels, masks, weight, names, features, known, shift = zip(*examples)
        return Batch(
            np.stack(pixels),
            np.stack(masks),
            np.asarray(weight, np.float32),
            names,
            self.spec,
            None if self.features is None else np.stack(features),
            np.stack(known) if self.knows else None,
            np.asarray(shift, np.float32) if self.shifts else None,
        )

    def batches(
        self, size: int, *, start: int, stop: int, workers: int = 2, ahead: int = 4
    ) -> Iterator[Batch]:
        """Batches `start` to `stop`, made `ahead` of their use by `workers` threads.

        Or by as many processes, where the pipeline is told so.
        """
        make = batches_from_processes if self.processes else batches_from_threads
        return make(self, size, start=start, stop=stop, workers=workers, ahead=ahead)


def _area(mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> float:
    """Mean of a mask in a crop, read at an eighth of its size (width, height)."""
    return float(warp(mask, matrix / 8, (size[0] // 8, size[1] // 8)).mean())

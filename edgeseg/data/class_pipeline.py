"""Input pipeline for several classes: ids instead of a soft mask, and a weight per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from ..config_ranges import check_above, check_least
from ..preprocess import model_pixels
from .augment import deform, elastic_maps, photometric, warp, warp_labels, warp_matrix
from .batch import Batch
from .border_weight import border_weight
from .dataset import IGNORE, Labelled
from .folder import Sample
from .pipeline import Pipeline


@dataclass(frozen=True)
class BorderConfig:
    """U-Net's border weights: `foreground` names the class whose objects are kept apart.

    Empty for none. strength and sigma (in pixels) are w0 and sigma of the paper.
    """

    foreground: str = ""
    strength: float = 10.0
    sigma: float = 5.0

    def __post_init__(self) -> None:
        check_least(self, 0, "strength")
        check_above(self, 0, "sigma")


@dataclass(frozen=True)
class ClassPipeline(Pipeline):
    """Draws, augments and batches samples with class ids.

    margin: rows and columns that a network with valid padding takes off each side.
    border: weights between touching objects, drawn from the photo at its own size.
    """

    margin: tuple[int, int] = (0, 0)
    border: BorderConfig = BorderConfig()
    without_effect: ClassVar[tuple[str, ...]] = (
        "hue",
        "hue_things",
        "things",
        "cutouts",
        "mosaic",
        "mixup",
    )

    def read(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) BGR and class ids uint8 (H, W)."""
        if sample.image in self._cache:
            return self._cache[sample.image]
        pair = sample.read_image(), cast(Labelled, sample).read_labels()
        if self.cache:
            self._cache[sample.image] = pair
        return pair

    def class_example(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
        """Sample `index`: pixels (h, w, channels), ids (h', w'), weight (h', w'), name."""
        rng = np.random.default_rng((self.seed, index))
        group, sample = self.draw(rng)
        image, labels = self.read(sample)
        size = (self.spec.width, self.spec.height)
        matrix = warp_matrix(rng, labels.shape, size, self.augment)
        weights = self._border_weights(sample, labels)
        image = warp(image, matrix, size)
        matrix = self._onto_pixels(matrix)
        labels = warp_labels(labels, matrix, size)
        weights = None if weights is None else warp(weights, matrix, size)
        if self.augment.elastic:
            maps = elastic_maps(rng, size, self.augment)
            image = deform(image, maps, labels=False)
            labels = deform(labels, maps, labels=True)
            weights = None if weights is None else deform(weights, maps, labels=False)
        image = photometric(rng, image, self.augment)
        ids = self._output_grid(labels).astype(np.int32)
        weight = np.float32(group.weight) * (ids != IGNORE)
        if weights is not None:
            weight = weight * self._output_grid(weights)
        return model_pixels(image, self.spec), ids, weight.astype(np.float32), sample.name

    def _border_weights(self, sample: Sample, labels: np.ndarray) -> np.ndarray | None:
        if not self.border.foreground:
            return None
        key = (sample.image, "border")
        if key not in self._cache:
            self._cache[key] = border_weight(
                labels,
                foreground=self.spec.labels.index(self.border.foreground),
                strength=self.border.strength,
                sigma=self.border.sigma,
            )
        return self._cache[key]

    def _onto_pixels(self, matrix: np.ndarray) -> np.ndarray:
        """`matrix` for the truth: the middle of each step of `_output_grid` lies on a pixel.

        That of an even step lies between two pixels, half a pixel before the one that is taken.
        """
        aside = 0.5 if self.output_stride % 2 == 0 else 0.0
        return matrix + np.array([[0, 0, aside], [0, 0, aside]])

    def _output_grid(self, values: np.ndarray) -> np.ndarray:
        """Input-sized truth on the network's output: margin off, then the middle of each step."""
        top, left = self.margin
        values = values[top : values.shape[0] - top, left : values.shape[1] - left]
        middle = self.output_stride // 2
        return values[middle :: self.output_stride, middle :: self.output_stride]

    def batch(self, step: int, size: int) -> Batch:
        """Batch number `step` of `size` examples."""
        examples = [self.class_example(step * size + i) for i in range(size)]
        pixels, ids, weight, names = zip(*examples)
        return Batch(np.stack(pixels), np.stack(ids), np.stack(weight), names, self.spec)

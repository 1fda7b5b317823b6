"""What a published network saw in each training image, as small maps beside the images.

`python -m edgeseg.training.features` writes them; the pipeline warps a map as it warps
the photo, so that the teacher looks once at each photo and never at a training batch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from .folder import Sample

MAPS, INDEX, CLASSES = "features.npy", "features.json", "classes.npz"


@dataclass(frozen=True)
class FeatureMaps:
    """uint8 maps (images, n, n, channels), the values along a side k / (n - 1) of the photo's.

    scale: of a step of uint8. variance: of the features, summed over the channels.
    rows: of each image; by resolved paths as loaded, by the samples' own after `of`.
    classes: kernel float32 (channels, classes) and bias (classes,) of the published
        network's last layer, which reads class scores from the features; None without.
    """

    maps: np.ndarray
    scale: float
    variance: float
    rows: dict[Path, int] = field(repr=False)
    classes: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def load(cls, folder: Path, *, root: Path) -> FeatureMaps:
        """Open what `edgeseg.training.features` wrote; images are relative to `root`.

        Raises InputError where it is not there or cannot be read.
        """
        try:
            index = json.loads((folder / INDEX).read_text())
            maps = np.load(folder / MAPS, mmap_mode="r")
            if len(maps) != len(index["images"]):
                raise ValueError(f"{len(maps)} maps for {len(index['images'])} images")
            rows = {(root / name).resolve(): row for row, name in enumerate(index["images"])}
            scale, variance = float(index["scale"]), float(index["variance"])
            return cls(maps, scale, variance, rows, _read_classes(folder / CLASSES))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{folder}: got no feature maps ({error}), expected those that "
                "`python -m edgeseg.training.features` writes"
            ) from None

    def __getstate__(self) -> dict[str, object]:
        # A mapped file is opened again where this goes; as an array it would be copied there.
        name = getattr(self.maps, "filename", None)
        return {**self.__dict__, "maps": self.maps if name is None else Path(name)}

    def __setstate__(self, state: dict[str, object]) -> None:
        if isinstance(maps := state["maps"], Path):
            state = {**state, "maps": np.load(maps, mmap_mode="r")}
        self.__dict__.update(state)

    @property
    def channels(self) -> int:
        """Of a map."""
        return int(self.maps.shape[-1])

    def last_layer(self) -> tuple[np.ndarray, np.ndarray]:
        """`classes`; InputError where they were not written."""
        if self.classes is None:
            raise InputError(
                "features.classes: got maps without the published network's last layer, "
                "expected it beside them; write them anew from weights that have it"
            )
        return self.classes

    def of(self, samples: Sequence[Sample]) -> FeatureMaps:
        """The same by the samples' own paths; InputError names the first without a map."""
        rows = {}
        for sample in samples:
            row = self.rows.get(sample.image.resolve())
            if row is None:
                raise InputError(
                    f"{sample.image}: got no feature map, expected one; write them anew"
                )
            rows[sample.image] = row
        return dataclasses.replace(self, rows=rows)

    def warped(
        self,
        sample: Sample,
        matrix: np.ndarray,
        shape: tuple[int, int],
        size: tuple[int, int],
        grid: tuple[int, int],
    ) -> np.ndarray:
        """The sample's map where `matrix` has taken its photo, uint8 (*grid, channels).

        matrix: 2x3, from the photo's pixels, of `shape` (height, width), to the tensor's,
        of `size` (width, height). grid: (height, width) of the answer, which covers the
        tensor. Beyond the photo it is the map's mirror image, as the photo's own is.
        """
        rows, columns = grid
        x = (np.arange(columns) + 0.5) * size[0] / columns - 0.5
        y = (np.arange(rows) + 0.5) * size[1] / rows - 0.5
        places = np.stack(np.meshgrid(x, y), -1) - matrix[:, 2]
        places = places @ np.linalg.inv(matrix[:, :2]).T
        full = self.maps[self.rows[sample.image]]
        last = full.shape[0] - 1
        places = (places + 0.5) / (shape[1], shape[0]) * last
        # A triangle wave is the mirror image of the mirror image, and so on.
        places = last - np.abs(np.mod(places, 2 * last) - last)
        return _bilinear(full, places[..., 0], places[..., 1])


def _read_classes(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    if not path.is_file():
        return None
    with np.load(path) as archive:
        return archive["kernel"], archive["bias"]


def _bilinear(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """cv2.remap takes four channels at most."""
    last = values.shape[0] - 2
    left, top = np.minimum(x.astype(int), last), np.minimum(y.astype(int), last)
    right_share = (x - left)[..., np.newaxis].astype(np.float32)
    lower_share = (y - top)[..., np.newaxis].astype(np.float32)
    upper = values[top, left] * (1 - right_share) + values[top, left + 1] * right_share
    lower = values[top + 1, left] * (1 - right_share) + values[top + 1, left + 1] * right_share
    return np.rint(upper * (1 - lower_share) + lower * lower_share).astype(np.uint8)

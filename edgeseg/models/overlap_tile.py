"""Overlap-tile inference (Ronneberger, Fischer and Brox, 2015, figure 2): images of any size.

Every tile is predicted with the context around it; beyond the image's border
the context is its mirror image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import InputError

Predict = Callable[[np.ndarray], np.ndarray]


def stride_of(size: tuple[int, int], output: tuple[int, int]) -> int:
    """Pixels of an input of `size` to a pixel of its `output`, both (height, width).

    0 where the output is smaller because valid padding took the borders off: strides are
    powers of two, 188 to 4 is none.
    """
    stride = size[0] // output[0]
    if size != (stride * output[0], stride * output[1]) or stride & (stride - 1):
        return 0
    return stride


def overlap_tile(
    predict: Predict,
    image: np.ndarray,
    *,
    tile: tuple[int, int],
    output: tuple[int, int] | None = None,
    margin: int = 0,
) -> np.ndarray:
    """Predict an image of any size tile by tile.

    predict: float32 (1, *tile, C) -> float32 (1, *output, K).
    image: float32 (H, W, C), as the network takes it.
    tile, output: (height, width) of the network's input and output in pixels;
        output None means that of the input ("same" padding).
    margin: pixels on each side of an output that are dropped, for networks with
        "same" padding, whose borders see zeros instead of the image.

    Returns float32 (H, W, K). Raises InputError for an output larger than the tile
    or a margin that leaves nothing.
    """
    output = output or tile
    core = (output[0] - 2 * margin, output[1] - 2 * margin)
    if min(core) < 1 or output[0] > tile[0] or output[1] > tile[1]:
        raise InputError(
            f"overlap tile: got tile {tile}, output {output}, margin {margin}, expected an output "
            "of at most the tile's size and a margin below half of it"
        )
    height, width = image.shape[:2]
    before = ((tile[0] - core[0]) // 2, (tile[1] - core[1]) // 2)
    padded = _mirrored(image, before, tile, core)
    pieces = []
    for top, left in _corners((height, width), core):
        patch = padded[top : top + tile[0], left : left + tile[1]]
        answer = predict(patch[np.newaxis].astype(np.float32))[0]
        pieces.append((top, left, answer[margin : margin + core[0], margin : margin + core[1]]))
    result = np.zeros((height, width, pieces[0][2].shape[-1]), np.float32)
    for top, left, answer in pieces:
        rows, columns = min(core[0], height - top), min(core[1], width - left)
        result[top : top + rows, left : left + columns] = answer[:rows, :columns]
    return result


def _corners(size: tuple[int, int], core: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for top in range(0, size[0], core[0]):
        for left in range(0, size[1], core[1]):
            yield top, left


def _mirrored(
    image: np.ndarray, before: tuple[int, int], tile: tuple[int, int], core: tuple[int, int]
) -> np.ndarray:
    pads = []
    for axis in (0, 1):
        tiles = -(-image.shape[axis] // core[axis])
        total = (tiles - 1) * core[axis] + tile[axis]
        pads.append((before[axis], max(0, total - before[axis] - image.shape[axis])))
    # numpy mirrors again and again where the image is smaller than the padding.
    return np.pad(image, (*pads, (0, 0)), mode="reflect" if min(image.shape[:2]) > 1 else "edge")

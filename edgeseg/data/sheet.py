"""A contact sheet of a data set: images with their classes in colour, and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..errors import InputError
from ..preprocess import resize
from .dataset import IGNORE, Colour, Dataset, Labelled

TEXT = cv2.FONT_HERSHEY_SIMPLEX
LINE = 26
WHITE = (255, 255, 255)


def overlay(
    image: np.ndarray, labels: np.ndarray, palette: Sequence[Colour], *, share: float = 0.55
) -> np.ndarray:
    """uint8 (H, W, 3) BGR with class colours mixed in; black stays clear, ignored is hatched.

    labels: uint8 (H, W) class ids of the image's size. palette: red, green, blue.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.array(palette, np.uint8)[:, ::-1]
    coloured = table[labels]
    mixed = cv2.addWeighted(image, 1 - share, coloured, share, 0)
    clear = (table[labels] == 0).all(axis=-1)
    mixed[clear] = image[clear]
    rows, columns = np.indices(labels.shape)
    mixed[(labels == IGNORE) & ((rows + columns) % 8 < 2)] = WHITE
    return mixed


def contact_sheet(
    dataset: Dataset, *, count: int = 12, columns: int = 4, width: int = 320
) -> np.ndarray:
    """uint8 (H, W, 3) BGR: `count` samples spread over the data set, with names and a legend."""
    if not dataset.samples:
        raise InputError(f"{dataset.name}: got no samples to show")
    chosen = np.unique(np.linspace(0, len(dataset.samples) - 1, count).round().astype(int))
    tiles = [_tile(dataset.samples[index], dataset, width) for index in chosen]
    columns = min(columns, len(tiles))
    rows = [_row(tiles[i : i + columns], columns, width) for i in range(0, len(tiles), columns)]
    return np.vstack([*rows, legend(dataset.labels, dataset.palette, columns * width)])


def _tile(sample: Labelled, dataset: Dataset, width: int) -> np.ndarray:
    image, labels = sample.read_image(), sample.read_labels()
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    tile = overlay(resize(image, width, height), small, dataset.palette)
    bar = np.zeros((LINE, width, 3), np.uint8)
    cv2.putText(bar, sample.name[-44:], (4, LINE - 9), TEXT, 0.4, WHITE, 1, cv2.LINE_AA)
    return np.vstack([bar, tile])


def _row(tiles: Sequence[np.ndarray], columns: int, width: int) -> np.ndarray:
    """Tiles side by side on black, as high as the highest."""
    row = np.zeros((max(tile.shape[0] for tile in tiles), columns * width, 3), np.uint8)
    for index, tile in enumerate(tiles):
        row[: tile.shape[0], index * width : (index + 1) * width] = tile
    return row


def legend(labels: Sequence[str], palette: Sequence[Colour], width: int) -> np.ndarray:
    """uint8 (H, width, 3) BGR: a coloured square and a name for every class, and for ignored."""
    entries = [*zip(labels, palette), ("(ignored)", None)]
    step = 22 + max(cv2.getTextSize(name, TEXT, 0.45, 1)[0][0] for name, _ in entries) + 18
    per_row = max(1, (width - 8) // step)
    strip = np.full(((len(entries) + per_row - 1) // per_row * LINE + 8, width, 3), 40, np.uint8)
    for index, (name, colour) in enumerate(entries):
        x, y = 8 + index % per_row * step, 4 + index // per_row * LINE
        box = strip[y + 4 : y + 20, x : x + 16]
        if colour is None:
            row, column = np.indices(box.shape[:2])
            box[(row + column) % 8 < 2] = WHITE
        else:
            box[:] = colour[::-1]
        cv2.rectangle(strip, (x, y + 4), (x + 15, y + 19), (200, 200, 200), 1)
        cv2.putText(strip, name, (x + 22, y + 17), TEXT, 0.45, WHITE, 1, cv2.LINE_AA)
    return strip

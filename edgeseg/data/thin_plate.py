"""Thin-plate spline warps (Bookstein, 1989): the smoothest deformation through given points."""

from __future__ import annotations

import cv2
import numpy as np

# The spline is smooth: evaluated on every 8th pixel and interpolated, it costs a 64th.
COARSE = 8


def thin_plate_warp(mask: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Move `mask` so that what lay at the `source` points comes to lie at the `target` points.

    mask: uint8 (H, W), 0 outside. source, target: float (n, 2) of x, y in pixels, n >= 3,
    not on one line.
    """
    height, width = mask.shape
    grid_x = np.linspace(0, width - 1, max(2, -(-width // COARSE)))
    grid_y = np.linspace(0, height - 1, max(2, -(-height // COARSE)))
    points = np.stack(np.meshgrid(grid_x, grid_y), axis=-1).reshape(-1, 2)
    # cv2.remap asks for the way back, from a target pixel to its source.
    back = thin_plate(target, source, points).reshape(len(grid_y), len(grid_x), 2)
    maps = [_enlarged(back[..., axis], width, height) for axis in (0, 1)]
    return cv2.remap(mask, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def thin_plate(source: np.ndarray, target: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The spline that maps `source` onto `target`, at `points`.

    All float (n, 2) or (m, 2) of x, y; returns float64 (m, 2).
    """
    count = len(source)
    affine = np.column_stack([np.ones(count), source])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(source, source)
    system[:count, count:] = affine
    system[count:, :count] = affine.T
    solution = np.linalg.solve(system, np.vstack([target, np.zeros((3, 2))]))
    ones = np.ones(len(points))
    return np.column_stack([_kernel(points, source), ones, points]) @ solution


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    return squared * np.log(squared + 1e-12)


def _enlarged(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Grid values at the grid's own places: corners stay corners, unlike with cv2.resize."""
    rows, columns = values.shape
    x = np.linspace(0, columns - 1, width, dtype=np.float32)
    y = np.linspace(0, rows - 1, height, dtype=np.float32)
    map_x, map_y = np.meshgrid(x, y)
    return cv2.remap(values.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR)

"""Indexed PNG masks, as Pascal VOC and DAVIS keep them: the index is the class, not the colour.

OpenCV gives only the colours; the file's palette leads back from them to the
indices.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..image_files import read_image
from .dataset import UNKNOWN
from .folder import read_grey

SIGNATURE = b"\x89PNG\r\n\x1a\n"
INDEXED = 3  # colour type in the header


def read_indexed(path: Path) -> np.ndarray:
    """uint8 (H, W): indices of an indexed PNG, values of any other grey file."""
    palette = png_palette(path)
    return read_grey(path) if palette is None else read_coloured(path, palette)


def png_palette(path: Path) -> np.ndarray | None:
    """uint8 (colours, 3), red green blue, of an indexed PNG; None for any other file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: got no readable mask ({error.strerror})") from None
    if data[:8] != SIGNATURE or len(data) < 26 or data[25] != INDEXED:
        return None
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if kind == b"PLTE":
            body = data[position + 8 : position + 8 + length]
            return np.frombuffer(body, np.uint8).reshape(-1, 3)
        position += length + 12
    raise InputError(f"{path}: got an indexed PNG without a palette")


def read_coloured(path: Path, palette: np.ndarray) -> np.ndarray:
    """uint8 (H, W): for every pixel the first palette entry of its colour, UNKNOWN for others.

    palette: uint8 (colours, 3), red green blue.
    """
    keys = read_image(path).astype(np.uint32) @ np.array([1, 256, 65536], np.uint32)
    wanted = palette.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    order = np.argsort(wanted, kind="stable")
    places = np.searchsorted(wanted[order], keys)
    places = np.minimum(places, len(order) - 1)
    index = order[places]
    return np.where(wanted[index] == keys, index, UNKNOWN).astype(np.uint8)

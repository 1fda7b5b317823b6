"""File names as OpenCV takes them."""

from __future__ import annotations

from pathlib import Path

from .errors import InputError


def opencv_name(path: Path) -> str:
    """The path as text for OpenCV. InputError where it is none: OpenCV would crash the process.

    Linux's names are bytes; those that are no UTF-8 reach Python as half characters.
    """
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{path}: got a name that is no UTF-8, which OpenCV cannot open; rename it"
        ) from None
    return name

"""Whether a command can write what it is asked for, known before its work; folders in one piece."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError


def check_folder(folder: Path) -> None:
    """Raise InputError where `folder` can neither be written to nor be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"output: got {folder}, where {there} is a file; expected a folder")
    if not os.access(there, os.W_OK):
        raise InputError(f"output: got {folder}, which cannot be written to; expected another one")


def check_file(path: Path) -> None:
    """Raise InputError where `path` is a folder, or lies in one that cannot be written to."""
    if path.is_dir():
        raise InputError(f"output: got {path}, a folder; expected a file")
    check_folder(path.absolute().parent)


def refuse_existing(folder: Path) -> None:
    """Raise InputError where `folder` is there: what a command makes anew takes no one's place."""
    if folder.exists():
        raise InputError(f"{folder}: got a folder that is there, expected none; remove it first")


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into, which takes its name when all is written."""
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was cut off
    beside.mkdir(parents=True)
    yield beside
    os.replace(beside, folder)

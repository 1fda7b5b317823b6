"""What must not be written over: the files that a run reads, and the others that it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError

# As a folder of pictures numbers them.
NUMBERED = re.compile(r"\d{5,}\.png")


def refuse_overwriting(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Raise InputError for an output that is an input, or another output, under whatever name.

    Both are by what a user calls them, such as "stats"; files that are not there are compared
    by their paths.
    """
    taken = dict(inputs)
    for name, path in outputs.items():
        for other, used in taken.items():
            if _same(path, used):
                raise InputError(f"{name}: got {path}, the {other} itself, expected another file")
        taken[name] = path


def refuse_numbering_over(folder: Path, inputs: Mapping[str, Path]) -> None:
    """Raise InputError where numbered pictures in `folder` could take the place of an input."""
    for name, path in inputs.items():
        # The link as well as what it leads to.
        for one in (path, path.resolve()):
            if NUMBERED.fullmatch(one.name.lower()) and _same(one.parent, folder):
                raise InputError(
                    f"sink: got {folder}, the folder of the {name} {path}, which a numbered "
                    "picture could take the place of; expected another folder"
                )


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()

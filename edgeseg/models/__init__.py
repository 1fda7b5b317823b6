"""Architectures: one file each, built with the Keras module that is passed in."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import InputError
from .hourglass import hourglass

BUILDERS: dict[str, Callable[..., Any]] = {
    "hourglass": hourglass,
}


def build(name: str, *, keras: Any, **options: Any) -> Any:
    """Build a network by name with random weights.

    keras: the module `keras` (Keras 3) or `tf_keras`.
    options: the builder's own keyword options, `input_shape` and `classes` among them.
    Raises InputError for an unknown name or option, with those that are known.
    """
    if name not in BUILDERS:
        raise InputError(f"model: got {name!r}, expected one of {', '.join(sorted(BUILDERS))}")
    known = set(inspect.signature(BUILDERS[name]).parameters) - {"keras"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(f"{name}: got options {unknown}, expected some of {sorted(known)}")
    return BUILDERS[name](keras=keras, **options)

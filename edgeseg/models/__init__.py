"""Architectures: one file each, built with the Keras module that is passed in."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import InputError
from .fcn import fcn8, fcn32
from .hourglass import hourglass
from .initialise import initialise
from .pspnet import pspnet
from .segnet import segnet
from .unet import unet
from .unet_mini import unet_mini

__all__ = ["BUILDERS", "build", "initialise"]

BUILDERS: dict[str, Callable[..., Any]] = {
    "hourglass": hourglass,
    "unet": unet,
    "unet_mini": unet_mini,
    "segnet": segnet,
    "fcn8": fcn8,
    "fcn32": fcn32,
    "pspnet": pspnet,
}


def build(name: str, *, keras: Any, **options: Any) -> Any:
    """Build a network by name with random weights.

    keras: the module `keras` (Keras 3) or `tf_keras`.
    options: the builder's own keyword options, `input_shape` and `classes` among them.
    Raises InputError for an unknown name or option, with those that are known, and
    for a value that the builder refuses.
    """
    if name not in BUILDERS:
        raise InputError(f"model: got {name!r}, expected one of {', '.join(sorted(BUILDERS))}")
    known = set(inspect.signature(BUILDERS[name]).parameters) - {"keras"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(f"{name}: got options {unknown}, expected some of {sorted(known)}")
    try:
        return BUILDERS[name](keras=keras, **options)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error

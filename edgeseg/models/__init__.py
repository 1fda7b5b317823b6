"""Architectures: one file each, built with the Keras module that is passed in."""

from __future__ import annotations

import inspect
import numbers
import types
import typing
from collections.abc import Callable, Sequence
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
    for a value of another type or one that the builder refuses.
    """
    if name not in BUILDERS:
        raise InputError(f"model: got {name!r}, expected one of {', '.join(sorted(BUILDERS))}")
    known = set(inspect.signature(BUILDERS[name]).parameters) - {"keras"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(f"{name}: got options {unknown}, expected some of {sorted(known)}")
    hints = typing.get_type_hints(BUILDERS[name])
    for option, value in options.items():
        if not _is_of(value, hints[option]):
            kind = inspect.signature(BUILDERS[name]).parameters[option].annotation
            raise InputError(f"{name}: {option}: got {value!r}, expected {kind}")
    try:
        return BUILDERS[name](keras=keras, **options)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value is what a builder's annotation asks for; lists are as good as tuples."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(_is_of(value, one) for one in arguments)
    if origin in (tuple, Sequence):
        items = isinstance(value, list | tuple)
        return items and all(_is_of(one, arguments[0]) for one in value)
    if hint in (int, float):
        number = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return not isinstance(hint, type) or isinstance(value, hint)

"""Dataclasses of a configuration from TOML or from a run's JSON, by their annotations."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..data.augment import AugmentConfig
from ..errors import InputError
from .config import TrainConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load_config(path: str | Path) -> TrainConfig:
    """Read a TOML file. InputError names an unknown, missing or ill-typed key."""
    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: got no readable config ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: got invalid TOML ({error})") from None
    config: TrainConfig = build(TrainConfig, values, where=str(path))
    if not config.stages:
        raise InputError(f"{path}: stages: got none, expected one or more")
    if not sum(group.share for group in config.data.groups) > 0:
        raise InputError(f"{path}: data.groups: got none with a share, expected one or more")
    for name in ("crop", "composite"):
        if getattr(config.data.augment, name) != getattr(AugmentConfig(), name):
            raise InputError(f"{path}: data: augment: got {name}, expected it in [[stages]]")
    return config


def build(kind: Any, values: Any, *, where: str) -> Any:
    """Turn parsed TOML into dataclasses by their annotations."""
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, values, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        optional = values is None and type(None) in arguments
        return None if optional else build(arguments[0], values, where=where)
    if origin is Mapping:
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: got {values!r}, expected a table")
        return dict(values)
    if origin is Literal:
        if values not in arguments:
            raise InputError(f"{where}: got {values!r}, expected one of {', '.join(arguments)}")
        return values
    if origin is tuple:
        return _tuple(arguments, values, where)
    if kind is float and isinstance(values, int) and not isinstance(values, bool):
        return float(values)
    if not isinstance(values, kind) or (kind is not bool and isinstance(values, bool)):
        raise InputError(f"{where}: got {values!r}, expected {kind.__name__}")
    return values


def _dataclass(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: got {values!r}, expected a table")
    annotations = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(annotations))
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(required - set(values))
    if unknown or missing:
        raise InputError(
            f"{where}: unknown keys {unknown}, missing keys {missing}; known keys "
            f"{sorted(annotations)}"
        )
    built = {
        name: build(annotations[name], value, where=f"{where}: {name}")
        for name, value in values.items()
    }
    try:
        return kind(**built)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _tuple(arguments: tuple[Any, ...], values: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple):
        raise InputError(f"{where}: got {values!r}, expected a list")
    if arguments[-1] is Ellipsis:
        return tuple(
            build(arguments[0], value, where=f"{where}[{i}]") for i, value in enumerate(values)
        )
    if len(values) != len(arguments):
        raise InputError(f"{where}: got {len(values)} values, expected {len(arguments)}")
    return tuple(
        build(argument, value, where=f"{where}[{i}]")
        for i, (argument, value) in enumerate(zip(arguments, values))
    )

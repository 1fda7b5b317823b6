"""Ranges of a configuration's numbers: what is outside is told before anything is made."""

from __future__ import annotations

import math
from typing import Any

from .errors import InputError


def check_least(config: Any, least: float, *names: str) -> None:
    """Raise InputError for a field below `least`, an infinite one, or one that is no number."""
    for name in names:
        value = getattr(config, name)
        for one in value if isinstance(value, tuple) else (value,):
            if not one >= least:
                raise InputError(f"{name}: got {_shown(value)}, expected {least:g} or more")
            _check_finite(name, value, one)


def check_above(config: Any, least: float, *names: str) -> None:
    """Raise InputError for a field that is not above `least`."""
    for name in names:
        value = getattr(config, name)
        if not value > least:
            raise InputError(f"{name}: got {value:g}, expected more than {least:g}")
        _check_finite(name, value, value)


def check_share(config: Any, *names: str) -> None:
    """Raise InputError for a field outside of 0 to 1."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise InputError(f"{name}: got {value:g}, expected 0 to 1")


def check_range(config: Any, *names: str) -> None:
    """Raise InputError for a pair that is no range of positive numbers."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 < value[0] <= value[1] < math.inf:
            raise InputError(
                f"{name}: got {_shown(value)}, expected two numbers above 0, the smaller one first"
            )


def _check_finite(name: str, value: Any, one: float) -> None:
    if math.isinf(one):
        raise InputError(f"{name}: got {_shown(value)}, expected a finite number")


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)

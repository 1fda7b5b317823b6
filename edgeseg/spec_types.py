"""What each field of a model spec holds: JSON written by hand has other things in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _all(right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(right, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _colour(value: Any) -> bool:
    numbers = isinstance(value, tuple) and len(value) == 3 and all(map(_whole, value))
    return numbers and all(0 <= number <= 255 for number in value)


# What the fields hold, and how that is said to whoever wrote another thing.
_TYPES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("name", _text, "a string"),
    ("width", _whole, "a whole number"),
    ("height", _whole, "a whole number"),
    ("colour", _text, "a string"),
    ("scale", _all(_finite), "finite numbers"),
    ("offset", _all(_finite), "finite numbers"),
    ("previous_mask", lambda value: isinstance(value, bool), "true or false"),
    ("labels", _all(_text), "strings"),
    ("palette", _all(_colour), "one (red, green, blue) of 0 to 255 for each label"),
    ("activation", _text, "a string"),
    ("temperature", _finite, "a finite number"),
    ("sampling", _text, "a string"),
    ("description", _text, "a string"),
)


def plain(value: Any) -> Any:
    """Lists, at every depth, as tuples; numpy's numbers as Python's, which JSON can hold."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def wrong_types(spec: Any) -> Iterator[str]:
    """What the fields of a spec hold that they cannot, one text each."""
    for field, right, expected in _TYPES:
        value = getattr(spec, field)
        if not right(value):
            yield f"{field}: got {value!r}, expected {expected}"

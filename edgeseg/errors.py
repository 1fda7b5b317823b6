"""The errors that edgeseg raises, and how a command reports them.

A command prints the message in one line and exits with `exit_code`; a library
caller catches the class or the built-in one it derives from.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class EdgesegError(Exception):
    """Base of every error of ours. `exit_code` is what a command exits with."""

    exit_code = 2


class InputError(EdgesegError, ValueError):
    """Bad input: "<what>: got X, expected Y", and what to do where that helps."""


class ModelError(InputError):
    """A model file that cannot be used: not a TFLite model, truncated, without a spec."""


class SourceError(InputError):
    """A frame source that cannot be opened, is empty, or stopped answering."""


class SinkError(EdgesegError, OSError):
    """A frame sink that cannot be opened or written to."""


class DelegateError(EdgesegError, RuntimeError):
    """An explicitly chosen delegate that is missing, fails, or computes wrong results."""


class MissingExtra(EdgesegError, ImportError):
    """A package of an optional extra is not installed."""


class GateFailed(EdgesegError):
    """A model could not be made, or was, and is outside the tolerance that was asked for."""

    exit_code = 3


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or raise MissingExtra with the pip command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{module} is needed here and could not be imported ({error}): "
            f'pip install "edgeseg[{extra}]"'
        ) from error

"""`edgeseg inspect`: what is inside a model file."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

"""`edgeseg models`: the architectures, with their cost."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def models(
        macs: Annotated[
            bool, typer.Option("--macs", help="Build each: parameters, multiply-adds, output.")
        ] = False,
        name: Annotated[str | None, typer.Option(help="Only this architecture.")] = None,
        classes: Annotated[int | None, typer.Option(min=1, help="Number of classes.")] = None,
        size: Annotated[str, typer.Option(help="Input as HxW or HxWxC, such as 256x256x3.")] = "",
    ) -> None:
        """List the architectures; --macs builds each and counts."""
        from rich.console import Console

        from ..errors import InputError
        from ..models import BUILDERS

        if name is not None and name not in BUILDERS:
            raise InputError(f"model: got {name!r}, expected one of {', '.join(BUILDERS)}")
        names = [name] if name else list(BUILDERS)
        options: dict = {"classes": classes} if classes else {}
        if size:
            options["input_shape"] = parse_size(size)
        Console().print(_costs(names, options) if macs or name else _list(names))


def parse_size(text: str) -> tuple[int, int, int]:
    """ "256x256" or "256x256x4" -> (height, width, channels), 3 channels where none are given."""
    from ..errors import InputError

    parts = text.lower().split("x")
    if len(parts) not in (2, 3) or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"size: got {text!r}, expected HxW or HxWxC such as 256x256x3")
    height, width, *channels = map(int, parts)
    return height, width, channels[0] if channels else 3


def _list(names):
    from rich.table import Table

    table = Table("model", "what")
    for name in names:
        table.add_row(name, _what(name))
    return table


def _what(name):
    """First line of the architecture's module, or of its builder in a module of several."""
    import sys

    from ..models import BUILDERS

    module = BUILDERS[name].__module__
    if [builder.__module__ for builder in BUILDERS.values()].count(module) > 1:
        return (BUILDERS[name].__doc__ or "").splitlines()[0].removeprefix("Build ")
    return (sys.modules[module].__doc__ or "").splitlines()[0]


def _costs(names, options):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from rich.progress import track
    from rich.table import Table

    from ..errors import require
    from ..models import build
    from ..models.macs import multiply_adds

    keras = require("keras", extra="train")
    table = Table("model", "input", "output", "parameters", "multiply-adds")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in track(names, description="building", transient=True):
        model = build(name, keras=keras, **options)
        table.add_row(
            name,
            "x".join(map(str, model.input_shape[1:])),
            "x".join(map(str, model.output_shape[1:])),
            f"{model.count_params():,}",
            f"{multiply_adds(model) / 1e6:,.1f} M",
        )
    return table

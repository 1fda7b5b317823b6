"""The `edgeseg` command: one module a verb in `edgeseg.commands`, assembled here.

An error of ours is one line on stderr and its exit code, never a traceback.
"""

from __future__ import annotations

import importlib
import io
import sys
from typing import Annotated

import typer

from . import __version__
from .runtime.console import exit_code_of

# In the order in which `edgeseg --help` lists them.
COMMANDS = (
    "segment",
    "train",
    "evaluate",
    "convert",
    "benchmark",
    "inspect",
    "doctor",
    "models",
    "dataset",
)

app = typer.Typer(
    name="edgeseg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in COMMANDS:
    importlib.import_module(f"edgeseg.commands.{command}").register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"edgeseg {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Real-time video segmentation: train, convert, run and measure."""


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files are in more alphabets than a pipe's encoding may have.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(exit_code_of(app))

"""The `edgeseg` command: one module a verb in `edgeseg.commands`, assembled here.

An error of ours is one line on stderr and its exit code, never a traceback.
"""

from __future__ import annotations

import importlib
import sys

import typer

from .errors import EdgesegError

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
    help="Real-time video segmentation: train, convert, run and measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in COMMANDS:
    importlib.import_module(f"edgeseg.commands.{command}").register(app)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except EdgesegError as error:
        print(f"edgeseg: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

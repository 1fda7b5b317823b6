"""`edgeseg train`: from a configuration to a run's folder with weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def train(
        config: Annotated[Path, typer.Argument(help="TOML file, such as configs/person.toml.")],
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Run's folder. Default: runs/NAME.")
        ] = None,
        resume: Annotated[
            bool, typer.Option("--resume", help="Continue from the folder's checkpoint.")
        ] = False,
    ) -> None:
        """Train a network; KERAS_BACKEND chooses tensorflow (default) or jax."""
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from rich.console import Console

        from ..errors import InputError
        from ..training.config import load_config
        from ..training.loop import Trainer

        settings = load_config(config)
        folder = output or Path("runs") / settings.name
        if (folder / "checkpoints").exists() and not resume:
            raise InputError(
                f"{folder}: got a folder with checkpoints, expected a new one; "
                "pass --resume to continue it or -o for another"
            )
        trainer = Trainer(settings, folder, root=config.resolve().parent)
        if resume:
            trainer.restore()
        trainer.run(console=Console())

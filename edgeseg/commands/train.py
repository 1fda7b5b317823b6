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
        until: Annotated[
            int | None,
            typer.Option(min=1, help="Stop after this step of the schedule; --resume goes on."),
        ] = None,
        devices: Annotated[
            int, typer.Option(min=1, help="Share each batch among so many devices.")
        ] = 1,
        skip_bad: Annotated[
            bool, typer.Option("--skip-bad", help="Go on without samples that cannot be read.")
        ] = False,
        measure: Annotated[
            bool, typer.Option("--measure", help="Only measure images/s of pipeline and step.")
        ] = False,
        quantize: Annotated[
            bool,
            typer.Option(
                "--quantize", help="Fine-tune the run's weights quantization-aware; compare."
            ),
        ] = False,
        prune: Annotated[
            bool, typer.Option("--prune", help="Prune the run's weights by magnitude; compare.")
        ] = False,
    ) -> None:
        """Train a network; KERAS_BACKEND chooses tensorflow (default) or jax."""
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from rich.console import Console

        from ..errors import InputError
        from ..output import check_folder
        from ..training.config_file import load_config

        if quantize + prune + measure > 1:
            raise InputError("--quantize, --prune, --measure: got several, expected one at a time")
        if resume and (quantize or prune or measure):
            raise InputError("--resume: got it with a run that is finished, expected none")
        if until is not None and (quantize or prune or measure):
            raise InputError("--until: got it without a run to train, expected none")
        if devices > 1 and (quantize or prune):
            raise InputError(
                f"--devices: got {devices} with --quantize or --prune, expected none: "
                "they fine-tune on one"
            )
        settings = load_config(config)
        folder = output or Path("runs") / settings.name
        check_folder(folder)
        root, console = config.resolve().parent, Console()
        if measure:
            from ..training.speed import measure_speed

            measure_speed(settings, root=root, console=console, devices=devices, skip_bad=skip_bad)
        elif quantize:
            from .quantize import quantize_run

            quantize_run(settings, folder, root=root, skip_bad=skip_bad, console=console)
        elif prune:
            from .quantize import prune_run

            prune_run(settings, folder, root=root, skip_bad=skip_bad, console=console)
        else:
            _train(
                settings,
                folder,
                root=root,
                resume=resume,
                until=until,
                devices=devices,
                skip_bad=skip_bad,
                console=console,
            )


def _train(settings, folder, *, root, resume, until, devices, skip_bad, console):
    from ..errors import InputError
    from ..training.loop import Trainer
    from ..training.record import changes_since

    if (folder / "checkpoints").exists() and not resume:
        raise InputError(
            f"{folder}: got a folder with checkpoints, expected a new one; "
            "pass --resume to continue it or -o for another"
        )
    trainer = Trainer(settings, folder, root=root, devices=devices, skip_bad=skip_bad)
    if resume:
        trainer.restore()
        for change in changes_since(folder, trainer.config):
            console.print(f"changed since the run began: {change}", markup=False, soft_wrap=True)
        if trainer.finished:
            console.print(
                f"{folder}: at its end after {trainer.step} steps, and left as it is; more steps "
                "in the configuration would go on",
                highlight=False,
                soft_wrap=True,
            )
            return
    elif trainer.report:
        console.print(trainer.report.table())
    # Before all files are read.
    if until is not None:
        trainer.stop_after(until)
    trainer.check_data(console=console)
    if trainer.run(console=console):
        console.print(f"{folder}: weights.npz, model.keras, spec.json, log.csv", highlight=False)
        return
    console.print(
        f"{folder}: weights-{trainer.step}.npz, stopped there as asked; --resume goes on",
        highlight=False,
        soft_wrap=True,
    )

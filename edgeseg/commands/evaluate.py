"""`edgeseg evaluate`: scores of a model file on a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def evaluate(
        model: Annotated[
            Path, typer.Argument(help=".tflite, bundled name, .keras with spec.json, or run.")
        ],
        data: Annotated[Path, typer.Option("--data", help="The data set's folder.")],
        format: Annotated[
            str, typer.Option("--format", help="Data set's layout; auto looks at the folder.")
        ] = "auto",
        split: Annotated[str, typer.Option(help="Part, such as val.")] = "",
        classes: Annotated[str, typer.Option(help="COCO categories, separated by commas.")] = "",
        last: Annotated[
            float, typer.Option(min=0.0, max=1.0, help="Only this last share of the samples.")
        ] = 1.0,
        tile: Annotated[
            bool, typer.Option("--tile", help="Overlapping tiles at the images' own size.")
        ] = False,
        threshold: Annotated[
            bool, typer.Option("--threshold", help="Also the best global grey threshold.")
        ] = False,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Write the scores as JSON.")
        ] = None,
    ) -> None:
        """IoU, precision, recall and boundary F per class; mean IoU; pixel accuracy."""
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from rich.console import Console
        from rich.progress import Progress

        from ..data.readers import read_dataset
        from ..errors import InputError
        from ..output import check_file
        from ..training.evaluation import evaluate as score
        from ..training.evaluation import open_model

        if output:
            check_file(output)
        names = [name.strip() for name in classes.split(",") if name.strip()]
        dataset = read_dataset(format, data, split=split, classes=names)
        samples = dataset.samples[len(dataset.samples) - round(last * len(dataset.samples)) :]
        if dataset.problems:
            raise InputError(
                f"{data}: got {len(dataset.problems)} bad samples, the first "
                f"{dataset.problems[0]}; mend them, `edgeseg dataset verify` names them all"
            )
        if not samples:
            raise InputError(f"last: got {last:g}, which is none of {len(dataset.samples)} samples")
        predict, spec = open_model(model)
        console = Console()
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("evaluating", total=len(samples))
            result = score(
                predict,
                spec,
                samples,
                dataset.labels,
                tile=tile,
                progress=lambda: progress.advance(task),
            )
        console.print(_table(result, f"{model.name} on {dataset.name}"))
        console.print(
            f"{result.images} images: mean IoU {result.mean_iou:.4f}, pixel accuracy "
            f"{result.accuracy:.4f}, boundary F {result.boundary_f:.4f}",
            highlight=False,
        )
        if threshold:
            _print_threshold(console, samples, dataset.labels)
        if output:
            _write(output, result)


def _table(result, title):
    from math import isnan

    from rich.table import Table

    table = Table("class", "IoU", "precision", "recall", "boundary F", title=title)
    for row in zip(result.labels, result.iou, result.precision, result.recall, result.boundary):
        table.add_row(row[0], *("-" if isnan(value) else f"{value:.4f}" for value in row[1:]))
    return table


def _print_threshold(console, samples, labels):
    from ..training.evaluation import best_threshold

    for index, label in enumerate(labels):
        value, below, iou = best_threshold(samples, index)
        side = "up to" if below else "from"
        console.print(
            f"best global threshold for {label}: grey {side} {value}, IoU {iou:.4f}",
            highlight=False,
        )


def _write(path, result):
    import dataclasses
    import json
    from math import isnan

    from ..training.record import write_text

    def known(value):
        if isinstance(value, tuple):
            return [known(one) for one in value]
        return None if isinstance(value, float) and isnan(value) else value

    values = {name: known(value) for name, value in dataclasses.asdict(result).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(values, indent=1))

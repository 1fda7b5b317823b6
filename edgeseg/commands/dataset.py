"""`edgeseg dataset verify` and `edgeseg dataset show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The data set's folder, in its original layout.")]
Kind = Annotated[
    str,
    typer.Option(
        "--format",
        help="folder, coco, cityscapes, camvid, lgg, isbi or davis; auto looks at the folder.",
    ),
]
Split = Annotated[str, typer.Option(help="Part, such as train, val or a patient's folder.")]
Classes = Annotated[str, typer.Option(help="COCO categories to keep, separated by commas.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(help="Verify and show data sets.", no_args_is_help=True)
    app.add_typer(group, name="dataset")
    group.command()(verify)
    group.command()(show)


def verify(folder: Folder, format: Kind = "auto", split: Split = "", classes: Classes = "") -> None:
    """Read every file: pairs, sizes, class ids, corrupt files, class balance."""
    from rich.console import Console
    from rich.progress import Progress

    from ..data.verify import verify as examine
    from ..errors import InputError

    dataset = _read(folder, format, split, classes)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        report = examine(dataset, progress=lambda: progress.advance(task))
    console.print(_table(dataset, report))
    sizes = [f"{w}x{h} ({n})" for (h, w), n in report.sizes.items()]
    more = f", and {len(sizes) - 5} more" if len(sizes) > 5 else ""
    sizes_line = f"{report.good} good pairs; sizes {', '.join(sizes[:5]) or 'none'}{more}"
    console.print(sizes_line, soft_wrap=True)
    for problem in report.problems:
        console.print(str(problem), style="red", soft_wrap=True, markup=False, highlight=False)
    for note in dataset.notes:
        console.print(str(note), style="yellow", soft_wrap=True, markup=False, highlight=False)
    if report.problems:
        raise InputError(f"{folder}: got {len(report.problems)} bad of {_count(dataset)} samples")


def show(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.")],
    format: Kind = "auto",
    split: Split = "",
    classes: Classes = "",
    count: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 12,
) -> None:
    """Write a sheet of samples with their classes in colour and a legend."""
    from ..data.sheet import contact_sheet
    from ..errors import InputError
    from ..output import check_file
    from ..runtime.sinks import write_image

    if output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"output: got {output}, expected a .png or .jpg file")
    check_file(output)
    sheet = contact_sheet(_read(folder, format, split, classes), count=count)
    write_image(output, sheet)
    print(f"{output}: {sheet.shape[1]}x{sheet.shape[0]}")


def _read(folder, kind, split, classes):
    from ..data.readers import read_dataset

    names = [name.strip() for name in classes.split(",") if name.strip()]
    return read_dataset(kind, folder, split=split, classes=names)


def _count(dataset):
    return len(dataset.samples) + len(dataset.problems)


def _table(dataset, report):
    from rich.table import Table

    table = Table(title=f"{dataset.name}: {_count(dataset)} samples")
    for column in ("id", "class", "images", "share of pixels"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for index, label in enumerate(dataset.labels):
        table.add_row(
            str(index), label, str(report.images[index]), f"{100 * report.pixels[index]:.2f} %"
        )
    table.add_row("", "(ignored)", "", f"{100 * report.ignored:.2f} %")
    return table

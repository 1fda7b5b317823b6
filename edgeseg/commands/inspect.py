"""`edgeseg inspect`: what is inside a model file."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""

    @app.command()
    def inspect(
        model: Annotated[str, typer.Argument(help="A .tflite, or the name of a bundled model.")],
        as_json: Annotated[bool, typer.Option("--json", help="All facts as JSON.")] = False,
        operators: Annotated[
            bool, typer.Option("--operators", help="Every operator in a line of its own.")
        ] = False,
    ) -> None:
        """Inputs, outputs, operators, quantization, spec, and where it would run."""
        import json

        from ..converters.inspection import inspect_file

        facts = inspect_file(model)
        if as_json:
            sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        else:
            _print(facts, each=operators)


def _print(facts: dict[str, Any], *, each: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for name, text in _lines(facts):
        console.print(f"[bold]{name:15}[/bold]", end="")
        console.print(text, markup=False, soft_wrap=True)
    console.print(_operators(facts["operators"], each=each))


def _lines(facts: dict[str, Any]):
    """(name, text) of everything but the operators."""
    yield "file", f"{facts['file']}, {facts['bytes'] / 1024:.0f} KiB"
    for kind in ("inputs", "outputs"):
        for tensor in facts[kind]:
            yield kind[:-1], _tensor(tensor)
    if facts["parameters"] is not None:
        yield "parameters", f"{facts['parameters']:,}"
    if facts["multiply_adds"] is not None:
        yield "multiply-adds", f"{facts['multiply_adds'] / 1e6:,.1f} M"
    quantization = facts["quantization"]
    channels = ", a scale per channel" if quantization["per_channel"] else ""
    yield "quantization", quantization["scheme"] + channels
    spec = facts["spec"]
    if spec is None:
        yield "spec", facts["spec_problem"].removeprefix("spec: ")
    else:
        previous = ", previous mask as last channel" if spec["previous_mask"] else ""
        softened = spec["temperature"] != 1
        temperature = f", temperature {spec['temperature']:g}" if softened else ""
        yield (
            "spec",
            f"{spec['name']}, {spec['width']}x{spec['height']} {spec['colour']}{previous}, "
            f"labels {', '.join(spec['labels'])}{temperature}",
        )
    for device, title in (("edgetpu", "Edge TPU"), ("gpu", "GPU")):
        places = facts["placement"][device]
        yield title, f"{places['mapped']} of {len(facts['operators'])} operators (predicted)"


def _tensor(tensor: dict[str, Any]) -> str:
    shape = "x".join(map(str, tensor["shape"])) or "scalar"
    size = ", size known only when run" if tensor["dynamic"] else ""
    scale = (
        f", real = (stored - {tensor['zero_point']}) * {tensor['scale']:.6g}"
        if tensor["scale"]
        else ""
    )
    return f"{tensor['name']}: {tensor['type']} {shape}{size}{scale}"


def _operators(operators: list[dict[str, Any]], *, each: bool):
    """A row per operator, or per kind of operator of one fate with their number."""
    from rich.table import Table

    from ..converters.inspection import shown_name

    groups: dict[tuple, list[dict[str, Any]]] = {}
    for op in operators:
        own = op["index"] if each else None
        fate = (own, shown_name(op), op["version"], op["edgetpu"], op["gpu"], op["reason"])
        groups.setdefault(fate, []).append(op)
    table = Table("#" if each else "count", "operator", "v", "M MACs", "TPU", "GPU", "reason")
    for column in (0, 2, 3):
        table.columns[column].justify = "right"
    table.columns[1].no_wrap = True
    for (own, name, version, edgetpu, gpu, reason), members in groups.items():
        counts = [member["multiply_adds"] for member in members]
        table.add_row(
            str(own if each else len(members)),
            name,
            str(version),
            "?" if None in counts else f"{sum(counts) / 1e6:.2f}",
            "yes" if edgetpu else "no",
            "yes" if gpu else "no",
            reason,
        )
    return table

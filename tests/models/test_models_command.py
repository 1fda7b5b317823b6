"""`edgeseg models` as a user calls it."""

import typer
from typer.testing import CliRunner

from edgeseg.commands import models

app = typer.Typer()
app.callback()(lambda: None)
models.register(app)


def test_lists_every_architecture():
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    for name in ("unet", "unet_mini", "segnet", "fcn8", "fcn32", "pspnet", "hourglass"):
        assert name in result.output


def test_no_two_architectures_have_one_description():
    lines = CliRunner().invoke(app, ["models"], env={"COLUMNS": "200"}).output.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    described = dict(rows)
    assert len(described) == len(set(described.values())) == 7
    assert described["fcn8"].startswith("FCN-8s (Long et al., 2015): scores at stride 32, 16")
    assert described["unet"].startswith("U-Net to the letter")


def test_macs_of_one():
    result = CliRunner().invoke(
        app, ["models", "--macs", "--name", "unet", "--size", "572x572x1"], env={"COLUMNS": "120"}
    )
    assert result.exit_code == 0, result.output
    assert "388x388x2" in result.output
    assert "31,030,658" in result.output


def test_bad_size_is_one_line():
    result = CliRunner().invoke(app, ["models", "--macs", "--size", "big"])
    assert "size: got 'big'" in str(result.exception)

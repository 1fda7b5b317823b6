"""What the commands say of themselves: every option has a text, of which nothing is swallowed."""

import importlib
import re
import subprocess
import sys

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from edgeseg.cli import app

MODULES = (
    "cutouts",
    "encoder",
    "entry",
    "features",
    "graft",
    "looks",
    "relabel",
    "release",
    "thin",
)


def commands():
    """Every command with the words that lead to its help."""
    made = {}
    for name in MODULES:
        single = typer.Typer()
        single.command()(importlib.import_module(f"edgeseg.training.{name}")._command)
        made[name] = (single, [], get_command(single))

    def gather(command, words):
        below = getattr(command, "commands", {})
        for name, one in below.items():
            gather(one, [*words, name])
        if not below:
            made[" ".join(words)] = (app, words[1:], command)

    gather(get_command(app), ["edgeseg"])
    return made


COMMANDS = commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_text_is_shown_as_it_is_meant(name):
    root, words, command = COMMANDS[name]
    result = CliRunner().invoke(root, [*words, "--help"], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    lines = [re.sub(r"\s+", " ", line) for line in result.output.splitlines()]
    for parameter in command.params:
        assert parameter.help, parameter.name
        shown = [line for line in lines if parameter.help.replace("\\[", "[") in line]
        assert shown, parameter.help
        if "default" in parameter.help.lower():
            assert "[default:" not in shown[0]


def test_the_failures_say_what_they_write():
    words = [sys.executable, "-m", "edgeseg.classical.failures", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "picture to write, a PNG; default: failures.png" in re.sub(r"\s+", " ", done.stdout)

"""How a program ends: one line and an exit code, whatever ends it and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.runtime.console import exit_code_of

DEMOS = Path(__file__).resolve().parents[2] / "demos"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_one_line_and_an_exit_code(number: signal.Signals, capsys) -> None:
    # Where tests run in the background, Ctrl-C may be ignored from the start.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = signal.getsignal(number)

    def work() -> int:
        os.kill(os.getpid(), number)
        return 0

    try:
        assert exit_code_of(work) == 130
        assert capsys.readouterr().err == "edgeseg: interrupted\n"
        assert signal.getsignal(number) is before
    finally:
        signal.signal(signal.SIGINT, ignored)


def test_a_name_that_the_system_refuses_is_one_line(capsys) -> None:
    name = 300 * "a"
    assert exit_code_of(lambda: len(os.listdir(name))) == 2
    assert capsys.readouterr().err.startswith(f"edgeseg: {name}: got ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("length", [10, 100_000])
def test_output_on_a_full_disk_is_one_line(length: int) -> None:
    """Whether it is too much for the buffer, or only written at the end."""
    code = "import sys; from edgeseg.runtime.console import exit_code_of;"
    code += f"sys.exit(exit_code_of(lambda: print({length} * 'a')))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
        )
    line = "edgeseg: the output, or what else has no name: got No space left on device\n"
    assert (done.returncode, done.stderr.decode()) == (2, line)


@pytest.mark.parametrize("demo", ["image", "video", "webcam"])
def test_a_demo_can_be_interrupted_before_its_imports(demo: str) -> None:
    code = f"import {demo}, sys; print({{'cv2', 'numpy'}} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DEMOS, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")

"""AMX is refused while XNNPACK asks for it, and nothing of that stays behind."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.runtime import amx

# arch_prctl's number and its request for AMX's tile registers on x86-64.
ASK = "libc.syscall(158, 0x1023, 18)"
START = """
import ctypes
from edgeseg.runtime.amx import without_amx
libc = ctypes.CDLL(None)
"""


def answers(code: str) -> list[str]:
    """What a fresh process prints: a permission that was granted is never taken back."""
    done = subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def has_amx() -> bool:
    info = Path("/proc/cpuinfo")
    return info.is_file() and "amx_tile" in info.read_text()


@pytest.mark.skipif(not has_amx(), reason="this processor has no AMX")
def test_amx_is_refused_inside_and_granted_afterwards() -> None:
    assert answers(f"with without_amx():\n print({ASK})\nprint({ASK})") == ["-1", "0"]


@pytest.mark.skipif(not has_amx(), reason="this processor has no AMX")
def test_the_variable_leaves_amx_on(monkeypatch) -> None:
    monkeypatch.setenv(amx.VARIABLE, "1")
    assert answers(f"with without_amx():\n print({ASK})") == ["0"]


@pytest.mark.skipif(not has_amx(), reason="this processor has no AMX")
def test_where_amx_is_granted_already_nothing_happens() -> None:
    code = f"print({ASK})\nwith without_amx():\n print({ASK})"
    assert answers(code) == ["0", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="signal stacks of Linux")
def test_the_signal_stack_is_the_one_before() -> None:
    libc = ctypes.CDLL(None)

    def current() -> tuple[int | None, int, int]:
        stack = amx._Stack()
        assert libc.sigaltstack(None, ctypes.byref(stack)) == 0
        return stack.sp, stack.flags, stack.size

    before = current()
    with pytest.raises(KeyError), amx.without_amx():
        raise KeyError
    assert current() == before

"""Google's `edgetpu_compiler`, used where it is on PATH, and its log."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import InputError

COMMAND = "edgetpu_compiler"
TIME_LIMIT_S = 600
MAPPED = "Mapped to Edge TPU"
_ROW = re.compile(r"^([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\S.*)$")
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")


@dataclass(frozen=True)
class LogRow:
    """One line of the compiler's table: an operator's name, how often, its status."""

    name: str
    count: int
    status: str


@dataclass(frozen=True)
class Compilation:
    """version: of the compiler. model: the compiled flatbuffer. rows: its table."""

    version: str
    model: bytes
    rows: tuple[LogRow, ...]

    @property
    def mapped(self) -> int:
        """Operators on the Edge TPU."""
        return sum(row.count for row in self.rows if row.status == MAPPED)

    @property
    def unmapped(self) -> tuple[LogRow, ...]:
        """What stays on the CPU, with the compiler's reason."""
        return tuple(row for row in self.rows if row.status != MAPPED)


def find_compiler() -> str | None:
    """Path of the compiler, or None."""
    return shutil.which(COMMAND)


def parse_log(text: str) -> tuple[str, tuple[LogRow, ...]]:
    """The compiler's version ("" where it says none) and the table of operators."""
    version = _VERSION.search(text)
    rows = (_ROW.match(line.strip()) for line in text.splitlines())
    return (
        version.group(1) if version else "",
        tuple(LogRow(row[1], int(row[2]), row[3].strip()) for row in rows if row),
    )


def compile_edgetpu(model: bytes) -> Compilation:
    """Compile a bare flatbuffer. InputError with the compiler's words where it fails."""
    command = find_compiler()
    if command is None:
        raise InputError(f"{COMMAND}: got none on PATH, expected Google's Edge TPU compiler")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        try:
            done = subprocess.run(
                [command, "--show_operations", "--out_dir", folder, str(path)],
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{COMMAND}: got no answer in {TIME_LIMIT_S} s") from None
        result = Path(folder) / "model_edgetpu.tflite"
        if done.returncode or not result.exists():
            words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise InputError(f"{COMMAND}: exit code {done.returncode}, {words[-1][:200]}")
        version, rows = parse_log(done.stdout)
        return Compilation(version, result.read_bytes(), rows)

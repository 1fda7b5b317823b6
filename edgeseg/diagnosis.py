"""What this machine can run, why not the rest, and the mend: the facts behind `edgeseg doctor`.

Devices are tried in processes of their own: a driver that hangs or crashes is a finding.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DELEGATES = ("edgetpu", "gpu", "cpu")
TIME_LIMIT_S = 60.0
VIDEO_DEVICES = Path("/sys/class/video4linux")
REQUIREMENT = re.compile(r"""^([A-Za-z0-9._-]+).*?(?:extra == ["']([\w-]+)["'])?$""")
PYTHON_LIMIT = re.compile(r"""python_version < ["'](\d+)\.(\d+)""")
# Packages that stand for one another: either will do.
ALTERNATIVES = {
    "opencv-python": ("opencv-python", "opencv-python-headless"),
    "ai-edge-litert": ("ai-edge-litert", "tflite-runtime"),
}
QUICK_INT8 = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")

DELEGATE_MENDS = {
    "edgetpu": (
        "connect a Coral device, install its runtime (package libedgetpu1-std), and give a model "
        "that edgetpu_compiler made from `edgeseg convert --to edgetpu`"
    ),
    "gpu": (
        "install the GPU's Vulkan driver, see /dev/dri (in a container: --device /dev/dri), and "
        'pip install -U "ai-edge-litert"'
    ),
    "cpu": 'pip install -U "ai-edge-litert"',
}


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    part: machine, threads, delegates, cameras, display or packages. ok: False where
    something does not work. needed: the main job, segmenting on the CPU, fails
    without it. mend: what to do, "" where there is nothing to do.
    """

    part: str
    name: str
    ok: bool
    found: str
    mend: str = ""
    needed: bool = False


def diagnose() -> list[Finding]:
    """All findings, in the order in which they are read."""
    return [
        *machine(),
        *threads(),
        *[delegate(name) for name in DELEGATES],
        compiler(),
        *cameras(),
        display(),
        *packages(),
    ]


def machine() -> list[Finding]:
    """Processor, instruction sets, memory, Python."""
    from .benchmarks import machine as facts

    features = facts.features()
    quick = not features or bool(set(features) & set(QUICK_INT8))
    slow = "this processor has no 8-bit dot products: an int8 model gains less over float32"
    memory = facts.memory_mib()
    return [
        Finding("machine", "processor", True, facts.processor()),
        Finding(
            "machine", "features", quick, ", ".join(features) or "unknown", "" if quick else slow
        ),
        Finding("machine", "AMX for int8", True, facts.amx()),
        Finding("machine", "memory", True, f"{memory} MiB" if memory else "unknown"),
        Finding("machine", "python", True, f"{sys.version.split()[0]} on {sys.platform}"),
    ]


def threads() -> list[Finding]:
    """Cores, the threads that are used by default, and what else is running."""
    from .benchmarks import machine as facts
    from .runtime.interpreter import default_threads

    usable, all_cores = facts.usable_cores(), os.cpu_count() or 1
    limited = (
        "" if usable == all_cores else "the process is limited to some cores (taskset, cgroup)"
    )
    load = facts.load_average()
    busy = load is not None and load > 0.5 * usable
    return [
        Finding("threads", "cores", not limited, f"{usable} of {all_cores}", limited),
        Finding("threads", "default threads", True, f"{default_threads()}, change with --threads"),
        Finding(
            "threads",
            "load",
            not busy,
            "unknown" if load is None else f"{load} processes wanted to run in the last minute",
            "something else is running: frame rates and latencies will be worse" if busy else "",
        ),
    ]


def delegate(name: str, *, limit_s: float = TIME_LIMIT_S) -> Finding:
    """Whether the bundled model runs on a delegate and agrees there; tried in a process."""
    needed = name == "cpu"
    command = [sys.executable, "-m", "edgeseg.runtime.trial", name]
    ok, found = run_trial(command, limit_s=limit_s)
    return Finding("delegates", name, ok, found, "" if ok else DELEGATE_MENDS[name], needed)


def run_trial(command: Sequence[str], *, limit_s: float = TIME_LIMIT_S) -> tuple[bool, str]:
    """Run a process whose last line is {"ok": ..., "found": ...}; its hang or crash is told."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {limit_s:g} s"
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        return bool(answer["ok"]), str(answer["found"])
    except (IndexError, ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines()
        return (
            False,
            f"crashed with exit code {done.returncode}: {lines[-1] if lines else 'silent'}",
        )


def compiler() -> Finding:
    """The Edge TPU compiler, which `edgeseg convert --to edgetpu` uses where it is there."""
    path = shutil.which("edgetpu_compiler")
    mend = "" if path else "only needed to compile for the Edge TPU: Coral's package of that name"
    return Finding("delegates", "edgetpu_compiler", bool(path), path or "not on PATH", mend)


def cameras(*, devices: Path = VIDEO_DEVICES) -> list[Finding]:
    """Each camera that Linux lists, and whether it gives frames; elsewhere the first index."""
    if not sys.platform.startswith("linux"):
        return [_camera(0, "camera 0")]
    listed = sorted(devices.glob("video*"), key=lambda path: (len(path.name), path.name))
    if not listed:
        mend = "connect a camera (in a container: --device /dev/video0), or use --source sample"
        return [Finding("cameras", "cameras", False, f"none in {devices}", mend)]
    return [_camera(int(path.name[5:]), _title(path)) for path in listed]


def _title(path: Path) -> str:
    try:
        return (path / "name").read_text(encoding="utf-8", errors="replace").strip() or path.name
    except OSError:
        return path.name


def _camera(index: int, title: str) -> Finding:
    node = Path(f"/dev/video{index}")
    if node.exists() and not os.access(node, os.R_OK | os.W_OK):
        mend = "sudo usermod -aG video $USER, then log in again"
        return Finding("cameras", str(index), False, f"{title}: no permission for {node}", mend)
    command = [sys.executable, "-m", "edgeseg.runtime.trial", "camera", str(index)]
    ok, found = run_trial(command, limit_s=20.0)
    mend = "" if ok else "close other programs that use it; a camera's second node gives no frames"
    return Finding("cameras", str(index), ok, f"{title}: {found}", mend)


def display() -> Finding:
    """Whether a window can be opened."""
    try:
        from .runtime.window import screen_problem
    except ImportError as error:
        mend = "install libgl1 and libglib2.0-0, or pip install opencv-python-headless instead"
        return Finding("display", "window", False, f"OpenCV does not load: {error}", mend, True)
    problem = screen_problem()
    mend = "use --sink FILE.mp4 or --sink none" if problem else ""
    return Finding("display", "window", not problem, problem or "can be opened", mend)


def packages() -> list[Finding]:
    """One finding for the base install and one per extra, from the package's own metadata."""
    return [_extra(name, wanted) for name, wanted in requirements().items()]


def requirements() -> dict[str, list[str]]:
    """Extra ("" for the base install) -> names of its packages, as edgeseg's metadata says."""
    try:
        lines = importlib.metadata.requires("edgeseg") or []
    except importlib.metadata.PackageNotFoundError:
        return {"": ["edgeseg"]}
    wanted: dict[str, list[str]] = {"": []}
    for line in filter(applies, lines):
        match = REQUIREMENT.match(line)
        if match and match[1] != "edgeseg":
            wanted.setdefault(match[2] or "", []).append(match[1])
    return wanted


def applies(requirement: str, *, python: tuple[int, int] = sys.version_info[:2]) -> bool:
    """False for a requirement whose marker leaves out this Python or Windows."""
    limit = PYTHON_LIMIT.search(requirement)
    if limit and python >= (int(limit[1]), int(limit[2])):
        return False
    return not (os.name == "nt" and "platform_system != " in requirement)


def version_of(package: str) -> str | None:
    """The installed version of a package or of what stands for it, None where there is none."""
    return next(filter(None, map(_installed, ALTERNATIVES.get(package, (package,)))), None)


def _installed(package: str) -> str | None:
    """The version of this very package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(extra: str, wanted: list[str]) -> Finding:
    if extra == "tflite-runtime" and not _installed(extra):
        # It stands for what is there, and would bring an older numpy.
        litert = version_of("ai-edge-litert")
        if litert is not None:
            return Finding("packages", extra, True, f"not needed beside ai-edge-litert {litert}")
    versions = {name: version_of(name) for name in wanted}
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    ok = None not in versions.values()
    install = f'pip install "edgeseg[{extra}]"' if extra else "pip install edgeseg"
    return Finding("packages", extra or "base", ok, found, "" if ok else install, needed=not extra)

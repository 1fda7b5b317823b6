"""The machine and the packages a report was made with: a figure without them says nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from edgeseg.runtime.amx import VARIABLE

# What results depend on; those that are not installed are left out.
PACKAGES = (
    "edgeseg",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "ai-edge-litert",
    "tflite-runtime",
    "tensorflow",
    "mediapipe",
    "scikit-learn",
    "scikit-image",
    "pycocotools",
    "matplotlib",
)
# The instruction sets that quantized kernels choose between.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve")


def describe() -> dict:
    """The processor, its features and AMX, cores, memory in MiB and load, and the system."""
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "features": features(),
        "amx": amx(),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
        "memory_mib": memory_mib(),
        "load_average": load_average(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def amx() -> str:
    """What int8 networks do with the matrix unit AMX, see `edgeseg.runtime.amx`."""
    if "amx_int8" not in features():
        return "not there"
    return "used" if os.environ.get(VARIABLE) == "1" else f"not used, {VARIABLE}=1 uses it"


def versions() -> dict[str, str]:
    """Package -> version, of those that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name as the system tells it."""
    for line in _cpuinfo():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def features() -> list[str]:
    """Those of FEATURES that the processor has; empty where the system does not tell."""
    words: set[str] = set()
    for line in _cpuinfo():
        if line.lower().startswith(("flags", "features")):
            words.update(line.partition(":")[2].split())
    return [feature for feature in FEATURES if feature in words]


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_mib() -> int | None:
    """Main memory in MiB, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def load_average() -> float | None:
    """Processes that wanted to run in the last minute: above 0 something else is running."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []

"""The targets by name: how each is made and what must hold of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import InputError, require

from . import dynamic, edgetpu, float16, float32, gpu, int8, int8_qat, mediapipe, requantize
from .checks import edgetpu_reasons, gpu_reasons, integer_reasons
from .flatgraph import Graph
from .job import Job
from .source import Source


def _nothing(graph: Graph) -> list[str]:
    return []


def _integers(graph: Graph) -> list[str]:
    # Float edges are there where the caller asked for them, and nowhere else.
    return integer_reasons(graph, float_edges=True)


def _edgetpu(graph: Graph) -> list[str]:
    return integer_reasons(graph) + edgetpu_reasons(graph)


@dataclass(frozen=True)
class Target:
    """convert: makes the finished bytes. check: what else is wrong with the file.

    calibrated: quantized from the calibration images.
    """

    convert: Callable[[Job], bytes]
    check: Callable[[Graph], list[str]] = _nothing
    calibrated: bool = False


TARGETS: dict[str, Target] = {
    "float32": Target(float32.convert),
    "float16": Target(float16.convert),
    "dynamic": Target(dynamic.convert),
    "int8": Target(int8.convert, _integers, calibrated=True),
    "int8-qat": Target(int8_qat.convert, _integers),
    "gpu": Target(gpu.convert, gpu_reasons),
    "edgetpu": Target(edgetpu.convert, _edgetpu, calibrated=True),
    "mediapipe": Target(mediapipe.convert),
}


# What "all" stands for: the rest needs weights or packages that not everybody has.
EVERYWHERE = ("float32", "float16", "dynamic", "int8", "gpu", "edgetpu")


def check_names(names: list[str]) -> list[str]:
    """The targets in their usual order, each once. InputError for none or an unknown one."""
    wanted = [*names, *EVERYWHERE] if "all" in names else names
    wanted = [name for name in wanted if name != "all"]
    unknown = sorted(set(wanted) - set(TARGETS))
    if unknown or not wanted:
        raise InputError(
            f"--to: got {', '.join(unknown) or 'no target'}, expected some of "
            f"{', '.join(TARGETS)} or all"
        )
    return [name for name in TARGETS if name in wanted]


def check_possible(names: list[str], source: Source, *, io: str, qat: Path | None = None) -> None:
    """Raise before anything is made where a target cannot be: InputError or MissingExtra."""
    if io not in int8.IO_TYPES or (io == "float32" and "edgetpu" in names):
        raise InputError(
            f"--io: got {io}, expected int8 or uint8, or, without the target edgetpu, float32"
        )
    if "mediapipe" in names:
        mediapipe.check(source.spec)
    if "int8-qat" in names:
        int8_qat.qat_folder(source, qat)
    if source.tflite is None:
        require("tensorflow", extra="convert")
    elif set(names) - {"float32"}:
        if any(TARGETS[name].calibrated for name in names):
            requantize.check_io(io)
        require("ai_edge_quantizer", extra="requantize")

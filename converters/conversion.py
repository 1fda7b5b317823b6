"""All targets of one run: make, write beside, verify, judge, rename or refuse."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgeseg.errors import EdgesegError, InputError
from edgeseg.preprocess import to_tensor
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import embed, flatbuffer, read_entries, read_spec

from .compiler import compile_edgetpu, find_compiler
from .flatgraph import read_graph
from .gate import Gate, Limits, judge
from .job import Job
from .layers import worst_layers
from .manifest import Converted, NotMade, write_beside
from .native_output import silenced
from .operators import operators_of
from .pictures import plain
from .reference import Reference
from .source import Source
from .targets import TARGETS, Target
from .verification import Verification, verify
from .webgpu import run_on_webgpu

# float16 weights computed in another order; a wrong kernel is off by far more.
WEBGPU_TOLERANCE = 0.02


class Progress(Protocol):
    """Where a run tells what it is at."""

    def begin(self, text: str, total: int) -> None:
        """A step begins that has `total` parts."""

    def advance(self) -> None:
        """One part of the step is done."""


@dataclass(frozen=True)
class Run:
    """What a run works on, the same for all its targets.

    warnings: why its gates say little, for the manifest.
    """

    job: Job
    reference: Reference
    folder: Path
    limits: Limits
    warnings: tuple[str, ...] = ()


def check_source_stays(folder: Path, names: Sequence[str], source: Source) -> None:
    """Raise InputError where a file made in `folder` would replace the one it is made from."""
    for name in names:
        path = _path(folder, source, name)
        if path.exists() and path.samefile(source.path):
            raise InputError(
                f"output: got {folder}, where {path.name} would replace the model that is "
                "converted; expected another folder"
            )


def convert_all(run: Run, names: Sequence[str], progress: Progress) -> list[Converted | NotMade]:
    """Convert, verify and judge every target; files that fail their gate are not left behind.

    What is wrong for all of them was found when `run` was made: a target that cannot be
    made does not keep the others from it.
    """
    return [_convert(run, name, progress) for name in names]


def _convert(run: Run, name: str, progress: Progress) -> Converted | NotMade:
    target, job = TARGETS[name], run.job
    # ai-edge-quantizer does not say how many of the images it has seen.
    counted = target.calibrated and job.source.tflite is None
    progress.begin(f"{name}: converting", len(job.frames) if counted else 1)
    path = _path(run.folder, job.source, name)
    finals = (path, _compiled_path(path)) if name == "edgetpu" else (path,)
    # By the names that they get: the file, and what a device's compiler made of it.
    beside: dict[Path, Path] = {}
    try:
        model = _make(target, job)
        beside[path] = write_beside(path, model)
        converted = _judge(run, name, path, model, progress, beside)
        for final in finals:
            if converted.path and final in beside:
                os.replace(beside[final], final)
            else:
                # A file of an earlier run must not pass for this one's.
                final.unlink(missing_ok=True)
        return converted
    except EdgesegError as error:
        for final in finals:
            final.unlink(missing_ok=True)
        return NotMade(name, Gate(False, (str(error),)))
    finally:
        for part in beside.values():
            part.unlink(missing_ok=True)


def _path(folder: Path, source: Source, name: str) -> Path:
    return folder / f"{source.spec.name}_{name}.tflite"


def _compiled_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_compiled.tflite")


def _make(target: Target, job: Job) -> bytes:
    try:
        with silenced():
            return target.convert(job)
    except EdgesegError:
        raise
    # Both tools raise whatever their passes stumble over; its first line says what.
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        tool = "TensorFlow" if job.source.tflite is None else "ai-edge-quantizer"
        raise InputError(
            f"{tool} cannot convert this model: {type(error).__name__}: {first[:300]}"
        ) from error


def _judge(
    run: Run, name: str, path: Path, model: bytes, progress: Progress, beside: dict[Path, Path]
) -> Converted:
    graph = read_graph(model, origin=name)
    operators = operators_of(graph)
    progress.begin(f"{name}: verifying", len(run.reference.pictures))
    with silenced():
        found = verify(
            Interpreter(model).run,
            run.reference,
            spec=read_spec(model),
            progress=progress.advance,
        )
    extra, reasons = _devices(run, name, path, model, beside)
    reasons = TARGETS[name].check(graph) + reasons + _pictures(run, name)
    gate = judge(found, run.limits, other=reasons)
    if not gate.passed and TARGETS[name].calibrated:
        gate = _explained(run, gate, found, progress)
    if not gate.passed and "edgetpu_compiler" in extra:
        extra["edgetpu_compiler"]["path"] = None
    return Converted(
        target=name,
        path=path if gate.passed else None,
        model=model,
        operators=operators,
        verification=found,
        gate=gate,
        extra=extra,
    )


def _pictures(run: Run, name: str) -> list[str]:
    """Images that show nothing: neither ranges nor a comparison can be trusted."""
    reasons = []
    if TARGETS[name].calibrated and plain(run.job.frames):
        reasons.append(
            "the calibration images are all next to one colour, so that the ranges read from "
            "them fit no real image: pass --calibration with images as the model will see"
        )
    if plain([picture.frame for picture in run.reference.pictures]):
        reasons.append(
            "the images to verify on are all next to one colour: pass --images with real ones"
        )
    return reasons


def _explained(run: Run, gate: Gate, found: Verification, progress: Progress) -> Gate:
    """The gate with the layers that lose most, where the numbers were the reason."""
    source = run.job.source
    if source.model is None or found.max_iou_drop <= run.limits.max_iou_drop:
        return gate
    progress.begin("naming the layers that lose most", 1)
    tensors = [to_tensor(picture.frame, run.job.spec) for picture in run.reference.pictures]
    try:
        with silenced():
            layers = worst_layers(source.model, source.function, run.job.tensors, tensors)
        worst = f"layers that lose most: {', '.join(map(str, layers))}"
        worst += " (0.3 steps is rounding alone)"
    # An explanation is not worth the run; TensorFlow raises whatever its debugger stumbles over.
    except Exception as error:
        worst = f"which layers lose most is not known ({type(error).__name__}: {str(error)[:200]})"
    return Gate(False, (*gate.reasons, worst))


def _devices(
    run: Run, name: str, path: Path, model: bytes, beside: dict[Path, Path]
) -> tuple[dict[str, Any], list[str]]:
    """What the real tools say where they are there: more of the placement, and reasons.

    beside: takes the file that a compiler made, by its name.
    """
    if name == "gpu":
        return _webgpu(run, model)
    if name == "edgetpu" and find_compiler():
        return _compiled(_compiled_path(path), model, beside)
    return {}, []


def _webgpu(run: Run, model: bytes) -> tuple[dict[str, Any], list[str]]:
    tensor = to_tensor(run.reference.pictures[0].frame, run.job.spec)
    result = run_on_webgpu(flatbuffer(model), tensor)
    if not result.ran:
        return {"webgpu": {"ran": False, "reason": result.reason}}, []
    reasons = []
    if not result.one_partition:
        reasons.append("the WebGPU delegate leaves operators to the CPU")
    if not result.max_abs <= WEBGPU_TOLERANCE:
        reasons.append(
            f"the WebGPU delegate's output differs from the CPU's by {result.max_abs:.3f}, "
            f"allowed {WEBGPU_TOLERANCE}"
        )
    found = {"ran": True, "one_partition": result.one_partition, "max_abs": result.max_abs}
    return {"webgpu": found}, reasons


def _compiled(
    path: Path, model: bytes, beside: dict[Path, Path]
) -> tuple[dict[str, Any], list[str]]:
    result = compile_edgetpu(flatbuffer(model))
    finished = embed(result.model, read_entries(model))
    reasons = [f"left {row.count} {row.name}: {row.status}" for row in result.unmapped]
    if not result.mapped:
        reasons.append("names no operator that it mapped, expected a table of them in its log")
    if not reasons:
        beside[path] = write_beside(path, finished)
    found = {
        "version": result.version,
        "mapped": result.mapped,
        "cpu": sum(row.count for row in result.unmapped),
        "path": None if reasons else path.name,
        "sha256": hashlib.sha256(finished).hexdigest(),
        "bytes": len(finished),
    }
    return {"edgetpu_compiler": found}, [f"the compiler {reason}" for reason in reasons]

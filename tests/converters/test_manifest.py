"""The list of what was made, and how files come into the folder."""

from __future__ import annotations

import dataclasses
import errno
import importlib.metadata
import json
import os
from pathlib import Path

import pytest
from edgeseg.converters.conversion import Run, convert_all
from edgeseg.converters.gate import Gate, Limits
from edgeseg.converters.job import Job
from edgeseg.converters.manifest import (
    Converted,
    manifest,
    placement,
    tool_versions,
    write_beside,
    write_manifest,
)
from edgeseg.converters.operators import Operator
from edgeseg.converters.reference import Reference
from edgeseg.converters.source import Source
from edgeseg.converters.targets import TARGETS, Target
from edgeseg.converters.verification import Verification

from edgeseg.runtime.assets import resolve
from edgeseg.spec import ModelSpec

SOURCE = Source(Path("model.keras"), "0" * 64, ModelSpec("small", 8, 8))


def test_a_devices_answers_that_are_no_numbers_are_null(tmp_path):
    found = {"webgpu": {"ran": True, "one_partition": True, "max_abs": float("nan")}}
    file = Converted(
        "gpu",
        None,
        resolve("person").read_bytes(),
        (),
        Verification(1.0, 0.0, 0.0, 0.0, 1, 0, None),
        Gate(False, ("differs by nan",)),
        found,
    )
    path = write_manifest(tmp_path, manifest(SOURCE, [file], tools={}))
    (written,) = json.loads(path.read_text())["files"]
    assert written["placement"]["webgpu"] == {"ran": True, "one_partition": True, "max_abs": None}


def test_operators_are_counted_by_device():
    operators = [
        Operator(index, "CONV_2D", 1, edgetpu, gpu, "")
        for index, (edgetpu, gpu) in enumerate([(True, True), (True, False), (True, True)])
    ]
    assert placement([*operators, Operator(3, "CUSTOM", 1, False, False, "")]) == {
        "edgetpu": {"mapped": 3, "cpu": 1},
        "gpu": {"mapped": 2, "cpu": 2},
    }


def test_each_opencv_is_named(monkeypatch):
    def version(name):
        if name == "opencv-python-headless":
            return "5.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert tool_versions()["opencv-python-headless"] == "5.0"


def test_a_full_disk_leaves_no_part_and_is_named(tmp_path, monkeypatch):
    def full(path, data):
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_beside(tmp_path / "dist" / "small_int8.tflite", b"data")
    assert raised.value.filename == str(tmp_path / "dist" / "small_int8.tflite")
    assert list((tmp_path / "dist").iterdir()) == []


def test_a_target_that_cannot_be_made_leaves_no_earlier_file(tmp_path, monkeypatch):
    class Silent:
        def begin(self, text, total):
            pass

        def advance(self):
            pass

    def stumble(job):
        raise ValueError("no such operator")

    for name in ("small_edgetpu", "small_edgetpu_compiled", "small_int8"):
        (tmp_path / f"{name}.tflite").write_bytes(b"of an earlier run")
    monkeypatch.setitem(TARGETS, "edgetpu", Target(stumble))
    for tool, model in (("TensorFlow", None), ("ai-edge-quantizer", b"model")):
        source = dataclasses.replace(SOURCE, tflite=model)
        run = Run(Job(source, []), Reference(SOURCE.spec, (), (), (), ()), tmp_path, Limits())
        (file,) = convert_all(run, ["edgetpu"], Silent())
        reason = f"{tool} cannot convert this model: ValueError: no such operator"
        assert file.gate == Gate(False, (reason,))
    assert [path.name for path in tmp_path.iterdir()] == ["small_int8.tflite"]

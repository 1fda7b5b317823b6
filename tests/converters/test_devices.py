"""What the real tools of the devices say: WebGPU, MediaPipe, the Edge TPU compiler."""

from __future__ import annotations

import dataclasses
import json
import stat
import sys

import numpy as np
import pytest
from edgeseg.converters import compiler, webgpu
from edgeseg.converters import mediapipe as mediapipe_target
from edgeseg.converters.conversion import Run, convert_all
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.gate import Limits
from edgeseg.converters.gpu import convert as convert_gpu
from edgeseg.converters.job import Job
from edgeseg.converters.operators import list_operators
from edgeseg.converters.pictures import Picture
from edgeseg.converters.reference import make_reference
from edgeseg.converters.source import Source

from edgeseg.errors import InputError, MissingExtra
from edgeseg.metrics import iou
from edgeseg.preprocess import resize, to_mask, to_tensor
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import flatbuffer, read_entries, read_spec

pytest.importorskip("tensorflow", reason="needs the extra convert")

LOG = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 123 ms.
Number of Edge TPU subgraphs: 1
Total number of operations: 24

Operator                       Count      Status

CONV_2D                        21         Mapped to Edge TPU
RESIZE_BILINEAR                1          More than one subgraph is not supported
DEQUANTIZE                     2          Operation is working on an unsupported data type
Compilation child process completed within timeout period.
"""


class Silent:
    def begin(self, text, total):
        pass

    def advance(self):
        pass


@pytest.fixture(scope="module")
def source(saved, spec, model):
    return Source(saved, "0" * 64, spec, model=model)


def run_of(source, frames, folder, pictures=None):
    pictures = [Picture(folder / "x", frame) for frame in pictures or frames[:3]]
    reference = make_reference(source.predict, source.spec, pictures)
    return Run(Job(source, frames[:4]), reference, folder, Limits(max_iou_drop=0.5))


def test_compiler_log_is_parsed():
    version, rows = compiler.parse_log(LOG)
    assert version == "16.0.384591198"
    assert [(row.name, row.count) for row in rows] == [
        ("CONV_2D", 21),
        ("RESIZE_BILINEAR", 1),
        ("DEQUANTIZE", 2),
    ]
    result = compiler.Compilation(version, b"", rows)
    assert result.mapped == 21
    assert [row.status for row in result.unmapped][0].startswith("More than one subgraph")


def fake_compiler(folder, log, *, code=0):
    """A program of the compiler's name that copies its input and prints a log."""
    script = folder / compiler.COMMAND
    script.write_text(
        "#!/bin/sh\n"
        'for last; do :; done\n[ "$2" = --out_dir ] && out=$3\n'
        f'cp "$last" "$out/model_edgetpu.tflite"\ncat <<END\n{log}\nEND\nexit {code}\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_the_compiler_on_path_is_believed(source, frames, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_compiler(tmp_path, LOG)
    (refused,) = convert_all(run_of(source, frames, tmp_path / "a"), ["edgetpu"], Silent())
    assert not refused.gate.passed
    assert "the compiler left 1 RESIZE_BILINEAR: More than one subgraph" in refused.gate.reasons[0]
    assert refused.extra["edgetpu_compiler"]["mapped"] == 21

    fake_compiler(tmp_path, "\n".join(LOG.splitlines()[:10]))
    (passed,) = convert_all(run_of(source, frames, tmp_path / "b"), ["edgetpu"], Silent())
    assert passed.gate.passed
    assert passed.extra["edgetpu_compiler"]["cpu"] == 0
    compiled = tmp_path / "b" / passed.extra["edgetpu_compiler"]["path"]
    assert read_spec(compiled.read_bytes()) == source.spec
    assert compiled.name == "tiny_edgetpu_compiled.tflite"

    # Refused for its numbers: what the compiler made of it is not left, nor an earlier run's.
    strict = dataclasses.replace(
        run_of(source, frames, tmp_path / "b"), limits=Limits(max_iou_drop=-1)
    )
    (refused,) = convert_all(strict, ["edgetpu"], Silent())
    assert refused.extra["edgetpu_compiler"]["path"] is None
    assert list((tmp_path / "b").iterdir()) == []


def test_no_layers_are_blamed_for_quantization_where_there_is_none(source, frames, tmp_path):
    strict = dataclasses.replace(run_of(source, frames, tmp_path), limits=Limits(max_iou_drop=-1))
    (refused,) = convert_all(strict, ["float32"], Silent())
    (reason,) = refused.gate.reasons
    assert reason.startswith("IoU drop 0.0000 over 3 images, allowed -1.0000")


def test_a_compiler_that_says_nothing_of_operators_is_not_believed(
    source, frames, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_compiler(tmp_path, "Edge TPU Compiler version 17.0")
    (refused,) = convert_all(run_of(source, frames, tmp_path / "a"), ["edgetpu"], Silent())
    assert "names no operator that it mapped" in refused.gate.reasons[0]
    assert list((tmp_path / "a").iterdir()) == []


def test_a_failing_compiler_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    fake_compiler(tmp_path, "Internal compiler error. Aborting!", code=1)
    with pytest.raises(InputError, match="exit code 1, Internal compiler error"):
        compiler.compile_edgetpu(b"anything")


def test_gpu_file_is_one_partition_on_webgpu(source, frames, spec):
    if webgpu.driver_environment() is None:
        pytest.skip("no Vulkan driver: scripts/fetch-swiftshader brings one")
    model = flatbuffer(convert_gpu(Job(source, frames[:2])))
    assert all(operator.gpu for operator in list_operators(model))
    result = webgpu.run_on_webgpu(model, to_tensor(frames[0], spec))
    if not result.ran:
        pytest.skip(f"the Vulkan driver cannot run it: {result.reason}")
    assert result.one_partition
    assert result.max_abs < 1e-3


def test_a_gpu_file_that_the_delegate_does_not_run_whole_and_right_is_refused(
    source, frames, tmp_path, monkeypatch
):
    answers = [
        webgpu.WebGpuResult(True, one_partition=False, max_abs=0.021),
        webgpu.WebGpuResult(True, one_partition=True, max_abs=0.02),
        webgpu.WebGpuResult(False, reason="no driver"),
    ]
    seen = iter(answers)

    def delegate(model, tensor):
        np.testing.assert_allclose(
            Interpreter(model).run(tensor), source.predict(tensor), atol=0.01
        )
        return next(seen)

    monkeypatch.setattr("edgeseg.converters.conversion.run_on_webgpu", delegate)
    refused, passed, unknown = (
        convert_all(run_of(source, frames, tmp_path), ["gpu"], Silent())[0] for _ in answers
    )
    assert refused.gate.reasons == (
        "the WebGPU delegate leaves operators to the CPU",
        "the WebGPU delegate's output differs from the CPU's by 0.021, allowed 0.02",
    )
    assert passed.gate.passed
    assert passed.extra["webgpu"] == {"ran": True, "one_partition": True, "max_abs": 0.02}
    assert unknown.gate.passed
    assert unknown.extra["webgpu"] == {"ran": False, "reason": "no driver"}


def test_without_a_driver_webgpu_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    assert webgpu.driver_environment() is None
    result = webgpu.run_on_webgpu(b"", np.zeros(1, np.float32))
    assert not result.ran
    assert "fetch-swiftshader" in result.reason


def test_a_model_the_delegate_cannot_open_is_reported():
    if webgpu.driver_environment() is None:
        pytest.skip("no Vulkan driver: scripts/fetch-swiftshader brings one")
    result = webgpu.run_on_webgpu(
        b"\x1c\x00\x00\x00TFL3" + bytes(100), np.zeros((1, 4), np.float32), environment={}
    )
    assert not result.ran
    assert "cannot open" in result.reason


def test_mediapipe_metadata_is_in_the_file(source, frames, tmp_path):
    schema = pytest.importorskip(
        "mediapipe.tasks.metadata.metadata_schema_py_generated", reason="needs the extra mediapipe"
    )
    from edgeseg.converters.schema import unpack

    (made,) = convert_all(run_of(source, frames, tmp_path), ["mediapipe"], Silent())
    assert made.gate.passed
    assert read_entries(made.model)["labels.txt"] == b"person\n"
    root = unpack(flatbuffer(made.model))
    (entry,) = [e for e in root.metadata if e.name == mediapipe_target.METADATA_NAME.encode()]
    found = schema.ModelMetadata.GetRootAs(root.buffers[entry.buffer].data.tobytes(), 0)
    subgraph = schema.ModelMetadataT.InitFromObj(found).subgraphMetadata[0]
    (unit,) = subgraph.inputTensorMetadata[0].processUnits
    assert list(unit.options.mean) == pytest.approx([127.5] * 3)
    assert list(unit.options.std) == pytest.approx([127.5] * 3)
    assert subgraph.outputTensorMetadata[0].associatedFiles[0].name == b"labels.txt"
    assert subgraph.customMetadata[0].name == b"SEGMENTER_METADATA"


def test_mediapipe_loads_the_file_and_agrees(source, frames, spec, tmp_path):
    vision = pytest.importorskip("mediapipe.tasks.python.vision", reason="needs mediapipe")
    import mediapipe

    (made,) = convert_all(run_of(source, frames, tmp_path), ["mediapipe"], Silent())
    options = vision.ImageSegmenterOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(made.path)),
        output_confidence_masks=True,
    )
    # A frame of the model's size: MediaPipe's resampling is its own.
    frame = resize(frames[0], spec.width, spec.height)
    image = np.ascontiguousarray(frame[..., ::-1])
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        assert segmenter.labels == ["person"]
        result = segmenter.segment(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        )
        theirs = result.confidence_masks[0].numpy_view().reshape(frame.shape[:2]).copy()
    scores = Interpreter(made.model).run(to_tensor(frame, spec))[0, ..., 0]
    ours = to_mask(scores, spec.width, spec.height)
    assert np.abs(theirs - ours).mean() < 0.01
    assert iou(theirs > 0.5, ours > 0.5) > 0.98


def test_mediapipe_needs_a_plain_rgb_model(video_spec):
    pytest.importorskip("mediapipe", reason="needs the extra mediapipe")
    with pytest.raises(InputError, match="with a previous mask, expected plain RGB"):
        mediapipe_target.check(video_spec)


def test_without_mediapipe_the_extra_is_named(spec, monkeypatch):
    name = "mediapipe.tasks.metadata.metadata_schema_py_generated"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r'pip install "edgeseg\[mediapipe\]"'):
        mediapipe_target.check(spec)


def test_constants_stay_aligned_when_a_model_is_packed_again(source, frames):
    from edgeseg.converters.flatwrite import with_metadata, with_signature

    model = flatbuffer(convert_gpu(Job(source, frames[:2])))
    packed = with_signature(with_metadata(model, "note", b"hello"), "serving_default")
    tensor = to_tensor(frames[0], source.spec)
    assert np.array_equal(Interpreter(packed).run(tensor), Interpreter(model).run(tensor))
    constants = [t.data.tobytes() for n in read_graph(packed).nodes for t in n.inputs if t.constant]
    large = [data for data in constants if len(data) > 256]
    assert large
    assert all(packed.index(data) % 16 == 0 for data in large)


@pytest.mark.parametrize("target", ["float16", "dynamic", "int8"])
def test_a_float_tflite_is_a_source_too(source, frames, tmp_path, target):
    pytest.importorskip("ai_edge_quantizer", reason="needs the extra requantize")
    from edgeseg.converters.targets import TARGETS

    (flat,) = convert_all(run_of(source, frames, tmp_path), ["float32"], Silent())
    again = Source(flat.path, "0" * 64, source.spec, tflite=flatbuffer(flat.model))
    (made,) = convert_all(run_of(again, frames, tmp_path), [target], Silent())
    assert made.gate.passed, json.dumps(made.gate.reasons)
    assert len(made.model) < len(flat.model)
    graph = read_graph(made.model)
    assert TARGETS[target].check(graph) == []
    constants = [t for node in graph.nodes for t in node.inputs if t is not None and t.constant]
    kernels = {tensor.type for tensor in constants if len(tensor.shape) == 4}
    assert kernels == {"FLOAT16" if target == "float16" else "INT8"}

"""`edgeseg inspect`: facts of known files, and one line for bad ones."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from edgeseg.converters.inspection import inspect_model

from edgeseg.errors import ModelError
from edgeseg.spec import ModelSpec, embed, flatbuffer, read_spec

KEYS = {"index", "name", "version", "edgetpu", "gpu", "reason"}


def test_json_of_the_bundled_model(run, person):
    result = run("inspect", "person", "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    spec = read_spec(person)
    (image,), (output,) = facts["inputs"], facts["outputs"]
    assert image["shape"] == [1, spec.height, spec.width, spec.channels]
    assert output["shape"][0] == 1
    assert facts["bytes"] == len(person)
    assert facts["model_bytes"] == len(flatbuffer(person))
    assert facts["spec"] == json.loads(spec.to_json())
    assert facts["quantization"]["scheme"] == "int8"
    assert facts["quantization"]["per_channel"] is True
    assert all(operator.keys() >= KEYS for operator in facts["operators"])
    assert [operator["index"] for operator in facts["operators"]] == list(
        range(len(facts["operators"]))
    )
    assert facts["multiply_adds"] == sum(op["multiply_adds"] for op in facts["operators"]) > 1e6


def test_interpreter_tells_the_same_of_inputs_and_outputs(person):
    from edgeseg.runtime.interpreter import Interpreter

    facts, interpreter = inspect_model(person), Interpreter(person, threads=1)
    for told, real in (
        (facts["inputs"][0], interpreter.inputs[0]),
        (facts["outputs"][0], interpreter.outputs[0]),
    ):
        assert told["shape"] == list(real.shape)
        assert told["type"].lower() == real.dtype.name
        assert told["scale"] == pytest.approx(real.scale)
        assert told["zero_point"] == real.zero_point


def test_text_for_people(run, person):
    text = run("inspect", "person").stdout
    assert "CONV_2D" in text
    assert "multiply-adds" in text
    assert "operators (predicted)" in text
    spec = read_spec(person)
    assert (f"temperature {spec.temperature:g}" in text) == (spec.temperature != 1)
    assert len(run("inspect", "person", "--operators").stdout.splitlines()) > 60


def test_published_multiply_adds(data_root):
    # Published for MobileNetV1 0.25 at 128 pixels: 14 M multiply-adds, 0.47 M parameters.
    path = data_root / "edgetpu" / "mobilenet_v1_0.25_128_quant.tflite"
    facts = inspect_model(path.read_bytes())
    assert round(facts["multiply_adds"] / 1e6) == 14
    assert round(facts["parameters"] / 1e6, 2) == 0.47
    assert facts["quantization"]["scheme"] == "uint8"
    assert facts["quantization"]["per_channel"] is False
    assert facts["spec"] is None
    assert "edgeseg.json" in facts["spec_problem"]


def test_compiled_for_the_edge_tpu(data_root, run):
    folder = data_root / "edgetpu"
    for path in sorted(folder.glob("*_edgetpu.tflite")):
        result = run("inspect", path, "--json")
        assert result.exit_code == 0, path
        facts = json.loads(result.stdout)
        compiled = [op for op in facts["operators"] if op["custom"] == "edgetpu-custom-op"]
        assert facts["edgetpu_compiled"]
        assert compiled
        assert facts["placement"]["edgetpu"]["mapped"] == len(compiled)
        assert facts["multiply_adds"] is None
        assert "edgetpu-custom-op" in run("inspect", path).stdout


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_truncated_files(tmp_path, run, person, share):
    path = tmp_path / "short.tflite"
    path.write_bytes(person[: int(len(person) * share)])
    error = run("inspect", path).exception
    assert isinstance(error, ModelError)
    assert error.exit_code == 2
    assert "truncated" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "no TFLite model"),
        (bytes(4) + b"TFL3", "truncated or damaged"),
        (b"TFL3", "no TFLite model"),
    ],
)
def test_what_is_no_model(tmp_path, run, content, said):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    error = run("inspect", path, "--json").exception
    assert isinstance(error, ModelError)
    assert said in str(error)
    assert str(path) in str(error)


def test_no_file_and_a_folder(tmp_path, run):
    missing = run("inspect", tmp_path / "none.tflite").exception
    assert isinstance(missing, ModelError)
    assert "no such file" in str(missing)
    folder = run("inspect", tmp_path).exception
    assert "a folder" in str(folder)


def test_a_broken_spec_is_told_and_the_rest_shown(person):
    broken = embed(flatbuffer(person), {"edgeseg.json": b'{"name": "x"}'})
    facts = inspect_model(broken)
    assert facts["spec"] is None
    assert "missing fields" in facts["spec_problem"]
    assert facts["operators"]


def test_another_spec_is_shown_as_it_is(person):
    spec = ModelSpec("beach", 32, 16, labels=("sand", "sea"), palette=((9, 9, 9), (8, 8, 8)))
    model = embed(flatbuffer(person), {"edgeseg.json": spec.to_json().encode()})
    assert inspect_model(model)["spec"]["labels"] == ["sand", "sea"]


def test_needs_the_base_install_only():
    heavy = ("tensorflow", "keras", "sklearn", "skimage", "matplotlib", "scipy", "torch")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({heavy!r}))\n"
        "from edgeseg.converters.inspection import inspect_file\n"
        "print(len(inspect_file('person')['operators']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10

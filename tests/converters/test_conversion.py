"""`edgeseg convert` as a user runs it: files, manifest, gates, exit codes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
import typer
from edgeseg.converters.cli import _steps
from edgeseg.converters.compiler import MAPPED, Compilation, LogRow

from edgeseg.commands import convert
from edgeseg.errors import EdgesegError, GateFailed, InputError, ModelError
from edgeseg.spec import ModelSpec, read_entries, read_spec

pytest.importorskip("tensorflow", reason="needs the extra convert")

LOOSE = ("--max-iou-drop", "0.2", "--frames", "6", "--verify", "6", "--quiet")


def run(*arguments) -> None:
    """The command on its own: its errors come through as they are raised."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    convert.register(app)
    app(["convert", *map(str, arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def outcome(saved, photos, tmp_path_factory):
    """All targets that need no optional package, in one run, with a clip."""
    folder = tmp_path_factory.mktemp("dist")
    targets = ("float32", "float16", "dynamic", "int8", "gpu", "edgetpu")
    clip = ("--video", photos, "--video-frames", "4", "--max-flicker-rise", "200")
    run(saved, "--to", *targets, "-o", folder, "--calibration", photos, *clip, *LOOSE)
    return folder, json.loads((folder / "manifest.json").read_text())


def test_one_run_makes_every_target(outcome, spec):
    folder, manifest = outcome
    assert [file["target"] for file in manifest["files"]] == [
        "float32",
        "float16",
        "dynamic",
        "int8",
        "gpu",
        "edgetpu",
    ]
    for file in manifest["files"]:
        data = (folder / file["path"]).read_bytes()
        assert file["gate"] == {"passed": True, "reasons": []}
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert len(data) == file["bytes"]
        assert read_spec(data) == spec
        assert {"golden.png", "golden_mask.png"} <= set(read_entries(data))
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [file["path"] for file in manifest["files"]] + ["manifest.json"]
    )


def test_manifest_says_what_is_in_the_files(outcome, saved):
    _, manifest = outcome
    files = {file["target"]: file for file in manifest["files"]}
    assert manifest["source"]["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert "tensorflow" in manifest["tools"]
    (tensor,) = files["int8"]["inputs"]
    assert (tensor["shape"], tensor["type"]) == ([1, 64, 64, 3], "INT8")
    assert tensor["scale"] == pytest.approx(2 / 255, rel=0.05)
    assert files["float32"]["inputs"][0]["scale"] is None
    assert files["edgetpu"]["placement"]["edgetpu"]["cpu"] == 0
    assert files["gpu"]["placement"]["gpu"]["cpu"] == 0
    assert files["float32"]["placement"]["edgetpu"]["mapped"] == 0
    assert {op["name"] for op in files["int8"]["operators"]} >= {"CONV_2D", "LOGISTIC"}
    assert files["float16"]["bytes"] < files["float32"]["bytes"]


def test_verification_orders_the_targets(outcome):
    _, manifest = outcome
    found = {file["target"]: file["verification"] for file in manifest["files"]}
    assert found["float32"]["iou"] == pytest.approx(1, abs=1e-3)
    assert found["float32"]["mean_abs"] < 1e-5
    assert found["float32"]["mean_abs"] < found["float16"]["mean_abs"] < 1e-2
    assert found["float16"]["mean_abs"] < found["int8"]["mean_abs"] < 0.05
    assert found["int8"]["max_abs"] >= found["int8"]["mean_abs"]
    assert found["int8"]["known_masks"] == 6
    assert set(found["int8"]["video"]) == {"iou", "flicker", "iou_drop", "flicker_rise"}


def test_running_twice_gives_the_same_files(outcome, saved, photos, tmp_path):
    _, manifest = outcome
    run(saved, "--to", "int8", "-o", tmp_path, "--calibration", photos, *LOOSE)
    (again,) = json.loads((tmp_path / "manifest.json").read_text())["files"]
    (before,) = (file for file in manifest["files"] if file["target"] == "int8")
    assert again["sha256"] == before["sha256"]


def test_json_goes_to_standard_output_alone(saved, photos, tmp_path, capfd):
    run(saved, "--to", "float32", "-o", tmp_path, "--calibration", photos, "--json", *LOOSE)
    printed = capfd.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "manifest.json").read_text())
    assert printed.err == ""


def test_a_table_is_printed_unless_it_is_to_be_quiet(outcome, photos, tmp_path, capfd):
    model = outcome[0] / "tiny_float32.tflite"
    words = (model, "--to", "float32", "-o", tmp_path, "--calibration", photos)
    run(*words)
    (row,) = (line for line in capfd.readouterr().out.splitlines() if "float32" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    # Of the Edge TPU's operators none is in floating point, of a GPU's all may be.
    assert cells[2:4] == ["0.0000", "0.0000"]
    assert cells[5].startswith("0/")
    assert len(set(cells[6].split("/"))) == 1
    assert cells[7] == "passed"
    run(*words, "--quiet")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_is_shown_on_a_terminals_standard_error(monkeypatch, quiet):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    master, slave = os.openpty()
    shown = bytearray()

    def read() -> None:
        # Ends with an error where nobody has the other end open any more.
        with contextlib.suppress(OSError):
            while part := os.read(master, 4096):
                shown.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    kept = os.dup(2)
    os.dup2(slave, 2)
    try:
        with _steps(quiet=quiet) as steps:
            steps.begin("int8: converting", 7)
            for _ in range(3):
                steps.advance()
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, slave):
            os.close(descriptor)
        reader.join()
        os.close(master)
    assert (b"int8: converting" in shown) == (b"3/7" in shown) == (not quiet)


def test_the_compilers_version_and_file_are_in_the_manifest(saved, photos, tmp_path, monkeypatch):
    rows = (LogRow("CONV_2D", 21, MAPPED),)
    monkeypatch.setattr("edgeseg.converters.conversion.find_compiler", lambda: "there")
    monkeypatch.setattr(
        "edgeseg.converters.conversion.compile_edgetpu",
        lambda model: Compilation("16.0.384591198", model, rows),
    )
    run(saved, "--to", "edgetpu", "-o", tmp_path, "--calibration", photos, *LOOSE)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["tools"]["edgetpu_compiler"] == "16.0.384591198"
    found = manifest["files"][0]["placement"]["edgetpu_compiler"]
    compiled = (tmp_path / "tiny_edgetpu_compiled.tflite").read_bytes()
    assert (found["mapped"], found["cpu"], found["bytes"]) == (21, 0, len(compiled))
    assert found["path"] == "tiny_edgetpu_compiled.tflite"
    assert found["sha256"] == hashlib.sha256(compiled).hexdigest()


def test_a_fifth_is_kept_back_to_verify_on(saved, photos, tmp_path, capfd):
    words = ("--to", "float32", "-o", tmp_path, "--calibration", photos)
    run(saved, *words, "--json")
    printed = capfd.readouterr()
    manifest = json.loads(printed.out)
    # Of twelve, all of which --frames would take.
    assert manifest["files"][0]["verification"]["pictures"] == 3
    (warning,) = manifest["warnings"]
    assert warning.startswith("got 3 images to verify on, expected 10 or more")
    assert printed.err == f"edgeseg: warning: {warning}\n"
    run(saved, *words, "--images", photos, "--json")
    (warning,) = json.loads(capfd.readouterr().out)["warnings"]
    assert warning.startswith("12 of the 12 images to verify on were calibrated on")


@pytest.fixture
def black(tmp_path):
    folder = tmp_path / "black"
    folder.mkdir()
    for index in range(4):
        cv2.imwrite(str(folder / f"{index}.png"), np.zeros((64, 64, 3), np.uint8))
    return folder


def test_black_calibration_is_refused(saved, black, tmp_path):
    target = tmp_path / "dist"
    with pytest.raises(GateFailed, match="one colour") as raised:
        run(saved, "--to", "int8", "-o", target, "--calibration", black, "--quiet")
    assert raised.value.exit_code == 3
    assert [path.name for path in target.iterdir()] == ["manifest.json"]


def test_wrong_ranges_are_measured_and_the_layers_named(saved, black, photos, tmp_path):
    target = tmp_path / "dist"
    stale = target / "tiny_int8.tflite"
    target.mkdir()
    stale.write_bytes(b"of an earlier run")
    options = ("--images", photos, "--verify", "6", "--max-iou-drop", "0.001", "--quiet")
    with pytest.raises(GateFailed, match=r"IoU drop 0\.\d+ .*layers that lose most: \w+ \("):
        run(saved, "--to", "int8", "-o", target, "--calibration", black, *options)
    (file,) = json.loads((target / "manifest.json").read_text())["files"]
    assert file["path"] is None
    assert not file["gate"]["passed"]
    assert not stale.exists()


def test_black_calibration_spoils_no_float_file(outcome, black, photos, tmp_path):
    model = outcome[0] / "tiny_float32.tflite"
    words = ("--calibration", black, "--images", photos, "--verify", "6", "--quiet")
    run(model, "--to", "float32", "-o", tmp_path / "dist", *words)
    assert (tmp_path / "dist" / model.name).exists()


def test_layers_that_cannot_be_named_do_not_end_the_run(
    saved, black, photos, tmp_path, monkeypatch
):
    def stumble(*_, **__):
        raise ValueError("no such layer")

    monkeypatch.setattr("edgeseg.converters.conversion.worst_layers", stumble)
    words = ("--images", photos, "--verify", "6", "--max-iou-drop", "0.001", "--quiet")
    with pytest.raises(GateFailed, match=r"not known \(ValueError: no such layer\)"):
        run(saved, "--to", "int8", "-o", tmp_path / "dist", "--calibration", black, *words)
    assert (tmp_path / "dist" / "manifest.json").exists()


def test_a_target_that_cannot_be_made_keeps_no_other_from_it(saved, photos, tmp_path, monkeypatch):
    def stumble(*_):
        raise InputError("edgetpu_compiler: exit code 1")

    monkeypatch.setattr("edgeseg.converters.conversion.find_compiler", lambda: "there")
    monkeypatch.setattr("edgeseg.converters.conversion.compile_edgetpu", stumble)
    words = ("--to", "edgetpu", "gpu", "-o", tmp_path, "--calibration", photos, *LOOSE[:-1])
    with pytest.raises(GateFailed, match="^edgetpu not made: edgetpu_compiler: exit code 1$"):
        run(saved, *words)
    gpu, edgetpu = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert edgetpu["gate"] == {"passed": False, "reasons": ["edgetpu_compiler: exit code 1"]}
    assert (edgetpu["path"], gpu["path"]) == (None, "tiny_gpu.tflite")
    names = ["manifest.json", "tiny_gpu.tflite"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_the_model_itself_is_not_replaced(outcome, photos, tmp_path):
    folder, _ = outcome
    model = tmp_path / "tiny_float32.tflite"
    model.write_bytes((folder / model.name).read_bytes())
    words = ("--to", "float32", "--calibration", photos, "--quiet")
    with pytest.raises(InputError, match="tiny_float32.tflite would replace the model"):
        run(model, *words, "-o", tmp_path)
    assert model.read_bytes() == (folder / model.name).read_bytes()


def test_flicker_has_a_limit_of_its_own(saved, photos, tmp_path):
    clip = ("--video", photos, "--video-frames", "4", "--max-flicker-rise", "-1000")
    with pytest.raises(GateFailed, match="flicker rises"):
        run(saved, "--to", "float32", "-o", tmp_path, "--calibration", photos, *clip, *LOOSE)
    with pytest.raises(InputError, match="no --video"):
        run(saved, "--to", "float32", "--calibration", photos, "--max-flicker-rise", "1")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tflite", b"", "empty file"),
        ("a.tflite", b"no model at all, but text", "no TFLite model"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL3" + bytes(300), "truncated or damaged"),
        ("a.keras", b"", "empty file"),
        ("a.keras", b"PK\x03\x04 not really", "no loadable Keras model"),
        ("a.onnx", b"something", "expected .keras"),
    ],
)
def test_broken_input_is_one_line(name, content, message, photos, spec, tmp_path):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "spec.json").write_text(spec.to_json())
    with pytest.raises(ModelError, match=message) as raised:
        run(tmp_path / name, "--to", "int8", "-o", tmp_path / "dist", "--calibration", photos)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "dist").exists()


def test_truncated_files_are_refused(outcome, saved, spec, photos, tmp_path):
    folder, _ = outcome
    (tmp_path / "spec.json").write_text(spec.to_json())
    whole = {"m.keras": saved, "m.tflite": folder / "tiny_float32.tflite"}
    for name, path in whole.items():
        data = path.read_bytes()
        for share in (0.1, 0.5, 0.99):
            (tmp_path / name).write_bytes(data[: int(share * len(data))])
            with pytest.raises(ModelError):
                run(tmp_path / name, "--to", "float32", "--calibration", photos)


def test_quantized_input_is_refused(outcome, photos):
    folder, _ = outcome
    with pytest.raises(ModelError, match="got a quantized model"):
        run(folder / "tiny_int8.tflite", "--to", "float32", "--calibration", photos)


def test_compiled_input_is_refused(photos, data_root):
    compiled = data_root / "edgetpu" / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    with pytest.raises(ModelError, match="compiled for the Edge TPU"):
        run(compiled, "--to", "float32", "--calibration", photos)


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("sequential", [False, True])
def test_a_softmax_is_left_to_the_runtime_on_the_edge_tpu(photos, tmp_path, package, sequential):
    keras = pytest.importorskip(package)
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        keras.layers.Conv2D(3, 1, name="logits"),
        keras.layers.Softmax() if sequential else keras.layers.Activation("softmax"),
    ]
    x = inputs = keras.Input((64, 64, 3))
    for layer in layers:
        x = layer(x)
    model = keras.Sequential([inputs, *layers]) if sequential else keras.Model(inputs, x)
    model.save(tmp_path / "model.keras")
    labels = ("ground", "road", "car")
    spec = ModelSpec("road", 64, 64, labels=labels, palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    (tmp_path / "spec.json").write_text(spec.to_json())
    words = ("--to", "int8", "edgetpu", "-o", tmp_path / "dist", "--calibration", photos, *LOOSE)
    run(tmp_path / "model.keras", *words)
    whole, edge = ((tmp_path / f"dist/road_{t}.tflite").read_bytes() for t in ("int8", "edgetpu"))
    assert read_spec(whole).activation == "none"
    assert read_spec(edge) == dataclasses.replace(spec, activation="softmax")
    manifest = json.loads((tmp_path / "dist/manifest.json").read_text())
    for file in manifest["files"]:
        names = [operator["name"] for operator in file["operators"]]
        assert ("SOFTMAX" in names) == (file["target"] == "int8")
        # Probabilities, whoever takes the softmax.
        assert file["verification"]["mean_abs"] < 0.03
    assert manifest["files"][1]["placement"]["edgetpu"]["cpu"] == 0


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".x"])
def test_files_are_not_written_elsewhere_by_a_models_name(saved, photos, spec, tmp_path, name):
    (tmp_path / "named.json").write_text(dataclasses.replace(spec, name=name).to_json())
    words = ("--to", "float32", "--calibration", photos, "--spec", tmp_path / "named.json")
    with pytest.raises(ModelError, match="as its spec's name, expected one without /"):
        run(saved, *words, "-o", tmp_path / "dist")
    assert [path.name for path in tmp_path.iterdir()] == ["named.json"]


def test_labels_are_as_many_as_the_models_scores(saved, photos, spec, tmp_path):
    two = dataclasses.replace(spec, labels=("a", "b"), palette=((0, 0, 0), (1, 1, 1)))
    (tmp_path / "two.json").write_text(two.to_json())
    words = ("--to", "float32", "--calibration", photos, "--spec", tmp_path / "two.json")
    with pytest.raises(ModelError, match=r"got 1 output channels, expected 2.*\(a, b\)"):
        run(saved, *words)


def test_whoever_is_stopped_leaves_no_part_and_no_old_manifest(
    saved, photos, tmp_path, monkeypatch
):
    def stop(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    folder = tmp_path / "dist"
    words = (saved, "--to", "float32", "-o", folder, "--calibration", photos, *LOOSE)
    run(*words)
    monkeypatch.setattr("edgeseg.converters.conversion.verify", stop)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == 128 + signal.SIGTERM
    assert [path.name for path in folder.iterdir()] == ["tiny_float32.tflite"]
    assert signal.getsignal(signal.SIGTERM) == before


def test_bad_usage_is_refused_before_any_work(saved, photos, tmp_path):
    with pytest.raises(InputError, match="expected some of"):
        run(saved, "--to", "int4", "--calibration", photos)
    with pytest.raises(InputError, match="got no model"):
        run("--to", "int8", "gpu", "--calibration", photos)
    with pytest.raises(InputError, match="no such folder"):
        run(saved, "--to", "int8", "--calibration", tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file; expected a folder"):
        run(saved, "--to", "float32", "--calibration", photos, "-o", tmp_path / "file" / "dist")
    (tmp_path / "manifest.json").write_text('{"name": "a web page\'s"}')
    with pytest.raises(InputError, match=r"whose manifest\.json is not of a conversion"):
        run(saved, "--to", "float32", "--calibration", photos, "-o", tmp_path)
    assert "a web page's" in (tmp_path / "manifest.json").read_text()
    for drop in ("nan", "-0.1", "5.0"):
        with pytest.raises(InputError, match=f"--max-iou-drop: got {drop}, expected 0 to 1"):
            run(saved, "--to", "float32", "--calibration", photos, "--max-iou-drop", drop)
    clip = ("--video", photos, "--max-flicker-rise", "nan")
    with pytest.raises(InputError, match="--max-flicker-rise: got nan"):
        run(saved, "--to", "float32", "--calibration", photos, *clip)
    with pytest.raises(InputError, match="--qat: got .*learned and the targets gpu, expected int8"):
        run(saved, "--to", "gpu", "--calibration", photos, "--qat", tmp_path / "learned")
    with pytest.raises(InputError, match="file: got a file, expected a folder of images"):
        run(saved, "--to", "float32", "--calibration", photos, "--video", tmp_path / "file")
    with pytest.raises(InputError, match="--io"):
        run(saved, "--to", "int8", "--calibration", photos, "--io", "int4")
    lonely = tmp_path / "model.keras"
    lonely.write_bytes(saved.read_bytes())
    with pytest.raises(EdgesegError, match="no readable spec"):
        run(lonely, "--to", "int8", "--calibration", photos)


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_is_closed_changes_no_exit_code(photos, tmp_path, closed):
    words = [sys.executable, "-m", "edgeseg", "convert", str(tmp_path / "no.keras")]
    words += ["--calibration", str(photos)]
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    if closed == "1":
        assert "no.keras: got no such file" in result.stderr
        assert result.stderr.count("\n") == 1

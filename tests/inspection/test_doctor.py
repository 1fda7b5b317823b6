"""`edgeseg doctor`: what is found, and the mend for what is missing."""

from __future__ import annotations

import importlib.metadata
import json
import sys

import pytest

import edgeseg.diagnosis as diagnosis
from edgeseg.diagnosis import Finding

PARTS = ["machine", "threads", "delegates", "cameras", "display", "packages"]


def test_json_of_this_machine(run):
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert values["ready"] is True
    assert list(values)[1:] == PARTS
    delegates = {finding["name"]: finding for finding in values["delegates"]}
    assert delegates["cpu"]["ok"]
    assert "agrees with the stored answer" in delegates["cpu"]["found"]
    for part in PARTS:
        for finding in values[part]:
            assert finding["found"], finding
            assert finding["ok"] or finding["mend"], f"no mend: {finding}"
            assert not (finding["ok"] and finding["mend"]), f"mend of what works: {finding}"


def findings(*, cpu: bool):
    return [
        Finding("delegates", "gpu", False, "[no] device", "install a driver"),
        Finding("delegates", "cpu", cpu, "found", "" if cpu else "mend it", needed=True),
    ]


def test_text_for_people(run, monkeypatch):
    monkeypatch.setattr(diagnosis, "diagnose", lambda: findings(cpu=True))
    result = run("doctor")
    assert result.exit_code == 0
    assert "no   gpu: [no] device\n       install a driver" in result.stdout
    assert "ready: the bundled model runs here" in result.stdout


def test_without_a_cpu_interpreter_the_exit_code_says_so(run, monkeypatch):
    monkeypatch.setattr(diagnosis, "diagnose", lambda: findings(cpu=False))
    result = run("doctor")
    assert result.exit_code == 2
    assert "FAIL cpu" in result.stdout
    assert run("doctor", "--json").exit_code == 2


def python(code):
    return [sys.executable, "-c", code]


def test_a_trial_that_hangs_or_crashes_is_a_finding():
    assert diagnosis.run_trial(python("import time; time.sleep(60)"), limit_s=0.5) == (
        False,
        "no answer within 0.5 s",
    )
    ok, found = diagnosis.run_trial(python("import os; os.abort()"))
    assert not ok
    assert "crashed with exit code -6" in found
    ok, found = diagnosis.run_trial(python("raise ValueError('no such driver')"))
    assert not ok
    assert found.endswith("ValueError: no such driver")


def test_a_trial_may_talk_before_its_answer():
    code = """print("driver 1.0"); print('{"ok": true, "found": "two devices"}')"""
    assert diagnosis.run_trial(python(code)) == (True, "two devices")


def test_missing_library_is_told_with_the_mend(monkeypatch):
    answer = "import json; print(json.dumps({'ok': False, 'found': 'edgetpu: got no library'}))"
    monkeypatch.setattr(
        diagnosis,
        "run_trial",
        lambda command, limit_s, real=diagnosis.run_trial: real(python(answer)),
    )
    finding = diagnosis.delegate("edgetpu")
    assert not finding.ok
    assert not finding.needed
    assert finding.found == "edgetpu: got no library"
    assert "libedgetpu1-std" in finding.mend


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="lists Linux's video devices")
def test_cameras(tmp_path, monkeypatch):
    (none,) = diagnosis.cameras(devices=tmp_path / "absent")
    assert not none.ok
    assert "--source sample" in none.mend

    for name in ("video10", "video2"):
        (tmp_path / name).mkdir()
    (tmp_path / "video2" / "name").write_text("Front Camera\n")
    monkeypatch.setattr(diagnosis, "run_trial", lambda command, limit_s: (True, command[-1]))
    found = [(finding.name, finding.found) for finding in diagnosis.cameras(devices=tmp_path)]
    assert found == [("2", "Front Camera: 2"), ("10", "video10: 10")]


@pytest.mark.parametrize(
    ("usable", "load", "limited", "busy"),
    [(8, None, False, False), (8, 4.0, False, False), (8, 4.5, False, True), (2, 1.5, True, True)],
)
def test_cores_and_load(monkeypatch, usable, load, limited, busy):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr("edgeseg.benchmarks.machine.usable_cores", lambda: usable)
    monkeypatch.setattr("edgeseg.benchmarks.machine.load_average", lambda: load)
    cores, _, told = diagnosis.threads()
    assert (cores.ok, bool(cores.mend), cores.found) == (not limited, limited, f"{usable} of 8")
    # More than half of the cores: frame rates suffer.
    assert (told.ok, bool(told.mend)) == (not busy, busy)


def test_a_camera_without_a_name_is_called_by_its_node(tmp_path):
    for name in ("video0", "video1"):
        (tmp_path / name).mkdir()
    (tmp_path / "video1/name").write_text("\n")
    for name in ("video0", "video1"):
        assert diagnosis._title(tmp_path / name) == name
    (tmp_path / "video1/name").write_text("Kamera für alle\n", encoding="utf-8")
    assert diagnosis._title(tmp_path / "video1") == "Kamera für alle"


def test_an_absent_camera_gives_one_line():
    ok, found = diagnosis.run_trial(
        [sys.executable, "-m", "edgeseg.runtime.trial", "camera", "987"], limit_s=60
    )
    assert not ok
    assert "camera 987" in found


def test_packages_are_those_of_the_metadata(monkeypatch):
    lines = [
        "numpy>=1.26",
        'ai-edge-litert>=2.0; platform_system != "Windows"',
        'tensorflow==2.21.*; extra == "train"',
        'tomli>=2; python_version < "3.0" and extra == "train"',
        'no-such-package>=1; extra == "odd-extra"',
        'edgeseg[train]; extra == "dev"',
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert diagnosis.requirements() == {
        "": ["numpy", "ai-edge-litert"],
        "train": ["tensorflow"],
        "odd-extra": ["no-such-package"],
    }
    odd = diagnosis.packages()[-1]
    assert not odd.ok
    assert odd.found == "no-such-package missing"
    assert odd.mend == 'pip install "edgeseg[odd-extra]"'


def test_real_metadata_names_the_extras():
    extras = diagnosis.requirements()
    assert {"", "train", "convert", "benchmark", "virtualcam"} <= extras.keys()
    assert "numpy" in extras[""]


def test_python_limits_in_markers():
    line = 'tflite-runtime>=2.14; python_version < "3.12" and extra == "tflite-runtime"'
    assert diagnosis.applies(line, python=(3, 11))
    assert not diagnosis.applies(line, python=(3, 12))


def test_either_opencv_will_do(monkeypatch):
    def version(name):
        if name == "opencv-python-headless":
            return "4.10"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert diagnosis.version_of("opencv-python") == "4.10"
    assert diagnosis.version_of("numpy") is None


@pytest.mark.parametrize("litert", [True, False])
def test_the_old_interpreter_is_not_asked_for_beside_the_new_one(monkeypatch, litert):
    """Nor the new one beside the old."""
    there = {"ai-edge-litert": "2.1"} if litert else {"tflite-runtime": "2.14"}

    def version(name):
        if name in there:
            return there[name]
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert diagnosis.version_of("ai-edge-litert") == next(iter(there.values()))
    extra = diagnosis._extra("tflite-runtime", ["tflite-runtime"])
    assert (extra.ok, extra.mend) == (True, "")
    assert extra.found.startswith("not needed" if litert else "tflite-runtime 2.14")


def test_amx_is_told_where_it_is(monkeypatch):
    from edgeseg.benchmarks import machine

    monkeypatch.setattr(machine, "features", lambda: ["avx2", "amx_int8"])
    assert machine.amx() == "not used, EDGESEG_AMX=1 uses it"
    monkeypatch.setenv("EDGESEG_AMX", "1")
    assert machine.amx() == "used"
    monkeypatch.setattr(machine, "features", lambda: ["avx2"])
    assert machine.amx() == "not there"

"""The command from its options to its files, groups, peers."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from edgeseg.benchmarks import groups, peers, video
from edgeseg.benchmarks.accuracy import ImageScore
from edgeseg.benchmarks.entry import Report
from edgeseg.benchmarks.subjects import Subject, with_distinct_names
from edgeseg.benchmarks.table import ACCURACY_COLUMNS, TIMES, WHOLE_WAY

from edgeseg.errors import GateFailed, InputError, ModelError
from edgeseg.runtime.assets import resolve
from edgeseg.runtime.delegates import EDGETPU_OPERATOR
from edgeseg.spec import ModelSpec, load_model


@pytest.fixture(scope="module")
def report(run, data, clips, tmp_path_factory):
    """The folder of a whole run on tiny data, with groups."""
    folder = tmp_path_factory.mktemp("report")
    table = folder / "groups.csv"
    table.write_text("image,light\na_0.png,dark\na_1.png,bright\nb_2,bright\n")
    result = run(
        "person",
        *("--data", data, "--video", clips, "--baselines", "--baseline-limit", 1),
        *("--rounds", 2, "--groups", table, "--filters", "-o", folder),
    )
    assert result.exit_code == 0, result.output
    return folder


def test_report_json(report):
    values = json.loads((report / "report.json").read_text())
    assert (values["schema"], values["schema_version"]) == ("edgeseg-benchmark", 1)
    assert {"machine", "versions", "command", "entries"} <= set(values)
    entries = {entry["name"]: entry for entry in values["entries"]}
    assert set(entries) == {"person", "kmeans", "watershed", "grabcut", "spectral"}
    person = entries["person"]
    assert person["kind"] == "model"
    assert person["sha256"] == hashlib.sha256(resolve("person").read_bytes()).hexdigest()
    assert entries["kmeans"]["sha256"] == ""
    assert set(person["accuracy"]["families"]) == {"a", "b", "neg"}
    assert {"iou", "ci", "boundary_f"} <= set(person["accuracy"]["families"]["a"])
    assert {"false_positive_area", "ci"} <= set(person["accuracy"]["families"]["neg"])
    assert {"iou", "boundary_f", "flicker", "lag"} <= set(person["video"]["walk"])
    assert "walk" in person["video_unsmoothed"]
    whole = {"none, whole frames", "flow, whole frames"}
    assert set(person["filters"]) == {"none", "ema", "blend", "flow", *whole}
    # The very masks that the video part has measured, by default and of the network alone.
    for name, part in (("flow", "video"), ("none, whole frames", "video_unsmoothed")):
        for figure in ("iou", "flicker", "lag"):
            assert person["filters"][name][figure] == person[part]["walk"][figure]
    assert person["filters"]["flow"]["cost_ms"] > 0
    assert entries["kmeans"]["filters"] == {}
    wanted = {"threads", "delegate", "p50_ms", "p90_ms", "p99_ms", "fps", "pipeline_fps"}
    assert wanted <= set(person["speed"])
    assert person["groups"]["light"]["groups"]["bright"]["images"] == 2
    # A red square on green is what colour clusters are good at.
    assert entries["kmeans"]["accuracy"]["families"]["a"]["iou"] > 0.9


def test_report_csv_and_page(report):
    with (report / "report.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["name"] == "person"
    assert float(lines[0]["a_iou"]) >= 0
    assert lines[0]["neg_false_positive_area"] != ""
    entries = json.loads((report / "report.json").read_text())["entries"]
    for line, entry in zip(lines, entries, strict=True):
        for part, columns in (("speed", WHOLE_WAY), ("speed", TIMES)):
            for column in columns:
                assert line[column] == str(entry[part].get(column, ""))
        for column in ACCURACY_COLUMNS:
            assert line[column] == str(entry["accuracy"]["mean"].get(column, ""))
    page = (report / "report.html").read_text()
    assert hashlib.sha256(resolve("person").read_bytes()).hexdigest() in page
    assert page.count("data:image/png;base64,") == 4
    assert "data:image/jpeg;base64," in page
    # Self-contained: nothing is fetched.
    assert 'src="http' not in page
    assert "<script" not in page
    assert (report / "flicker.png").read_bytes().startswith(b"\x89PNG")


def test_only_one_part(run, data, tmp_path):
    result = run("person", "--data", data, "--only", "accuracy", "-o", tmp_path)
    assert result.exit_code == 0
    entry = json.loads((tmp_path / "report.json").read_text())["entries"][0]
    assert entry["accuracy"]
    assert not entry["speed"]


def test_masks_that_are_all_numbers_are_refused(run, tmp_path):
    for kind, value in (("images", 90), ("masks", 3)):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "a_0.png"), np.full((16, 16), value, np.uint8))
    result = run("person", "--data", tmp_path, "--only", "accuracy", "-o", tmp_path / "report")
    assert isinstance(result.exception, InputError)
    assert "got masks whose values are 3 at most, expected 0" in str(result.exception)


def test_compare_in_the_command(run, data, report, tmp_path):
    old = json.loads((report / "report.json").read_text())
    old["entries"][0]["accuracy"]["families"]["neg"]["false_positive_area"] = -0.5
    better = tmp_path / "old.json"
    better.write_text(json.dumps(old))
    result = run(
        "person", "--data", data, "--only", "accuracy", "--compare", better, "-o", tmp_path
    )
    assert isinstance(result.exception, GateFailed)
    assert result.exception.exit_code == 3
    assert json.loads((tmp_path / "report.json").read_text())["regressions"]
    same = report / "report.json"
    assert (
        run(
            "person", "--data", data, "--only", "accuracy", "--compare", same, "-o", tmp_path / "b"
        ).exit_code
        == 0
    )


def test_compare_needs_figures_in_common(run, data, report, tmp_path):
    old = json.loads((report / "report.json").read_text())
    for entry in old["entries"]:
        entry["name"] = f"another {entry['name']}"
    (tmp_path / "old.json").write_text(json.dumps(old))
    words = ("person", "--data", data, "--only", "accuracy", "-o", tmp_path)
    result = run(*words, "--compare", tmp_path / "old.json")
    assert isinstance(result.exception, InputError)
    assert "no figure in common" in str(result.exception)
    result = run(*words, "--compare", report / "report.json")
    assert "not compared, only in the older report: " in result.stderr


def test_reports_that_are_none(tmp_path):
    path = tmp_path / "r.json"
    with pytest.raises(InputError, match="no readable file"):
        Report.read(path)
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        Report.read(path)
    path.write_text('{"schema": "edgeseg-benchmark", "schema_version": 99}')
    with pytest.raises(InputError, match="got schema version 99"):
        Report.read(path)


def test_groups_by_hand(tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("image,pose,device\n1.jpg,sit,\n2,stand,phone\n3,stand,phone\n")
    scores = [
        ImageScore(str(n), "x", iou=value) for n, value in enumerate((0.9, 0.5, 0.7), start=1)
    ]
    found = groups.summarise(scores, groups.read_groups(table))
    assert found["pose"]["largest_gap"]["iou"] == pytest.approx(0.3)
    assert found["pose"]["largest_gap"]["worst"] == "stand"
    assert set(found["device"]["groups"]) == {"phone"}
    # A spreadsheet marks UTF-8 by a first character of its own.
    table.write_text("image,pose\n1.jpg,sit\n", encoding="utf-8-sig")
    assert groups.read_groups(table) == {"1": {"pose": "sit"}}
    table.write_text("name,pose\n")
    with pytest.raises(InputError, match="expected image and one or more attributes"):
        groups.read_groups(table)


@pytest.mark.parametrize("lines", ["other.jpg,sit", "a_0.png,", ""])
def test_groups_of_no_image_of_the_data_are_told_before_anything_is_measured(
    run, data, tmp_path, lines, monkeypatch
):
    """A CSV of other names, or without a group in it, was told after all, or not at all."""
    table = tmp_path / "groups.csv"
    table.write_text(f"image,pose\n{lines}\n")
    monkeypatch.delattr("edgeseg.benchmarks.run.accuracy.measure")
    words = ("person", "--data", data, "--only", "accuracy", "--groups", table)
    result = run(*words, "-o", tmp_path / "report")
    assert isinstance(result.exception, InputError)
    assert "got no image of the data in the CSV" in str(result.exception)


def test_groups_of_images_without_the_class_are_none():
    empty = ImageScore("neg_1", "neg", false_area=0.1)
    with pytest.raises(InputError, match="got none but images without the class"):
        groups.summarise([empty], {"neg_1": {"pose": "sit"}})


def test_video_scores_by_hand():
    truth = [np.zeros((2, 5), bool)] * 2
    flash = np.zeros((2, 5), bool)
    flash[0, 0] = True
    found = video.score([truth[0], flash], truth)
    assert found["flicker"] == pytest.approx(100)
    assert found["iou"] == pytest.approx(0.5)
    assert found["flicker_over_time"] == pytest.approx([100])


def test_a_sequences_mask_of_another_size_is_named(tmp_path):
    for kind, width in (("images", 16), ("masks", 12)):
        (tmp_path / kind).mkdir()
        cv2.imwrite(str(tmp_path / kind / "00000.png"), np.full((16, width), 255, np.uint8))
    (clip,) = video.read_sequences([tmp_path])
    subject = Subject("s", "peer", segment=lambda frame: np.zeros(frame.shape[:2], bool))
    with pytest.raises(InputError, match=r"00000\.png: got a mask of 12x16, expected its image's"):
        video.measure(subject, clip, video.NONE, lambda: None)


def test_peer_files_and_wheels(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, _, _ in peers.SELFIE_FILES.values():
            archive.writestr(f"{peers.INSIDE}/{file}", b"\0\0\0\0TFL3")
    found = peers.mediapipe_subjects(wheel)[:2]
    assert [s.name for s in found] == ["mediapipe-selfie", "mediapipe-selfie-landscape"]
    assert (found[1].spec.width, found[1].spec.height) == (256, 144)
    assert found[0].path.read_bytes().endswith(b"TFL3")
    written = peers.write_selfies(tmp_path / "peers", wheel)
    assert [path.name for path in written] == [
        "mediapipe-selfie.tflite",
        "mediapipe-selfie-landscape.tflite",
    ]
    assert written[0].read_bytes() == found[0].path.read_bytes()
    text = written[1].with_suffix(".json").read_text()
    assert ModelSpec.from_json(text) == found[1].spec
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nothing", b"")
    with pytest.raises(InputError, match="expected mediapipe 0.10.21's"):
        peers.mediapipe_subjects(wheel)
    with pytest.raises(InputError, match="expected mediapipe"):
        peers.peer_subjects(["elsewhere"])
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(ModelError, match="missing fields"):
        peers.peer_subjects([f"{resolve('person')}={tmp_path / 'm.json'}"])


def test_a_bad_file_is_told_before_anything_is_measured(run, data, clips, tmp_path, monkeypatch):
    monkeypatch.setattr("edgeseg.benchmarks.speed.measure", lambda *_, **__: pytest.fail("late"))
    for source, part, option in ((data, "", "--data"), (clips, "walk", "--video")):
        folder = tmp_path / option.strip("-")
        shutil.copytree(source, folder)
        last = max((folder / part / "masks").iterdir())
        cv2.imwrite(str(last), np.zeros((3, 5), np.uint8))
        result = run("person", option, folder, "-o", tmp_path / "report")
        assert isinstance(result.exception, InputError)
        assert f"{last}: got a mask of 5x3" in str(result.exception)


def test_a_first_setting_that_cannot_run_has_no_figures_of_the_cpu(run, tmp_path):
    words = ("--only", "speed", "--rounds", 2, "--delegate", "edgetpu", "--delegate", "auto")
    assert run("person", *words, "-o", tmp_path).exit_code == 0
    (entry,) = json.loads((tmp_path / "report.json").read_text())["entries"]
    assert set(entry["speed"]) == {"threads", "delegate", "unavailable"}
    assert entry["speed"]["delegate"] == "edgetpu"
    assert entry["speeds"][1]["delegate"] in ("gpu", "cpu")
    assert entry["speeds"][1]["p50_ms"] > 0


def test_an_edge_tpu_file_has_no_masks_to_measure(run, data, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\0\0\0\0TFL3" + EDGETPU_OPERATOR)
    path.with_suffix(".json").write_text(load_model(resolve("person"))[1].to_json())
    result = run(path, "--data", data, "-o", tmp_path / "report")
    assert isinstance(result.exception, InputError)
    assert f"{path}: got a file compiled for the Edge TPU" in str(result.exception)


def test_what_a_peer_holds_is_given_back(run, data, tmp_path, monkeypatch):
    closed = []
    peer = Subject(
        "p",
        "peer",
        segment=lambda frame: np.zeros(frame.shape[:2], bool),
        close=lambda: closed.append("p"),
    )
    monkeypatch.setattr("edgeseg.benchmarks.run.peer_subjects", lambda peers: [peer])
    words = ("person", "--data", data, "--only", "accuracy")
    assert run(*words, "-o", tmp_path).exit_code == 0
    assert closed == ["p"]
    assert run(*words, "--groups", tmp_path / "none.csv", "-o", tmp_path).exit_code != 0
    assert closed == ["p", "p"]


def test_names_are_made_distinct(tmp_path):
    subjects = [Subject("m", "model", tmp_path / "one" / "m.tflite"), Subject("m", "peer")]
    assert [s.name for s in with_distinct_names(subjects)] == ["m", "m (2)"]
    two = Subject("m", "model", tmp_path / "two" / "m.tflite")
    assert [s.name for s in with_distinct_names([subjects[0], two])] == ["m", "two/m"]


def test_refuses_what_it_cannot_run(run, data):
    for arguments, message in (
        (("--only", "taste"), "expected one of accuracy, speed, video"),
        (("--delegate", "tpu"), "delegate: got 'tpu', expected one of auto, edgetpu, gpu, cpu"),
        (("-o", data / "images" / "a_0.png"), "is a file; expected a folder"),
        (("--only", "accuracy"), "expected --data DIR"),
        (("--only", "video", "--video", data / "masks"), "got no sequence"),
        (("nobody",), "expected a .tflite or a bundled model"),
        (("--baselines",), "baselines: got nothing to measure, expected --data DIR"),
        (("--only", "speed", "--groups", "g.csv"), "groups: got nothing to measure"),
        (("--filters",), "filters: got nothing to measure, expected --video DIR"),
        (("--only", "accuracy", "--data", data, "--filters"), "expected no --only accuracy"),
        (("--only", "accuracy", "--data", data, "--sustained", 1), "expected no --only accuracy"),
    ):
        result = run(*arguments)
        assert isinstance(result.exception, InputError)
        assert message in str(result.exception)

"""The demos and `edgeseg segment`, as a user runs them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest


def one_line(stderr: str) -> str:
    """Our line; LiteRT's own INFO lines are not ours to judge."""
    lines = [line for line in stderr.splitlines() if line and not line.startswith("INFO")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("edgeseg: ")
    return lines[0]


def test_webcam_on_the_sample(run, demos: Path, tmp_path: Path, frames_in) -> None:
    pytest.importorskip("skimage")
    done = run(
        demos / "webcam.py",
        *("--source", "sample", "--size", "320x240", "--frames", 24, "--every-frame"),
        *("--effect", "blur", "--sink", "out/demo.mp4"),
        *("--picture", "out/demo.png", "--stats", "out/stats.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "person" in done.stderr
    assert "FPS" in done.stderr
    frames = frames_in(tmp_path / "out" / "demo.mp4")
    assert len(frames) == 24
    assert frames[0].shape == (240, 320, 3)
    picture = cv2.imread(str(tmp_path / "out" / "demo.png"))
    assert picture.shape == (240, 960, 3)
    frame, mask, result = np.split(picture.astype(int), 3, axis=1)
    # Effects draw the mask in while it is small: only around certain pixels nothing is mixed in.
    certain = cv2.erode(mask[..., 0].astype(np.uint8), np.ones((3, 3), np.uint8))
    person, room = certain > 240, mask[..., 0] == 0
    assert person.mean() > 0.05
    assert np.array_equal(frame[person], result[person])
    assert np.abs(frame[room] - result[room]).mean() > 1
    stats = json.loads((tmp_path / "out" / "stats.json").read_text())
    assert (stats["frames"], stats["dropped"], stats["model"]) == (24, 0, "person")
    assert stats["delegate"] == "cpu"
    assert stats["fps"] > 0
    assert set(stats["stages"]) == {
        *("capture", "preprocess", "infer", "temporal", "refine", "effect", "sink")
    }
    for stage in stats["stages"].values():
        assert 0 <= stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"]


def test_video_keeps_every_frame_and_the_rate(run, demos, clip, tmp_path, frames_in) -> None:
    done = run(demos / "webcam.py", "--source", clip, "--effect", "blur", "--sink", "out.mp4")
    assert done.returncode == 0, done.stderr
    assert len(frames_in(tmp_path / "out.mp4")) == 30
    rate = cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FPS)
    assert rate == pytest.approx(25, abs=0.01)
    done = run(demos / "video.py", clip, "two.mkv", "--effect", "overlay")
    assert done.returncode == 0, done.stderr
    assert len(frames_in(tmp_path / "two.mkv")) == 30


def test_without_a_camera_the_sample_is_shown(run, demos: Path) -> None:
    pytest.importorskip("skimage")
    if cv2.VideoCapture(0).isOpened():
        pytest.skip("there is a camera here")
    done = run(demos / "webcam.py", "--sink", "none", "--frames", 3, "--size", "160x120")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no camera can be opened; showing the sample") == 1


def test_raw_frames_through_stdin_and_stdout(demos: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), np.uint8)
    words = [sys.executable, str(demos / "webcam.py"), "--source", "-", "--size", "64x48"]
    done = subprocess.run(
        [*words, "--effect", "none", "--sink", "-"],
        input=frames.tobytes(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == frames.tobytes()


def test_json_lines(run, demos: Path, clip: Path) -> None:
    done = run(demos / "webcam.py", "--source", clip, "--sink", "none", "--stats", "-")
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines
    assert {"fps", "frames", "dropped", "age_ms"} <= set(lines[0])


def test_budget_says_what_it_chose(run, demos: Path, clip: Path, tmp_path: Path) -> None:
    done = run(
        demos / "webcam.py",
        *("--source", clip, "--sink", "none", "--frames", 5),
        *("--budget-ms", 1000, "--stats", "stats.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "budget 1000.0 ms a frame: person" in done.stderr
    assert "budget 1000.0" in json.loads((tmp_path / "stats.json").read_text())["choice"]


def test_ctrl_c_in_the_middle_of_a_video(demos: Path, tmp_path: Path, frames_in) -> None:
    pytest.importorskip("skimage")
    words = ["--source", "sample", "--size", "320x240", "--sink", "out.mp4", "--effect", "replace"]
    process = subprocess.Popen(
        [sys.executable, str(demos / "webcam.py"), *words, "--stats", "stats.json"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "out.part.mp4").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted after" in stderr
    assert "Traceback" not in stderr
    frames = frames_in(tmp_path / "out.mp4")
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["interrupted"]
    assert len(frames) == stats["frames"] > 0
    # The room was replaced by green to the last frame.
    assert abs(frames[-1][5:20, 290:310].mean(axis=(0, 1)) - (79, 125, 46)).max() < 12


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--source", "/dev/video97"), "camera /dev/video97"),
        (("--source", ""), "source: got an empty name"),
        (("--source", "sample", "--model", ""), "model: got an empty name"),
        (("--source", "no-such.mp4"), "no-such.mp4: got no such file"),
        (("--source", "sample", "--sink", "out.xyz"), "sink: got 'out.xyz'"),
        (("--source", "sample", "--model", "no-such"), "no-such: got no such file"),
        (("--source", "sample", "--delegate", "edgetpu"), "not compiled for it"),
        (("--source", "sample", "--size", "big"), "WIDTHxHEIGHT"),
        (("--source", "sample", "--size", "20000x4"), "each at most 16384"),
        (("--source", "99999999999"), "camera 99999999999"),
        (("--source", "sample", "--glance-every", "0"), "glance-every: got 0"),
        (("--source", "sample", "--threads", "0"), "threads: got 0"),
        (("--source", "sample", "--threads", "100000"), "from 1 to 256"),
        (("--source", "sample", "--wait-s", "nan"), "wait-s: got nan"),
        (("--source", "sample", "--wait-s", "-1"), "wait-s: got -1"),
        (("--source", "sample", "--blur", "inf"), "blur strength: got inf"),
        (("--source", "sample", "--picture", "clip.txt"), "clip.txt"),
        (("--source", "sample", "--sink", ""), "sink: got ''"),
        (("--source", "sample", "--sink", "a.mp4", "--stats", "a.mp4"), "the sink itself"),
        (("--source", ".", "--sink", "./"), "the folder of the source"),
        (("--source", "sample", "--stats", "."), "stats: got ., which is no file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, demos: Path, words, part: str) -> None:
    pytest.importorskip("skimage")
    done = run(demos / "webcam.py", "--sink", "none", "--frames", 2, *words)
    assert done.returncode == 2
    assert part in one_line(done.stderr)


def test_statistics_that_cannot_be_written_are_refused_before_the_first_frame(
    run, demos: Path, clip: Path, tmp_path: Path
) -> None:
    words = ("--source", clip, "--sink", "out.mp4", "--stats", ".")
    done = run(demos / "webcam.py", *words)
    assert done.returncode == 2
    assert "stats: got ., which is no file" in one_line(done.stderr)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("option", ["--stats", "--picture"])
def test_no_output_takes_the_place_of_a_frame(run, demos: Path, photo: Path, option: str) -> None:
    frame = photo.parent / "frames" / "a.png"
    frame.parent.mkdir()
    frame.write_bytes(photo.read_bytes())
    words = ("--source", "frames", "--sink", "none", option, "frames/a.png")
    done = run(demos / "webcam.py", *words)
    assert done.returncode == 2
    assert "the source a.png itself" in one_line(done.stderr)
    numbered = ("--source", photo, "--sink", "out/", "--picture", "out/00000.png")
    assert "the folder of the picture" in one_line(run(demos / "webcam.py", *numbered).stderr)
    assert frame.read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("option", ["--stats", "--picture"])
def test_no_output_takes_the_place_of_the_source(run, demos: Path, photo: Path, option) -> None:
    before = photo.read_bytes()
    done = run(demos / "webcam.py", "--source", photo, "--sink", "none", option, photo)
    assert done.returncode == 2
    assert "the source itself" in one_line(done.stderr)
    assert photo.read_bytes() == before


def test_statistics_are_written_where_the_picture_cannot_be(
    run, demos: Path, clip: Path, tmp_path: Path
) -> None:
    words = ("--source", clip, "--sink", "none", "--picture", "/proc/none/x.png", "--stats", "s")
    assert run(demos / "webcam.py", *words).returncode == 2
    assert json.loads((tmp_path / "s").read_text())["frames"] == 30


@pytest.mark.parametrize(
    ("demo", "option", "default"),
    [
        ("image", "effect", "mask"),
        ("video", "effect", "blur"),
        ("webcam", "effect", "blur"),
        ("webcam", "sink", "window"),
        ("webcam", "delegate", "auto"),
        ("webcam", "threads", "half of the processors"),
    ],
)
def test_help_tells_defaults(run, demos: Path, demo: str, option: str, default: str) -> None:
    text = run(demos / f"{demo}.py", "--help").stdout
    told = text[text.index(f"\n  --{option} ") + 1 :].partition("\n  --")[0]
    assert f"Default: {default}" in told


@pytest.mark.parametrize("program", ["image.py", "video.py", "webcam.py", "soak"])
def test_every_argument_has_help(run, demos: Path, program: str) -> None:
    words = ("-m", "edgeseg.runtime.soak") if program == "soak" else (demos / program,)
    text = run(*words, "--help").stdout
    lines = [line for line in text.splitlines() if line.startswith("  ")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.match(r"  [a-z-]", line):
            # On the same line behind the name, or on the next one where the name is long.
            assert re.search(r"\S  +\S", line.strip()) or following.startswith(" " * 10), line


def test_a_soak_of_a_short_source_is_one_line(run, photo: Path) -> None:
    done = run("-m", "edgeseg.runtime.soak", "--frames", 2000, "--source", photo)
    assert done.returncode == 2
    assert "source: got 1 frames, expected 2000" in one_line(done.stderr)


def test_image_demo_prints_boxes(run, demos: Path, photo: Path, tmp_path: Path) -> None:
    done = run(demos / "image.py", photo, "cut.png", "--effect", "cutout")
    assert done.returncode == 0, done.stderr
    assert "pixels" in done.stdout
    assert cv2.imread(str(tmp_path / "cut.png"), cv2.IMREAD_UNCHANGED).shape == (240, 320, 4)


def test_image_demo_writes_into_a_folder(run, demos: Path, photo: Path, tmp_path: Path) -> None:
    for name in ("new/", "new"):
        done = run(demos / "image.py", photo, name)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["photo.png"]
        (tmp_path / "new" / "photo.png").unlink()


def test_a_photo_is_not_written_over(run, demos: Path, photo: Path) -> None:
    before = photo.read_bytes()
    done = run(demos / "image.py", photo, photo)
    assert done.returncode == 2
    assert "the image itself" in one_line(done.stderr)
    assert photo.read_bytes() == before


def test_image_demo_says_that_nothing_was_found(run, demos: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((90, 120, 3), 128, np.uint8))
    done = run(demos / "image.py", "grey.png", "mask.png")
    assert (done.returncode, done.stdout) == (0, "nothing was found\n")


def test_segment_goes_on_after_an_image_that_cannot_be_read(run, photo, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "folder.png").mkdir(parents=True)
    for name in ("a.png", "c.png"):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "b.jpg").write_bytes(b"no image")
    done = run("-m", "edgeseg", "segment", folder, "-o", "masks-v1.0")
    assert done.returncode == 2
    assert "b.jpg: got something that is no image" in done.stderr
    assert "got 1 of 3 images that cannot be read" in done.stderr
    assert sorted(path.name for path in (tmp_path / "masks-v1.0").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("-o", ""), "output: got an empty name"),
        (("-o", "-"), "output: got -, and stdout is not written to"),
        (("-o", "m.png", "--temporal", "foo"), "temporal: got 'foo'"),
        (("-o", "m.png", "--blur", "-4"), "blur strength: got -4"),
        (("-o", "b.png", "--effect", "replace", "--background", "b.png"), "the background itself"),
    ],
)
def test_segment_refuses_for_a_photo_what_it_does_for_a_video(
    run, photo: Path, tmp_path: Path, words, part: str
) -> None:
    (tmp_path / "b.png").write_bytes(photo.read_bytes())
    done = run("-m", "edgeseg", "segment", photo, *words)
    assert done.returncode == 2
    assert part in one_line(done.stderr)


def test_segment_names_outputs_alike(run, photo: Path, clip: Path, tmp_path: Path) -> None:
    """A name without a suffix, or with a slash at its end, is a folder."""
    for output in ("plain", "v1.0/"):
        assert run("-m", "edgeseg", "segment", photo, "-o", output).returncode == 0
        assert (tmp_path / output / "photo.png").is_file()
    done = run("-m", "edgeseg", "segment", photo.parent, "-o", "x.mp4")
    assert "expected a folder for a folder of images" in one_line(done.stderr)
    assert not (tmp_path / "x.mp4").exists()
    done = run("-m", "edgeseg", "segment", clip, "-o", "x.png")
    assert done.returncode == 2
    assert "output: got x.png for a video" in one_line(done.stderr)


def test_segment_of_a_mirror_image_is_the_mask_mirrored(run, photo, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "turned.png"), cv2.flip(cv2.imread(str(photo)), 1))

    def mask(name: str | Path, option: str) -> np.ndarray:
        done = run("-m", "edgeseg", "segment", name, "-o", "mask.png", "--no-focus", option)
        assert done.returncode == 0, done.stderr
        return cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_GRAYSCALE)

    differs = {
        option: cv2.absdiff(mask(photo, option), cv2.flip(mask("turned.png", option), 1)).max()
        for option in ("--flip", "--no-flip")
    }
    assert differs["--flip"] <= 2
    assert differs["--no-flip"] > 30


def test_segment_image_folder_and_video(run, photo, clip, tmp_path: Path, frames_in) -> None:
    edgeseg = ("-c", "from edgeseg.cli import main; main()", "segment")
    done = run(*edgeseg, photo, "-o", "mask.png")
    assert done.returncode == 0, done.stderr
    assert (done.stdout, "100%" in done.stderr) == ("", False)
    mask = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (240, 320)
    assert mask[60:100, 110:130].mean() > 200
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(photo.read_bytes())
    done = run(*edgeseg, folder, "-o", "masks")
    assert done.returncode == 0, done.stderr
    assert "100%" in done.stderr
    assert done.stdout == "", "no result is printed, so that nothing belongs there"
    for name in ("a.png", "b.png"):
        same = cv2.imread(str(tmp_path / "masks" / name), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(same, mask), "one image knows nothing of the one before"
    done = run(*edgeseg, clip, "-o", "masks.mp4")
    assert done.returncode == 0, done.stderr
    assert len(frames_in(tmp_path / "masks.mp4")) == 30
    done = run(*edgeseg, tmp_path / "no.jpg", "-o", "x.png")
    assert done.returncode == 2
    assert "no.jpg" in one_line(done.stderr)
    assert run(*edgeseg, folder, "-o", folder).returncode == 2


def test_the_runtime_brings_no_tensorflow(run, photo: Path) -> None:
    program = (
        "import sys, cv2, edgeseg, edgeseg.runtime.stream;"
        f"mask = edgeseg.Segmenter().segment(cv2.imread({str(photo)!r}));"
        "print(mask.shape, [n for n in sys.modules if n.split('.')[0] in"
        " ('tensorflow', 'keras', 'tf_keras', 'jax', 'torch', 'matplotlib', 'skimage')])"
    )
    done = run("-c", program)
    assert done.stdout.strip() == "(240, 320) []", done.stderr


def test_public_names_are_lazy(run) -> None:
    done = run("-c", "import sys, edgeseg; print('cv2' in sys.modules, edgeseg.__all__)")
    assert done.stdout.startswith("False ['Box', ")

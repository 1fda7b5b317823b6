"""Every sink that needs no hardware: what is written is read back."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg import InputError, SinkError
from edgeseg.runtime import video_file, video_writers, window
from edgeseg.runtime.mjpeg import MjpegPage
from edgeseg.runtime.real_time import RealTime
from edgeseg.runtime.sinks import RawOutput, check_image_path, open_sink, write_image
from edgeseg.runtime.video_file import VideoSink
from edgeseg.runtime.video_writers import FfmpegWriter

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg on PATH")
BOTH = pytest.mark.parametrize("backend", [pytest.param("ffmpeg", marks=needs_ffmpeg), "opencv"])


@pytest.fixture
def backend_is(monkeypatch: pytest.MonkeyPatch):
    """Choose what writes videos."""

    def choose(name: str) -> None:
        if name == "opencv":
            monkeypatch.setattr(video_file, "ffmpeg", lambda: None)

    return choose


def picture(level: int, *, width: int = 96, height: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write_noise(sink: VideoSink | FfmpegWriter, count: int) -> None:
    """Frames that no codec makes small."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        sink.write(rng.integers(0, 256, (64, 64, 3), np.uint8))


def levels_in(path: Path) -> list[float]:
    capture = cv2.VideoCapture(str(path))
    levels = []
    while True:
        ok, frame = capture.read()
        if not ok:
            return levels
        levels.append(float(frame.mean()))


@BOTH
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".mov"])
def test_video_has_every_frame_and_the_rate(tmp_path: Path, backend_is, backend, suffix) -> None:
    backend_is(backend)
    path = tmp_path / "new" / f"out{suffix}"
    sink = open_sink(str(path), fps=24)
    for index in range(12):
        sink.write(picture(20 + 15 * index))
    assert not path.exists(), "under its own name only once it is whole"
    sink.close()
    np.testing.assert_allclose(levels_in(path), np.arange(12) * 15 + 20, atol=6)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(24, abs=0.1)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@BOTH
def test_odd_and_changing_sizes(tmp_path: Path, backend_is, backend: str) -> None:
    backend_is(backend)
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, fps=25)
    sink.write(picture(50, width=95, height=63))
    sink.write(picture(90, width=40, height=30))
    sink.close()
    assert len(levels_in(path)) == 2


@BOTH
def test_nothing_written_leaves_nothing(tmp_path: Path, backend_is, backend: str) -> None:
    backend_is(backend)
    VideoSink(tmp_path / "out.mp4", fps=25).close()
    assert list(tmp_path.iterdir()) == []


@needs_ffmpeg
def test_sound_of_the_source_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "talk.mp4"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:d=1:r=10"]
        + ["-f", "lavfi", "-i", "sine=d=1", "-c:v", "mpeg4", "-c:a", "aac", str(source)],
        check=True,
    )
    for suffix in (".mp4", ".mkv", ".webm"):
        path = tmp_path / f"out{suffix}"
        sink = VideoSink(path, fps=10, sound=source)
        for _ in range(10):
            sink.write(picture(100))
        sink.close()
        found = subprocess.run(
            ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0"]
            + [str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert sorted(found.stdout.split()) == ["audio", "video"]


def probe(path: Path, entries: str) -> list[str]:
    """What ffprobe says of a file's video, one line each."""
    words = ["-select_streams", "v", "-show_entries", entries, "-of", "csv=p=0"]
    done = subprocess.run(
        ["ffprobe", "-v", "error", *words, str(path)], capture_output=True, text=True, check=True
    )
    return [line.rstrip(",") for line in done.stdout.split()]


@needs_ffmpeg
def test_a_rate_that_is_a_fraction_stays_exact(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, fps=30000 / 1001)
    write_noise(sink, 3)
    sink.close()
    assert probe(path, "stream=r_frame_rate") == ["30000/1001"]


@needs_ffmpeg
def test_an_avi_with_sound_has_even_times(tmp_path: Path) -> None:
    source, path = tmp_path / "talk.mp4", tmp_path / "out.avi"
    tone = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *tone, str(source)], check=True)
    sink = VideoSink(path, fps=10, sound=source)
    write_noise(sink, 5)
    sink.close()
    assert probe(path, "stream=has_b_frames") == ["0"]
    times = [float(line) for line in probe(path, "packet=dts_time")]
    np.testing.assert_allclose(times, np.arange(5) / 10, atol=1e-3)


@needs_ffmpeg
@pytest.mark.parametrize("heard_s", [0.3, 3])
def test_sound_is_as_long_as_the_picture_at_most(tmp_path: Path, heard_s: float) -> None:
    source, path = tmp_path / "talk.mp4", tmp_path / "out.mp4"
    tone = ["-f", "lavfi", "-i", f"sine=d={heard_s}", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *tone, str(source)], check=True)
    sink = VideoSink(path, fps=10, sound=source)
    for level in range(0, 200, 10):
        sink.write(picture(level))
    sink.close()
    assert len(levels_in(path)) == 20, "sound that ends early ends no picture"
    assert float(probe(path, "format=duration")[-1]) == pytest.approx(2, abs=0.05)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_sound_is_in_step_where_the_picture_begins_later(tmp_path: Path, suffix: str) -> None:
    source, path = tmp_path / f"talk{suffix}", tmp_path / "out.mp4"
    picture_late = ["-itsoffset", "1", "-f", "lavfi", "-i", "testsrc=s=64x64:d=3:r=10"]
    # Heard from 2 s on, which is 1 s after the first picture.
    tone = ["-f", "lavfi", "-i", "aevalsrc='if(gte(t,2),sin(2765*t),0)':d=4"]
    codecs = ["-c:v", "mpeg4", "-c:a", "aac", "-fps_mode", "passthrough"]
    words = ["ffmpeg", "-loglevel", "error", *picture_late, *tone, *codecs, str(source)]
    subprocess.run(words, check=True)
    sink = VideoSink(path, fps=10, sound=source)
    write_noise(sink, 30)
    sink.close()
    words = ["ffmpeg", "-loglevel", "error", "-i", str(path), "-f", "f32le", "-ar", "8000"]
    words += ["-af", "aresample=async=1:first_pts=0", "-"]
    heard = np.frombuffer(subprocess.run(words, capture_output=True, check=True).stdout, np.float32)
    assert np.flatnonzero(np.abs(heard) > 0.3)[0] / 8000 == pytest.approx(1, abs=0.05)


@needs_ffmpeg
def test_sound_that_takes_too_long_is_left_out_and_told(
    tmp_path: Path, monkeypatch, caplog
) -> None:
    source, path = tmp_path / "talk.mp4", tmp_path / "out.mp4"
    tone = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *tone, str(source)], check=True)
    original = subprocess.run

    def slow(command: list[str], **options):
        if str(source) in command:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return original(command, **options)

    sink = VideoSink(path, fps=10, sound=source)
    write_noise(sink, 5)
    monkeypatch.setattr(video_file.subprocess, "run", slow)
    sink.close()
    assert len(levels_in(path)) == 5
    assert "its sound could not be taken over" in caplog.text
    assert sorted(tmp_path.iterdir()) == [path, source]


def test_the_source_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(SinkError, match="the source itself"):
        open_sink(str(tmp_path / "." / "clip.mp4"), sound=path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("clip.mp4", b"precious")
    ]


@BOTH
def test_what_is_left_of_another_video_stays(tmp_path: Path, backend_is, backend: str) -> None:
    """Such as a killed process's, which somebody may want to name, or run through again."""
    backend_is(backend)
    for word in ("part", "ordered"):
        (tmp_path / f"out.{word}.mp4").write_bytes(b"precious")
    sink = VideoSink(tmp_path / "out.mp4", fps=25)
    for level in (40, 200):
        sink.write(picture(level))
    sink.close()
    assert len(levels_in(tmp_path / "out.mp4")) == 2
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "out.mp4"}
    assert left == {"out.part.mp4": b"precious", "out.ordered.mp4": b"precious"}


@BOTH
def test_a_whole_video_is_not_replaced_by_a_part_of_one(
    tmp_path: Path, backend_is, backend: str, capsys
) -> None:
    backend_is(backend)
    path = tmp_path / "out.mp4"
    for levels, incomplete in (((40, 80, 120), False), ((200,), True)):
        sink = VideoSink(path, fps=25)
        for level in levels:
            sink.write(picture(level))
        sink.incomplete = incomplete
        sink.close()
    assert len(levels_in(path)) == 3
    assert levels_in(tmp_path / "out.part.mp4") == [pytest.approx(200, abs=4)]
    assert f"{path} is as it was" in capsys.readouterr().err
    path.unlink()
    sink = VideoSink(path, fps=25)
    sink.write(picture(90))
    sink.incomplete = True
    sink.close()
    assert len(levels_in(path)) == 1, "with nothing to lose a part gets the name, too"


@needs_ffmpeg
@pytest.mark.parametrize("during", ["the encoder's end", "the order"])
def test_a_second_ctrl_c_leaves_what_was_written_under_its_name(
    tmp_path: Path, monkeypatch, capsys, during: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "out.mp4"
    for written in (40, 20):
        sink = VideoSink(path, fps=10)
        write_noise(sink, written)
        with monkeypatch.context() as patched:
            if during == "the order":
                patched.setattr(video_file.subprocess, "run", interrupt)
            else:
                process = sink._writer._process
                wait = process.wait
                # The first one is the interrupted, the second that of the killed process.
                waits = iter((interrupt, wait, wait))
                patched.setattr(process, "wait", lambda *a, waits=waits: next(waits)(*a))
            with pytest.raises(KeyboardInterrupt):
                sink.close()
        names = {file.name for file in tmp_path.iterdir()}
        assert names == ({"out.mp4"} if written == 40 else {"out.mp4", "out.part.mp4"})
    assert f"{path} is as it was" in capsys.readouterr().err
    if during == "the order":
        assert len(levels_in(path)) == 40


def test_real_time_passes_on_that_it_is_incomplete() -> None:
    inner = open_sink("none")
    outer = RealTime(inner, fps=30)
    outer.incomplete = True
    outer.close()
    assert inner.incomplete


@pytest.mark.parametrize("name", ["out.txt", "folder", "x.mp4"])
def test_a_picture_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SinkError, match=name):
        check_image_path(tmp_path / name)
    check_image_path(tmp_path / "out.png")


def test_without_ffmpeg_it_is_said_what_is_missing(tmp_path: Path, backend_is, capsys) -> None:
    backend_is("opencv")
    VideoSink(tmp_path / "cut.mov", fps=25).close()
    assert "cut.mov gets no sound and no alpha" in capsys.readouterr().err


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_alpha_survives_where_the_format_has_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    sink = VideoSink(path, fps=10)
    assert sink.alpha
    cut = np.zeros((64, 64, 4), np.uint8)
    cut[16:48, 16:48] = (40, 80, 200, 255)
    for _ in range(5):
        sink.write(cut)
    sink.close()
    decoder = ["-c:v", "libvpx-vp9"] if suffix == ".webm" else []
    raw = subprocess.run(
        ["ffmpeg", "-loglevel", "error", *decoder, "-i", str(path)]
        + ["-f", "rawvideo", "-pix_fmt", "bgra", "-"],
        capture_output=True,
        check=True,
    ).stdout
    frame = np.frombuffer(raw, np.uint8).reshape(-1, 64, 64, 4)[0]
    assert frame[32, 32, 3] > 250
    assert frame[4, 4, 3] < 5


@needs_ffmpeg
def test_a_file_plays_up_to_where_ffmpeg_died(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, fps=30)
    write_noise(sink, 200)
    deadline = time.monotonic() + 20
    while sink._part.stat().st_size < 300_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    sink.abort()
    with pytest.raises(SinkError, match="ffmpeg stopped writing"):
        write_noise(sink, 2000)
    with pytest.raises(SinkError):
        sink.close()
    assert len(levels_in(path)) >= 30


@needs_ffmpeg
@pytest.mark.parametrize("there", [False, True])
def test_a_video_that_never_began_leaves_nothing(tmp_path: Path, capsys, there: bool) -> None:
    path = tmp_path / "out.mp4"
    if there:
        path.write_bytes(b"whole")
    sink = VideoSink(path, fps=25)
    sink.write(picture(1, width=1, height=1))
    with pytest.raises(SinkError, match="ffmpeg could not finish"):
        sink.close()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"whole"] * there
    assert capsys.readouterr().err == ""


def test_full_disk_with_opencv(tmp_path: Path, backend_is, monkeypatch) -> None:
    backend_is("opencv")
    free = iter([10**9, 10**9, 1000])
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        video_writers.shutil, "disk_usage", lambda _: usage._replace(free=next(free, 1000))
    )
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, fps=25)
    with pytest.raises(SinkError, match="disk is full"):
        write_noise(sink, 100)
    sink.close()
    assert len(levels_in(path)) == 32


@pytest.fixture
def limited():
    """Makes a function of subprocess limit the size of files, which stands for a full disk."""
    resource = pytest.importorskip("resource")

    def wrap(original, size: int):
        def limit() -> None:
            # ENOSPC would be EFBIG here, and a signal that is ignored.
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        return lambda *args, **options: original(*args, preexec_fn=limit, **options)

    return wrap


@needs_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_no_room_for_the_order_at_the_end(tmp_path, monkeypatch, limited, suffix) -> None:
    """For some formats ffmpeg's exit code is 0 then; the fragments have to stay."""
    path = tmp_path / f"out{suffix}"
    sink = VideoSink(path, fps=30)
    write_noise(sink, 12)
    original = video_file._rewrite

    def rewrite(*args) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(video_file.subprocess, "Popen", limited(subprocess.Popen, 2000))
            return original(*args)

    monkeypatch.setattr(video_file, "_rewrite", rewrite)
    sink.close()
    assert len(levels_in(path)) == 12
    assert list(tmp_path.iterdir()) == [path]


@needs_ffmpeg
def test_full_disk_at_the_very_end_is_an_error(tmp_path: Path, monkeypatch, limited) -> None:
    sink = VideoSink(tmp_path / "out.mkv", fps=30)
    monkeypatch.setattr(video_file.subprocess, "Popen", limited(subprocess.Popen, 2000))
    write_noise(sink, 1)
    with pytest.raises(SinkError, match="could not finish"):
        sink.close()


@needs_ffmpeg
def test_full_disk_with_ffmpeg(tmp_path: Path, monkeypatch, limited) -> None:
    """Writing fails half-way."""
    original = subprocess.Popen
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, fps=30)
    monkeypatch.setattr(video_file.subprocess, "Popen", limited(original, 400_000))
    with pytest.raises(SinkError, match="ffmpeg"):
        write_noise(sink, 2000)
    monkeypatch.setattr(video_file.subprocess, "Popen", original)
    with pytest.raises(SinkError):
        sink.close()
    assert len(levels_in(path)) >= 30


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match="place to write"):
        open_sink(str(tmp_path / "file" / "out.mp4"))


def test_folder_of_pngs_keeps_alpha(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/cut/")
    cut = np.random.default_rng(0).integers(0, 256, (8, 9, 4), np.uint8)
    sink.write(cut)
    sink.write(cut)
    sink.close()
    files = sorted((tmp_path / "cut").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png"]
    assert np.array_equal(cv2.imread(str(files[1]), cv2.IMREAD_UNCHANGED), cut)


@pytest.mark.parametrize("name", ["mask.txt", "mask.gif"])
def test_image_in_an_unknown_format(tmp_path: Path, name: str, capfd) -> None:
    """OpenCV 5 has a .gif writer that takes no greys, and talks of it at length."""
    with contextlib.suppress(cv2.error):
        if cv2.imencode(Path(name).suffix, picture(1)[..., 0])[0]:
            pytest.skip(f"this OpenCV writes greys as {Path(name).suffix}")
    capfd.readouterr()
    with pytest.raises(SinkError, match=r"expected \.png"):
        write_image(tmp_path / name, picture(1)[..., 0])
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_picture_too_large_for_its_format_is_told_by_its_size(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"got '\.jpg' for 70000x1 pixels, expected \.png, or"):
        write_image(tmp_path / "wide.jpg", picture(1, width=70000, height=1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_an_image_does_not_take_the_place_of_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(SinkError, match="folder or device"):
        write_image(tmp_path / "pipe.png", picture(1))
    assert (tmp_path / "pipe.png").is_fifo()


def test_full_disk_with_an_image(tmp_path: Path, monkeypatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SinkError, match="No space left"):
        write_image(tmp_path / "mask.png", picture(1))


def test_raw_frames() -> None:
    read, write = os.pipe()
    frame = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    sink = RawOutput(fd=write)
    sink.write(frame)
    assert np.array_equal(np.frombuffer(os.read(read, 6000), np.uint8), frame.ravel())
    os.close(read)
    with pytest.raises(SinkError, match="closed pipe"):
        sink.write(frame)
    os.close(write)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_raw_frames_on_a_full_device() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(SinkError, match="No space left"):
        RawOutput(fd=fd).write(picture(1))
    os.close(fd)


def test_closed_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(SinkError, match="stdout: got a closed one"):
        open_sink("-")


def test_mjpeg_page_is_watched_with_its_token_only(capsys) -> None:
    page = MjpegPage()
    assert page.url in capsys.readouterr().err
    assert page.url.startswith(f"http://127.0.0.1:{page.port}/")
    html = urllib.request.urlopen(page.url, timeout=5).read().decode()
    assert "stream" in html
    for wrong in (f"http://127.0.0.1:{page.port}/", page.url[:-3] + "/stream", page.url + "x"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(wrong, timeout=5)
    stream = urllib.request.urlopen(page.url + "stream", timeout=5)
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(0.02):
            page.write(picture(123))

    feeder = threading.Thread(target=feed)
    feeder.start()
    data = stream.read(3000)
    stop.set()
    feeder.join()
    jpeg = data[data.index(b"\xff\xd8") : data.index(b"\xff\xd9") + 2]
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (64, 96, 3)
    assert decoded.mean() == pytest.approx(123, abs=3)
    page.close()
    stream.close()
    assert not [t for t in threading.enumerate() if t.name == "edgeseg-mjpeg"]


def test_a_port_in_use_is_told() -> None:
    page = MjpegPage()
    with pytest.raises(SinkError, match="mjpeg: got"):
        MjpegPage(port=page.port)
    page.close()


def test_window_without_a_screen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SinkError, match="no screen"):
        open_sink("window")


def test_window_on_a_screen_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GUI library aborts its process there; ours has to live on."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":971")
    window._probe.cache_clear()
    with pytest.raises(SinkError, match="window: got"):
        open_sink("window")
    window._probe.cache_clear()


@pytest.mark.parametrize("raises", [False, True])
def test_closing_the_window_is_the_key_q(monkeypatch: pytest.MonkeyPatch, raises, capsys) -> None:
    """What OpenCV 4 and OpenCV 5 answer about a window that is gone."""
    shown: list[np.ndarray] = []

    def gone(*_: object) -> float:
        if raises:
            raise cv2.error("NULL window")
        return -1.0

    monkeypatch.setattr(window, "screen_problem", lambda: None)
    monkeypatch.setenv("QT_LOGGING_RULES", "")
    for name in ("namedWindow", "resizeWindow", "destroyAllWindows"):
        monkeypatch.setattr(window.cv2, name, lambda *_: None)
    monkeypatch.setattr(window.cv2, "imshow", lambda _, picture: shown.append(picture))
    monkeypatch.setattr(window.cv2, "waitKey", lambda _: -1)
    monkeypatch.setattr(window.cv2, "getWindowProperty", gone)
    keys: list[str] = []
    sink = window.Window(keys.append, None)
    assert "q quit" in capsys.readouterr().err
    sink.write(picture(1))
    sink.write(picture(2))
    sink.close()
    assert keys == ["q"]
    assert len(shown) == 1


def test_letters_fit_their_rim() -> None:
    shown = np.full((40, 640, 3), 128, np.uint8)
    window.draw_text(shown, "30 FPS   age 12 ms   dropped 0", (8, 30), 0.5)
    bright = np.flatnonzero((shown > 230).any(axis=(0, 2)))
    dark = np.flatnonzero((shown < 40).any(axis=(0, 2)))
    assert bright.min() - 4 <= dark.min()
    assert dark.max() <= bright.max() + 4


def test_virtual_camera_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
    with pytest.raises(ImportError, match=r"edgeseg\[virtualcam\]"):
        open_sink("virtualcam")


@pytest.mark.parametrize("name", ["out.xyz", "mjpeg:http", "mjpeg:99999", "nothing"])
def test_unknown_sink(name: str) -> None:
    with pytest.raises(InputError, match="expected"):
        open_sink(name)


class Counting(VideoSink):
    def __init__(self) -> None:
        self.alpha = False
        self.count = 0

    def write(self, picture: np.ndarray) -> None:
        self.count += 1


def test_real_time_fills_gaps_and_survives_a_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgeseg.runtime import stream

    now = {"t": 100.0}
    monkeypatch.setattr(stream.time, "monotonic", lambda: now["t"])
    sink = Counting()
    timed = RealTime(sink, fps=10)
    for step in (0, 0.1, 0.1, 0.3, 0.0):
        now["t"] += step
        timed.write(picture(1))
    assert sink.count == 6
    now["t"] += 3600
    timed.write(picture(1))
    assert sink.count == 7


def test_real_time_neither_drops_nor_doubles_what_is_a_little_early_or_late(monkeypatch) -> None:
    from edgeseg.runtime import real_time

    now = {"t": 0.0}
    monkeypatch.setattr(real_time.time, "monotonic", lambda: now["t"])
    sink = Counting()
    timed = RealTime(sink, fps=10)
    for number in range(40):
        now["t"] = number / 10 + 0.02 * (-1) ** number
        timed.write(picture(1))
        assert sink.count == number + 1


def test_ffmpeg_reports_its_reason(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on PATH")
    writer = FfmpegWriter(tmp_path / "no" / "out.mp4", (64, 64), 3, 25, ["-c:v", "mpeg4"])
    with pytest.raises(SinkError, match="No such file"):
        write_noise(writer, 2000)
    with pytest.raises(SinkError):
        writer.close()

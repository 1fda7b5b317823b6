"""Every source that needs no hardware, and what is said where there is nothing to read."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg import InputError, SourceError
from edgeseg.runtime import capture
from edgeseg.runtime.capture import Camera
from edgeseg.runtime.network_stream import Stream
from edgeseg.runtime.sample import Sample
from edgeseg.runtime.source import Source
from edgeseg.runtime.sources import Paced, RawInput, open_source, parse_size
from edgeseg.runtime.timing import sane_fps


def frames_of(source: Source) -> list[np.ndarray]:
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    return frames


def test_video_file_gives_every_frame_in_order(clip: Path) -> None:
    source = open_source(str(clip))
    assert source.fps == 25
    assert source.count == 20
    assert not source.live
    assert source.sound == clip
    levels = [frame.mean() for frame in frames_of(source)]
    np.testing.assert_allclose(levels, np.arange(20) * 10 + 20, atol=3)


def test_folder_and_image(tmp_path: Path) -> None:
    for index in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((4, 6, 3), index, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source(str(tmp_path))
    assert source.count == 3
    assert [int(frame[0, 0, 0]) for frame in frames_of(source)] == [0, 1, 2]
    assert len(frames_of(open_source(str(tmp_path / "1.png")))) == 1


def test_sample_is_the_same_every_time_and_fills_the_frame() -> None:
    pytest.importorskip("skimage")
    source = open_source("sample", size=(320, 180))
    first = [source.read() for _ in range(3)]
    again = Sample(size=(320, 180))
    for index, frame in enumerate(first):
        assert frame is not None
        assert frame.shape == (180, 320, 3)
        assert np.array_equal(frame, again.frame(index))
    assert not np.array_equal(first[0], first[2])
    for index in range(0, 1000, 37):
        # The corners are never outside of the photograph, where it would be black.
        corners = again.frame(index)[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners.max(axis=1) > 0).all()


def test_raw_frames() -> None:
    read, write = os.pipe()
    source = RawInput(width=4, height=2, fd=read, wait_s=0.3)
    sent = np.arange(24, dtype=np.uint8)
    os.write(write, sent.tobytes() + sent.tobytes()[:10])
    frame = source.read()
    assert frame is not None
    assert np.array_equal(frame.ravel(), sent)
    with pytest.raises(SourceError, match="10 bytes into a frame"):
        source.read()
    os.write(write, b"x")
    os.close(write)
    with pytest.raises(SourceError, match="got 1 bytes of a last frame, expected 24"):
        source.read()
    assert source.read() is None
    os.close(read)


def test_sizes_are_known_before_the_first_frame(clip: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6, 3), np.uint8))
    still = open_source(str(tmp_path / "a.png"))
    raw = RawInput(width=4, height=2)
    found = [Paced(source, fps=30).size for source in (still, raw, open_source(str(clip)))]
    assert found == [(6, 4), (4, 2), (96, 64)]


def test_what_has_an_end_says_so(clip: Path, tmp_path: Path) -> None:
    """Also without a known number of frames, as on stdin: Ctrl-C cuts it short."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6, 3), np.uint8))
    named = [open_source(str(path)) for path in (clip, tmp_path, tmp_path / "a.png")]
    for source in (RawInput(width=4, height=2), *named):
        assert source.ends
        assert Paced(source, fps=30).ends
        source.close()
    assert not Source().ends


def test_raw_frames_can_be_interrupted() -> None:
    read, write = os.pipe()
    source = RawInput(width=4, height=2, fd=read, wait_s=30)
    threading.Timer(0.2, source.interrupt).start()
    assert source.read() is None
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-thing", "expected sample, a camera"),
        ("empty.mp4", "empty file"),
        ("text.mp4", "no video"),
        ("text.jpg", "no image"),
        ("empty.jpg", "empty file"),
        ("folder", "folder without images"),
        ("/dev/video97", "camera"),
        ("-", "--size"),
    ],
)
def test_nothing_to_read(tmp_path: Path, monkeypatch, name: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.mp4").write_text("this is a text")
    (tmp_path / "text.jpg").write_text("this is a text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=message):
        open_source(name)


def test_hidden_files_of_a_folder_are_no_images(tmp_path: Path) -> None:
    """As macOS leaves them on other systems' disks, beside every photo."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 6, 3), 90, np.uint8))
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    source = open_source(str(tmp_path))
    assert source.count == 1
    assert source.read().tolist() == np.full((4, 6, 3), 90).tolist()
    assert source.read() is None


def test_truncated_video_gives_what_is_there(tmp_path: Path, clip: Path) -> None:
    broken = tmp_path / "broken.avi"
    # Without its index, and with the last pictures missing.
    broken.write_bytes(clip.read_bytes()[: clip.stat().st_size * 9 // 10])
    assert 0 < len(frames_of(open_source(str(broken)))) < 20


def write_noise(path: Path) -> None:
    """A video of 20 frames, 320x240, 25 fps, that no codec makes small."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
    for frame in np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), np.uint8):
        writer.write(frame)
    writer.release()


def test_a_video_that_is_cut_off_is_told_once(tmp_path: Path, capsys) -> None:
    whole, broken = tmp_path / "whole.mkv", tmp_path / "broken.mkv"
    write_noise(whole)
    assert len(frames_of(open_source(str(whole)))) == 20
    assert "whole.mkv" not in capsys.readouterr().err
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for _ in range(2):
        assert len(frames_of(open_source(str(broken)))) < 12
    assert capsys.readouterr().err.count("broken.mkv has frames for") == 1


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffmpeg on PATH")
@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_sound_that_is_longer_than_the_picture_cuts_nothing_off(
    tmp_path: Path, capsys, suffix: str
) -> None:
    path = tmp_path / f"talk{suffix}"
    words = ["-f", "lavfi", "-i", "testsrc=s=64x64:d=1:r=25", "-f", "lavfi", "-i", "sine=d=3"]
    codecs = ["-c:v", "mpeg4", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *words, *codecs, str(path)], check=True)
    assert len(frames_of(open_source(str(path)))) == 25
    assert capsys.readouterr().err == ""


def test_closed_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(SourceError, match="stdin: got a closed one"):
        open_source("-", size=(4, 2))


def test_size() -> None:
    assert parse_size("1280x720") == (1280, 720)
    assert parse_size(None) is None
    for bad in ("720", "0x4", "axb", "1x2x3", "-1x2"):
        with pytest.raises(InputError, match="WIDTHxHEIGHT"):
            parse_size(bad)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    yield server.getsockname()[1]
    server.close()


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_an_address_that_never_answers_is_given_up(silent_server: int, scheme: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match="no video within 0.5 s"):
        Stream(f"{scheme}://127.0.0.1:{silent_server}/x", wait_s=0.5)
    # Bounded: the limit itself, and the join's second on top.
    assert time.monotonic() - start < 10


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """Address of a server of the test's folder that sends whole files only."""
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_video_behind_http(clip: Path, file_server: str, scheme: str) -> None:
    source = open_source(f"{scheme}://{file_server}/{clip.name}", wait_s=5)
    assert not source.live
    assert len(frames_of(source)) == 20


@pytest.mark.parametrize("length_known", [True, False])
def test_a_file_behind_http_without_a_number_of_frames_has_an_end(
    tmp_path: Path, file_server: str, monkeypatch, length_known: bool
) -> None:
    """A live stream may be called the same, and has no length."""
    write_noise(tmp_path / "clip.ts")
    if not length_known:
        monkeypatch.setattr(QuietHandler, "do_HEAD", lambda self: self.send_error(405))
    source = open_source(f"http://{file_server}/clip.ts", wait_s=5)
    assert source.count is None
    assert (source.live, source.ends) == (not length_known, length_known)
    if length_known:
        assert len(frames_of(source)) == 20
    source.close()


def test_video_behind_http_with_its_index_at_the_end(tmp_path: Path, file_server: str) -> None:
    write_noise(tmp_path / "clip.mp4")
    source = open_source(f"http://{file_server}/clip.mp4", wait_s=5)
    with pytest.raises(SourceError, match="index at the end"):
        source.read()
    source.close()


def test_an_address_that_refuses_is_not_called_slow(file_server: str) -> None:
    with pytest.raises(SourceError, match="not found"):
        open_source(f"http://{file_server}/nothing.mp4", wait_s=30)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class FlakyCapture:
    """A camera that gives `good` frames and is gone then; the n-th opening fails where told."""

    opened = 0
    refuse: tuple[int, ...] = ()
    good = 3

    def __init__(self, *_: object) -> None:
        type(self).opened += 1
        self._number = type(self).opened
        self._left = self.good

    def isOpened(self) -> bool:
        return self._number not in self.refuse

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._left -= 1
        if self._left < 0:
            return False, None
        return True, np.full((4, 4, 3), self._number, np.uint8)

    def get(self, _: int) -> float:
        return 0.0

    def set(self, *_: object) -> bool:
        return True

    def release(self) -> None:
        pass


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> type[FlakyCapture]:
    class Fresh(FlakyCapture):
        pass

    monkeypatch.setattr(capture.cv2, "VideoCapture", Fresh)
    monkeypatch.setattr(capture, "FIRST_PAUSE_S", 0.01)
    return Fresh


def test_a_camera_that_vanishes_is_opened_again(flaky: type[FlakyCapture], capsys) -> None:
    flaky.refuse = (2, 3)
    camera = Camera("0")
    seen = [int(camera.read()[0, 0, 0]) for _ in range(8)]
    assert seen == [1, 1, 1, 4, 4, 4, 5, 5]
    assert camera.reopened == 2
    assert "opening it again" in capsys.readouterr().err


def test_a_camera_that_stays_away_is_an_error(flaky: type[FlakyCapture]) -> None:
    flaky.refuse = tuple(range(2, 100))
    camera = Camera("0", reopen_s=0.1)
    for _ in range(3):
        camera.read()
    with pytest.raises(SourceError, match="gone for 0.1 s"):
        camera.read()


def test_a_camera_that_comes_and_goes_is_told_once(flaky, monkeypatch, capsys) -> None:
    """It is looked for with pauses that grow, however often it comes back for a moment."""
    flaky.good = 1
    camera = Camera("0")
    pauses: list[float] = []
    monkeypatch.setattr(camera._closing, "wait", lambda pause: pauses.append(pause))
    for _ in range(5):
        assert camera.read() is not None
    assert pauses == [0.01, 0.02, 0.04, 0.08]
    assert capsys.readouterr().err.count("opening it again") == 1


def test_looking_for_a_camera_can_be_interrupted(flaky: type[FlakyCapture]) -> None:
    flaky.refuse = tuple(range(2, 100))
    camera = Camera("0", reopen_s=60)
    for _ in range(3):
        camera.read()
    threading.Timer(0.1, camera.interrupt).start()
    assert camera.read() is None


def test_no_camera(flaky: type[FlakyCapture]) -> None:
    flaky.refuse = (1,)
    with pytest.raises(SourceError, match="camera 3: got no camera"):
        Camera("3")


def test_paced_source_keeps_time(clip: Path) -> None:
    source = Paced(open_source(str(clip)), fps=100)
    assert source.live
    start = time.monotonic()
    assert len(frames_of(source)) == 20
    assert time.monotonic() - start >= 0.18


def test_a_paced_source_that_waits_can_be_interrupted(clip: Path) -> None:
    source = Paced(open_source(str(clip)), fps=0.1)
    source.read()
    threading.Timer(0.05, source.interrupt).start()
    start = time.monotonic()
    source.read()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(("stated", "believed"), [(0.5, 0.5), (25, 25), (0, 30), (90000, 30)])
def test_a_slide_show_keeps_its_rate(stated: float, believed: float) -> None:
    assert sane_fps(stated) == believed


@pytest.mark.parametrize("program", ["ffprobe", None])
def test_a_rate_beyond_most_cameras_is_that_of_the_frames(
    tmp_path: Path, monkeypatch, capsys, program: str | None
) -> None:
    """A slow motion has it; a browser's recording states the ticks of its clock."""
    if program is None:
        monkeypatch.setenv("PATH", "")
    elif shutil.which(program) is None:
        pytest.skip("no ffmpeg on PATH")
    rates = {"motion.mp4": ("mp4v", 480), "recording.webm": ("VP80", 25)}
    for name, (codec, fps) in rates.items():
        path = str(tmp_path / name)
        writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*codec), fps, (64, 48))
        for level in range(50):
            writer.write(np.full((48, 64, 3), 4 * level, np.uint8))
        writer.release()
    recording = tmp_path / "recording.webm"
    # The element that states a frame's duration in nanoseconds.
    before, element, after = recording.read_bytes().partition(b"\x23\xe3\x83\x84")
    recording.write_bytes(before + element + (1_000_000).to_bytes(4, "big") + after[4:])
    found = [open_source(str(tmp_path / name)) for name in rates]
    assert [(source.fps, source.count) for source in found] == [(480, 50), (25, None)]
    assert [len(frames_of(source)) for source in found] == [50, 50]
    error = capsys.readouterr().err
    assert error == f"edgeseg: {recording} states 1000 frames a second; taking 25\n"


def test_photos_of_other_formats_are_no_videos(tmp_path) -> None:
    """FFmpeg finds pictures in them; one that is a JPEG by another name is read."""
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    for name in (str(path), str(tmp_path)):
        with pytest.raises(SourceError, match=r"HEIC: got something that is no image .* \.jpg"):
            open_source(name).read()
    path.write_bytes(cv2.imencode(".jpg", np.full((8, 12, 3), 90, np.uint8))[1].tobytes())
    frame = open_source(str(path)).read()
    assert frame is not None
    assert (frame.shape, frame[4, 6].tolist()) == ((8, 12, 3), [90, 90, 90])


def test_raw_frames_on_windows_are_refused_in_one_line(monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        with pytest.raises(SourceError, match="stdin: got raw frames on Windows"):
            open_source("-", size=(4, 4))

"""Fixtures of the runtime's tests: the bundled model, a photograph, interpreters that lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeseg import Segmenter
from edgeseg.runtime import assets, delegates
from edgeseg.runtime.interpreter import TensorDetails
from edgeseg.runtime.sample import Sample
from edgeseg.spec import SPEC_ENTRY, ModelSpec, embed


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data, or a skip that says where it was looked for."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("EDGESEG_DATA", default))
    if not root.is_dir():
        pytest.skip(f"no data at {root}; set EDGESEG_DATA")
    return root


@pytest.fixture(scope="session")
def person_model() -> bytes:
    return assets.resolve("person").read_bytes()


@pytest.fixture(scope="session")
def sample_frames() -> list[np.ndarray]:
    """Twelve consecutive frames of a person, uint8 (240, 320, 3) BGR."""
    pytest.importorskip("skimage")
    sample = Sample(size=(320, 240))
    return [sample.frame(index) for index in range(12)]


class FakeInterpreter:
    """An interpreter whose answer is a function of its stored input, float32 in and out."""

    package = "fake"
    threads = 1

    def __init__(
        self,
        answer: Callable[[np.ndarray], np.ndarray],
        *,
        side: int = 32,
        channels: int = 3,
        classes: int = 1,
    ) -> None:
        float32 = np.dtype(np.float32)
        self.inputs = [TensorDetails("in", (1, side, side, channels), float32, 0.0, 0)]
        self.outputs = [TensorDetails("out", (1, side, side, classes), float32, 0.0, 0)]
        self.calls = 0
        self._answer = answer

    def run(self, values: np.ndarray) -> np.ndarray:
        self.set_input(values)
        self.invoke()
        return self.get_output()

    def set_input(self, stored: np.ndarray) -> None:
        self._stored = stored.copy()

    def invoke(self) -> None:
        self.calls += 1
        self._output = np.asarray(self._answer(self._stored), np.float32)

    def get_output(self) -> np.ndarray:
        return self._output.reshape(self.outputs[0].shape)

    def operators(self) -> list[str]:
        return ["fake"] * 3

    def close(self) -> None:
        pass


@pytest.fixture
def fake_interpreter() -> type[FakeInterpreter]:
    return FakeInterpreter


def brightness(stored: np.ndarray) -> np.ndarray:
    """The honest answer of the fake network: where the picture is bright, pixel values 0..255."""
    return (stored[..., :1] > 127).astype(np.float32) * 0.9 + 0.05


@pytest.fixture
def honest() -> Callable[[np.ndarray], np.ndarray]:
    return brightness


@pytest.fixture
def fake_model(tmp_path: Path, person_model: bytes) -> Callable[..., Path]:
    """Writes a .tflite with a spec of 32x32 raw pixels; what runs it is chosen with `on_cpu`."""

    def write(
        *,
        previous_mask: bool = False,
        labels: tuple[str, ...] = ("bright",),
        temperature: float = 1.0,
    ) -> Path:
        spec = ModelSpec(
            name="fake",
            width=32,
            height=32,
            scale=(1.0,) * 3,
            offset=(0.0,) * 3,
            previous_mask=previous_mask,
            labels=labels,
            palette=tuple((10 * i, 200, 40) for i in range(len(labels))),
            temperature=temperature,
        )
        # Without a usable golden frame a delegate is compared with the CPU on a pattern.
        entries = {SPEC_ENTRY: spec.to_json().encode(), "golden.png": b"", "golden_mask.png": b""}
        path = tmp_path / "fake.tflite"
        path.write_bytes(embed(person_model, entries))
        return path

    return write


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Make an interpreter the one that runs every model on the CPU."""

    def use(interpreter: object) -> None:
        monkeypatch.setitem(delegates.OPENERS, "cpu", lambda model, threads: interpreter)

    return use


def disc(x: int, y: int, *, radius: int = 8, side: int = 64) -> np.ndarray:
    """A white disc on black, uint8 (side, side, 3)."""
    picture = np.zeros((side, side, 3), np.uint8)
    cv2.circle(picture, (x, y), radius, (255, 255, 255), cv2.FILLED)
    return picture


@pytest.fixture
def draw_disc() -> Callable[..., np.ndarray]:
    return disc


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 20 frames, 96x64, 25 fps, whose brightness is the frame number."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64))
    for index in range(20):
        writer.write(np.full((64, 96, 3), 10 * index + 20, np.uint8))
    writer.release()
    return path


@pytest.fixture
def segmenter_seeing(
    fake_model: Callable[..., Path], on_cpu: Callable[..., None]
) -> Callable[..., tuple[Segmenter, FakeInterpreter]]:
    """Opens a segmenter, unfiltered and unrefined unless told so, whose network is a function.

    The function is as `FakeInterpreter` takes it; the network comes along.
    """

    def make(
        answer: Callable[[np.ndarray], np.ndarray], **options: Any
    ) -> tuple[Segmenter, FakeInterpreter]:
        fake = FakeInterpreter(answer)
        on_cpu(fake)
        options = {"temporal": "none", "refine": False, **options}
        return Segmenter(fake_model(), delegate="cpu", **options), fake

    return make

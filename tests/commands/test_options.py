"""Every option of every verb reaches what does the work, with another value than its default."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from edgeseg.benchmarks.plan import Plan
from edgeseg.benchmarks.speed import Rounds, Setting
from edgeseg.converters.cli import Options
from typer.testing import CliRunner

from edgeseg.cli import app
from edgeseg.runtime.stream_settings import StreamSettings


class Reached(Exception):
    """Ends a verb where it calls what a test waits for. words: the call's positional arguments."""

    def __init__(self, words: tuple, options: dict) -> None:
        self.words, self.options = words, options


def call_of(monkeypatch, target: str, line: str) -> Reached:
    """The first call of `target` by a command line."""

    def reach(*words, **options):
        raise Reached(words, options)

    monkeypatch.setattr(target, reach)
    result = CliRunner().invoke(app, line.split())
    assert isinstance(result.exception, Reached), result.output or result.exception
    return result.exception


BENCHMARK = (
    "benchmark a.tflite person --data d --data e --video v --peer mediapipe --peer p.tflite "
    "--baselines --threads 2 --threads 3 --delegate gpu --delegate cpu --rounds 7 --limit 5 "
    "--baseline-limit 4 --sustained 1.5 --groups g.csv --filters -o out"
)
CONVERT = (
    "convert m.keras --calibration c --to int8 -o out --images i --video v --max-iou-drop 0.25 "
    "--max-flicker-rise 3 --io uint8 --spec s.json --qat q --frames 7 --verify 8 "
    "--video-frames 9 --json --quiet"
)
SEGMENT = (
    "--effect replace --model landscape --delegate cpu --threads 3 --no-focus "
    "--background #010203 --blur 5"
)
VIDEO = f"segment clip.mp4 -o out.mp4 {SEGMENT} --temporal ema --glance-every 4"


def test_benchmark(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    plan = call_of(monkeypatch, "edgeseg.benchmarks.run.run", BENCHMARK).words[0]
    assert plan == Plan(
        models=("a.tflite", "person"),
        data=(Path("d"), Path("e")),
        video=(Path("v"),),
        peers=("mediapipe", "p.tflite"),
        baselines=True,
        settings=(Setting(2, "gpu"), Setting(3, "gpu"), Setting(2, "cpu"), Setting(3, "cpu")),
        rounds=Rounds(rounds=7),
        limit=5,
        baseline_limit=4,
        sustained_s=1.5,
        groups=Path("g.csv"),
        filters=True,
    )
    plan = call_of(monkeypatch, "edgeseg.benchmarks.run.run", "benchmark --only speed").words[0]
    assert plan == Plan(only="speed", rounds=Rounds(rounds=100))


def test_convert(monkeypatch) -> None:
    assert call_of(monkeypatch, "edgeseg.converters.cli.run", CONVERT).words == (
        Options(
            arguments=("m.keras",),
            calibration=Path("c"),
            targets=("int8",),
            output=Path("out"),
            images=Path("i"),
            video=Path("v"),
            max_iou_drop=0.25,
            max_flicker_rise=3.0,
            io="uint8",
            spec=Path("s.json"),
            qat=Path("q"),
            frames=7,
            verify=8,
            video_frames=9,
            as_json=True,
            quiet=True,
        ),
    )


def test_segment_of_a_video(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").touch()
    assert call_of(monkeypatch, "edgeseg.runtime.stream.Stream", VIDEO).words == (
        StreamSettings(
            source="clip.mp4",
            sink="out.mp4",
            effect="replace",
            model="landscape",
            delegate="cpu",
            threads=3,
            temporal="ema",
            focus=False,
            glance_every=4,
            background="#010203",
            blur=5.0,
            every_frame=True,
        ),
    )


def test_segment_of_an_image(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.zeros((8, 8, 3), np.uint8))
    line = f"segment a.png -o out.png {SEGMENT}"
    wanted = {"delegate": "cpu", "threads": 3, "focus": False}
    with monkeypatch.context() as patched:
        made = call_of(patched, "edgeseg.runtime.segmenter.Segmenter", line)
        assert (made.words, made.options) == (("landscape",), {**wanted, "flip": True})
        made = call_of(patched, "edgeseg.runtime.segmenter.Segmenter", f"{line} --no-flip")
        assert made.options == {**wanted, "flip": False}
    line = line.replace("landscape", "person")
    made = call_of(monkeypatch, "edgeseg.runtime.images.segment_image", line)
    assert made.words[1:] == (Path("a.png"), Path("out.png"))
    assert made.options == {"effect": "replace", "background": "#010203", "blur": 5.0}


@pytest.mark.parametrize(
    "line", ["dataset verify {}", "dataset show {} -o s.png", "evaluate person --data {}"]
)
def test_the_data_sets_options(monkeypatch, tmp_path, line: str) -> None:
    line = f"{line.format(tmp_path)} --format coco --split val --classes cat,dog"
    made = call_of(monkeypatch, "edgeseg.data.readers.read_dataset", line)
    assert made.words == ("coco", tmp_path)
    assert made.options == {"split": "val", "classes": ["cat", "dog"]}


def test_dataset_show(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("edgeseg.data.readers.read_dataset", lambda *_, **__: "data")
    line = f"dataset show {tmp_path} -o {tmp_path}/s.png --count 5"
    made = call_of(monkeypatch, "edgeseg.data.sheet.contact_sheet", line)
    assert (made.words, made.options) == (("data",), {"count": 5})


@pytest.mark.parametrize(("tile", "last", "count"), [(True, 0.5, 2), (False, 0.75, 3)])
def test_evaluate(monkeypatch, tmp_path, tile: bool, last: float, count: int) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for name in "abcd":
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), np.zeros((8, 8), np.uint8))
    opened = []
    monkeypatch.setattr(
        "edgeseg.training.evaluation.open_model",
        lambda model: (opened.append(model), ("predict", "spec"))[1],
    )
    line = f"evaluate m.tflite --data {tmp_path} --last {last}" + " --tile" * tile
    made = call_of(monkeypatch, "edgeseg.training.evaluation.evaluate", line)
    assert opened == [Path("m.tflite")]
    predict, spec, samples, labels = made.words
    assert (predict, spec) == ("predict", "spec")
    assert [sample.name for sample in samples] == list("abcd")[-count:]
    assert len(labels) > 0
    assert made.options["tile"] is tile


def test_models(monkeypatch) -> None:
    monkeypatch.setattr("edgeseg.errors.require", lambda name, **_: name)
    line = "models --macs --name unet --classes 5 --size 64x48x1"
    made = call_of(monkeypatch, "edgeseg.models.build", line)
    assert made.words == ("unet",)
    assert made.options == {"keras": "keras", "classes": 5, "input_shape": (64, 48, 1)}


RUN = SimpleNamespace(name="net")


@pytest.fixture
def train(monkeypatch, tmp_path):
    """train(target, "--prune") -> the call of `target`; its configuration is RUN."""
    monkeypatch.setattr("edgeseg.training.config_file.load_config", lambda path: RUN)

    def call(target: str, words: str = "") -> Reached:
        return call_of(monkeypatch, target, f"train {tmp_path}/t.toml -o {tmp_path}/run {words}")

    return call


def test_train(train, tmp_path) -> None:
    made = train("edgeseg.training.loop.Trainer", "--devices 2 --skip-bad")
    assert made.words == (RUN, tmp_path / "run")
    assert made.options == {"root": tmp_path, "devices": 2, "skip_bad": True}
    made = train("edgeseg.training.speed.measure_speed", "--measure --devices 3 --skip-bad")
    assert made.words == (RUN,)
    del made.options["console"]
    assert made.options == {"root": tmp_path, "devices": 3, "skip_bad": True}
    for verb in ("quantize", "prune"):
        made = train(f"edgeseg.commands.quantize.{verb}_run", f"--{verb} --skip-bad")
        assert made.words == (RUN, tmp_path / "run")
        assert (made.options["root"], made.options["skip_bad"]) == (tmp_path, True)
        line = f"train {tmp_path}/t.toml --{verb} --devices 2"
        assert "--devices: got 2" in str(CliRunner().invoke(app, line.split()).exception)


def test_train_resumes(monkeypatch, train, tmp_path) -> None:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    monkeypatch.setattr("edgeseg.training.loop.Trainer.__init__", lambda *_, **__: None)
    train("edgeseg.training.loop.Trainer.restore", "--resume")
    result = CliRunner().invoke(app, ["train", f"{tmp_path}/t.toml", "-o", f"{tmp_path}/run"])
    assert "got a folder with checkpoints, expected a new one" in str(result.exception)


def test_train_until(monkeypatch, tmp_path) -> None:
    trainer = Mock(step=20, report=None)
    trainer.run.return_value = False
    monkeypatch.setattr("edgeseg.training.loop.Trainer", lambda *_, **__: trainer)
    line = ["train", f"{tmp_path}/t.toml", "-o", f"{tmp_path}/run", "--until", "20"]
    monkeypatch.setattr("edgeseg.training.config_file.load_config", lambda path: RUN)
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0
    assert [name for name, *_ in trainer.method_calls] == ["stop_after", "check_data", "run"]
    assert trainer.stop_after.call_args.args == (20,)
    assert "weights-20.npz, stopped there as asked" in " ".join(result.output.split())


def test_train_by_default_writes_to_runs(train, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    made = train("edgeseg.training.loop.Trainer", "")
    assert made.words == (RUN, tmp_path / "run")
    made = call_of(monkeypatch, "edgeseg.training.loop.Trainer", f"train {tmp_path}/t.toml")
    assert made.words == (RUN, Path("runs/net"))
    assert made.options == {"root": tmp_path, "devices": 1, "skip_bad": False}


@pytest.mark.parametrize("what", ["--quantize", "--prune", "--measure"])
def test_train_does_one_thing_at_a_time(what: str) -> None:
    result = CliRunner().invoke(app, ["train", "t.toml", "--resume", what])
    assert "--resume: got it with a run that is finished" in str(result.exception)
    result = CliRunner().invoke(app, ["train", "t.toml", "--until", "20", what])
    assert "--until: got it without a run to train" in str(result.exception)
    other = "--prune" if what != "--prune" else "--measure"
    result = CliRunner().invoke(app, ["train", "t.toml", what, other])
    assert "got several, expected one at a time" in str(result.exception)

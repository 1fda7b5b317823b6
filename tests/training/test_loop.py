"""The training loop on a tiny network: learning, stopping, resuming, bad data."""

import csv
import dataclasses
import json
import os
import signal
import threading

import cv2
import keras
import numpy as np
import pytest
from edgeseg.converters.int8 import convert_int8
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.weights import set_weights
from edgeseg.spec import ModelSpec
from edgeseg.training import loop
from edgeseg.training.config import LossConfig, StageConfig
from edgeseg.training.config_file import load_config
from edgeseg.training.loop import Trainer
from edgeseg.training.sources import make_network
from edgeseg.training.stopping import Stopped, stopping
from edgeseg.training.target_config import SecondOpinionConfig

CONSOLE = Console(quiet=True)


def train(config, folder, tmp_path, *, resume=False, until=None, **options):
    trainer = Trainer(config, folder, root=tmp_path, **options)
    if resume:
        trainer.restore()
    if until is not None:
        trainer.stop_after(until)
    trainer.check_data(console=CONSOLE)
    ended = trainer.run(console=CONSOLE)
    assert ended == (trainer.step == config.steps) or config.patience
    return trainer


def weights(folder):
    with np.load(folder / "weights.npz") as archive:
        return dict(archive)


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_learns_and_writes_everything_beside_the_weights(config, tmp_path):
    long = (StageConfig(steps=150, size=(32, 32), batch=4, rate=(2e-2, 1e-3), crop=(0.8, 1.2)),)
    config = dataclasses.replace(config, stages=long, validate_every=30, tensorboard=True)
    run = tmp_path / "run"
    train(config, run, tmp_path)
    logged = rows(run)
    assert [row["step"] for row in logged] == ["30", "60", "90", "120", "150"]
    assert float(logged[-1]["score"]) > max(0.4, float(logged[0]["score"]))
    assert {"ground", "disc", "square", "accuracy", "loss", "cross_entropy"} <= set(logged[0])
    spec = ModelSpec.from_json((run / "spec.json").read_text())
    assert spec.labels == ("ground", "disc", "square")
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["keras"] == keras.__version__
    assert json.loads((run / "config.json").read_text())["model"]["classes"] == 3
    model = keras.saving.load_model(run / "model.keras", compile=False)
    np.testing.assert_array_equal(
        model.get_layer("logits").get_weights()[0], weights(run)["logits/kernel"]
    )
    assert any(run.glob("tensorboard/events*"))


@pytest.mark.parametrize(
    "changes", [{}, {"name": "sgd", "momentum": 0.9, "clip_norm": 1.0}], ids=["adam", "sgd"]
)
def test_sigterm_and_resume_give_the_very_same_weights(config, tmp_path, monkeypatch, changes):
    optimizer = dataclasses.replace(config.optimizer, **changes)
    config = dataclasses.replace(config, optimizer=optimizer)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(config, whole, tmp_path)

    rate = loop.learning_rate

    def kill_at(step):
        def rate_and_kill(stages, at, optimizer):
            if at == step:
                os.kill(os.getpid(), signal.SIGTERM)
            return rate(stages, at, optimizer)

        return rate_and_kill

    # In the middle of each stage, and between checkpoints.
    for step, resume in ((6, False), (17, True)):
        monkeypatch.setattr(loop, "learning_rate", kill_at(step))
        with pytest.raises(Stopped, match=f"stopped at step {step + 1}.*--resume"):
            train(config, cut, tmp_path, resume=resume)
    monkeypatch.setattr(loop, "learning_rate", rate)
    train(config, cut, tmp_path, resume=True)

    expected = weights(whole)
    for name, value in weights(cut).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert [row["step"] for row in rows(cut)] == [row["step"] for row in rows(whole)]
    for one, other in zip(rows(cut), rows(whole)):
        assert one["score"] == other["score"]


def test_a_run_stops_where_it_is_asked_to_and_goes_on_as_if_it_had_not(config, tmp_path):
    config = dataclasses.replace(config, validate_every=4)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(config, whole, tmp_path)
    for step, resume in ((7, False), (8, True)):
        trainer = train(config, cut, tmp_path, resume=resume, until=step)
        assert trainer.step == step
        assert not (cut / "model.keras").exists()
        with np.load(cut / f"weights-{step}.npz") as kept:
            np.testing.assert_array_equal(kept["logits/kernel"], weights(cut)["logits/kernel"])
        assert [row["step"] for row in rows(cut)] == [
            row["step"] for row in rows(whole) if int(row["step"]) <= step
        ]
    for past in (8, config.steps + 1):
        with pytest.raises(InputError, match=f"until: got {past}, expected a step after 8"):
            train(config, cut, tmp_path, resume=True, until=past)
    train(config, cut, tmp_path, resume=True, until=config.steps)
    expected = weights(whole)
    for name, value in weights(cut).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert [row["score"] for row in rows(cut)] == [row["score"] for row in rows(whole)]


def test_a_checkpoint_of_another_network_or_optimizer_is_refused(config, tmp_path):
    run = tmp_path / "run"
    short = dataclasses.replace(config, stages=(dataclasses.replace(config.stages[0], steps=2),))
    train(short, run, tmp_path)
    wider = {**config.model.options, "channels": 8}
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, options=wider))
    with pytest.raises(
        InputError, match=r"last\.npz: got bottom_conv1/bias \(16,\), expected \(32"
    ):
        train(other, run, tmp_path, resume=True)
    muon = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, name="muon"))
    with pytest.raises(InputError, match="a checkpoint of another optimizer, expected muon's"):
        train(muon, run, tmp_path, resume=True)
    path = run / "checkpoints" / "last.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="got no readable checkpoint"):
        train(config, run, tmp_path, resume=True)


def test_the_average_has_the_last_steps_too(config, tmp_path):
    # Seven steps, of which the average is moved at the fifth; without a decay it is the weights.
    stage = dataclasses.replace(config.stages[0], steps=7)
    optimizer = dataclasses.replace(config.optimizer, average=0.0)
    run = tmp_path / "run"
    config = dataclasses.replace(config, stages=(stage,), optimizer=optimizer)
    trainer = train(config, run, tmp_path)
    saved = weights(run)
    for name, value in trainer.state.weights.items():
        np.testing.assert_allclose(saved[name], value, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("teacher", "loss", "message"),
    [
        ("", LossConfig(distillation=1.0), "teacher: got '' with loss.distillation = 1, expected"),
        ("run", LossConfig(), "teacher: got 'run' with loss.distillation = 0, expected both"),
        ("", LossConfig(cross_entropy=0.0, jaccard=0.0), "loss: got no weight above 0"),
    ],
)
def test_a_loss_that_teaches_nothing_is_refused(config, tmp_path, teacher, loss, message):
    config = dataclasses.replace(config, teacher=teacher, loss=loss)
    with pytest.raises(InputError, match=message):
        Trainer(config, tmp_path / "run", root=tmp_path)


def test_a_size_of_a_later_stage_is_checked_before_the_first(config, tmp_path):
    stages = (config.stages[0], dataclasses.replace(config.stages[1], size=(38, 40)))
    with pytest.raises(InputError, match="unet input size: got 38x40"):
        Trainer(dataclasses.replace(config, stages=stages), tmp_path / "run", root=tmp_path)


def test_what_a_later_stages_pipeline_refuses_is_known_before_the_first(
    config, tmp_path, monkeypatch
):
    task, made = loop.make_task(config, tmp_path), []
    monkeypatch.setattr(
        type(task), "pipeline", lambda self, stage, model: made.append((stage, model.input_shape))
    )
    Trainer(config, tmp_path / "run", root=tmp_path).check_data(console=CONSOLE)
    assert made == [(config.stages[1], (None, 40, 40, 3))]


def test_signals_are_left_alone_outside_the_main_thread():
    before = signal.getsignal(signal.SIGTERM)
    with stopping(threading.Event()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_batch_normalization_is_recomputed_for_the_averaged_weights(config, tmp_path):
    model = dataclasses.replace(config.model, name="unet_mini", options={"channels": 4, "depth": 2})
    run = tmp_path / "run"
    trainer = train(dataclasses.replace(config, model=model), run, tmp_path)
    saved, averaged = weights(run), trainer.state.average
    np.testing.assert_array_equal(saved["up0_conv1/kernel"], averaged["up0_conv1/kernel"])
    name = "up0_conv1_bn/moving_variance"
    assert not np.allclose(saved[name], averaged[name], rtol=1e-3)


def test_early_stop_keeps_the_best(config, tmp_path, monkeypatch):
    scores = iter([0.2, 0.5, 0.4, 0.3, 0.9])
    config = dataclasses.replace(config, patience=2, validate_every=2)

    def validate(self, predict, spec):
        return {"score": next(scores)}

    monkeypatch.setattr("edgeseg.training.class_task.ClassTask.validate", validate)
    run = tmp_path / "run"
    trainer = train(config, run, tmp_path)
    assert trainer.step == 8
    assert trainer.state.best == 0.5
    with np.load(run / "best.npz") as best:
        np.testing.assert_array_equal(best["logits/kernel"], weights(run)["logits/kernel"])


def test_a_loss_that_is_not_finite_names_the_batch(config, tmp_path, monkeypatch):
    def broken(self, ops, logits, *targets):
        return {"loss": ops.sum(logits) * float("nan")}

    monkeypatch.setattr("edgeseg.training.class_task.ClassTask.loss", broken)
    with pytest.raises(InputError, match=r"step 0: got a loss of nan.*the batch was \d, \d"):
        train(config, tmp_path / "run", tmp_path)


def spoil(shapes):
    """A missing mask, another size, an unknown id, a truncated JPEG."""
    folder = shapes / "train"
    (folder / "masks/0.png").unlink()
    cv2.imwrite(str(folder / "masks/1.png"), np.zeros((40, 39), np.uint8))
    cv2.imwrite(str(folder / "masks/2.png"), np.full((40, 40), 9, np.uint8))
    image = cv2.imread(str(folder / "images/3.png"))
    (folder / "images/3.png").unlink()
    data = cv2.imencode(".jpg", image)[1].tobytes()
    (folder / "images/3.jpg").write_bytes(data[: len(data) // 2])


def test_bad_data_is_named_before_the_first_step(config, shapes, tmp_path):
    spoil(shapes)
    console = Console(record=True, width=200, file=open(os.devnull, "w"))  # noqa: SIM115
    trainer = Trainer(config, tmp_path / "run", root=tmp_path)
    with pytest.raises(InputError, match="got 4 bad files.*--skip-bad"):
        trainer.check_data(console=console)
    text = console.export_text()
    for name in (
        "images/0.png: got no mask",
        "a mask of 39x40",
        "2.png: got unknown",
        "3.jpg: got",
    ):
        assert name in text
    assert not (tmp_path / "run").exists()


def test_skip_bad_goes_on_without(config, shapes, tmp_path):
    spoil(shapes)
    trainer = train(config, tmp_path / "run", tmp_path, skip_bad=True)
    assert trainer.step == 24
    assert sorted(s.name for s in trainer.task.groups[0].samples) == ["4", "5", "6", "7", "8", "9"]


def test_distillation_from_a_run(config, tmp_path):
    short = dataclasses.replace(config, stages=config.stages[:1])
    train(short, tmp_path / "teacher", tmp_path)
    student = dataclasses.replace(
        short, teacher="teacher", loss=LossConfig(distillation=1.0, temperature=2.0)
    )
    train(student, tmp_path / "student", tmp_path)
    assert float(rows(tmp_path / "student")[0]["distillation"]) > 0
    missing = dataclasses.replace(student, teacher="absent")
    with pytest.raises(InputError, match="teacher: got no such file"):
        train(missing, tmp_path / "other", tmp_path)


def test_a_tflite_teaches_as_the_run_that_it_was_made_of(config, tmp_path):
    short = dataclasses.replace(config, stages=config.stages[:1])
    trainer = train(short, tmp_path / "teacher", tmp_path)
    run = tmp_path / "teacher"
    model = keras.saving.load_model(run / "model.keras", compile=False)
    spec = ModelSpec.from_json((run / "spec.json").read_text())
    frames = [sample.read_image() for sample in trainer.task.validation]
    frames = [cv2.resize(frame, (spec.width, spec.height)) for frame in frames]
    (tmp_path / "teacher.tflite").write_bytes(convert_int8(model, spec, frames))
    said = []
    for teacher in ("teacher", "teacher.tflite"):
        student = dataclasses.replace(short, teacher=teacher, loss=LossConfig(distillation=1.0))
        train(student, tmp_path / f"of-{teacher}", tmp_path)
        said.append(float(rows(tmp_path / f"of-{teacher}")[0]["distillation"]))
    assert said[1] == pytest.approx(said[0], rel=0.05)
    for kind in ("everywhere", "models"):
        second = SecondOpinionConfig(**{kind: ("teacher.tflite",)})
        other = dataclasses.replace(student, second_opinion=second)
        with pytest.raises(
            InputError, match="second_opinion: got 3 classes, expected binary masks"
        ):
            train(other, tmp_path / kind, tmp_path)
    alone = dataclasses.replace(other, teacher="teacher")
    with pytest.raises(InputError, match="second_opinion: got no .tflite as teacher"):
        train(alone, tmp_path / "alone", tmp_path)
    absent = dataclasses.replace(second, models=("absent.tflite",))
    with pytest.raises(InputError, match="got no such file.*absent"):
        train(dataclasses.replace(other, second_opinion=absent), tmp_path / "none", tmp_path)


def test_mixed_precision_keeps_float32_weights(config, tmp_path):
    short = dataclasses.replace(config, stages=config.stages[:1], mixed_precision=True)
    train(short, tmp_path / "run", tmp_path)
    assert {value.dtype for value in weights(tmp_path / "run").values()} == {np.dtype("float32")}
    assert keras.config.dtype_policy().name == "float32"
    assert float(rows(tmp_path / "run")[-1]["loss"]) < 3


def test_initial_weights_are_loaded_and_learn_more_slowly(config, tmp_path):
    train(config, tmp_path / "first", tmp_path)
    model = dataclasses.replace(config.model, init="first/weights.npz")
    trainer = Trainer(dataclasses.replace(config, model=model), tmp_path / "second", root=tmp_path)
    assert not trainer.report.fresh
    expected = weights(tmp_path / "first")["down0_conv1/kernel"]
    np.testing.assert_array_equal(trainer.state.weights["down0_conv1/kernel"], expected)


def test_other_files_fill_in_turn_what_those_before_have_not(config, tmp_path):
    random = Trainer(config, tmp_path / "run", root=tmp_path).state.weights

    def filled(name, value, beginning=""):
        values = {n: np.full(v.shape, value) for n, v in random.items() if n.startswith(beginning)}
        np.savez(tmp_path / name, **values)
        return set(values)

    first = filled("first.npz", np.float32(1), "down0_conv1")
    second = filled("second.npz", np.float32(2), "down0")
    filled("third.npz", np.float32(3))
    others = ("second.npz", "third.npz")
    model = dataclasses.replace(config.model, init="first.npz", init_others=others)
    trainer = Trainer(dataclasses.replace(config, model=model), tmp_path / "run", root=tmp_path)
    assert not trainer.report.fresh
    paths = [tmp_path / name for name in ("first.npz", *others)]
    assert trainer.report.source == " and ".join(map(str, paths))
    assert first < second < set(random)
    for name, value in trainer.state.weights.items():
        expected = 1 if name in first else 2 if name in second else 3
        assert (value == expected).all(), name

    model = dataclasses.replace(config.model, init="", init_others=("others.npz",))
    with pytest.raises(InputError, match=r"got \['others\.npz'\] without init"):
        Trainer(dataclasses.replace(config, model=model), tmp_path / "run", root=tmp_path)


def test_config_errors_name_the_key(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('name = "x"\nstages = []\n[data]\nroot = "."\nvalidation = "v"\ngroup = []\n')
    with pytest.raises(InputError, match=r"unknown keys \['group'\], missing keys \['groups'\]"):
        load_config(path)


def test_folded_weights_start_a_network_with_normalization_as_they_are(config, tmp_path):
    stage = dataclasses.replace(config.stages[0], size=(32, 32), steps=4)
    plain = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, name="hourglass", width=0.35, options={}),
        stages=(stage,),
    )
    train(plain, tmp_path / "first", tmp_path)
    model = dataclasses.replace(
        plain.model, init="first/weights.npz", options={"batch_norm": ["decoder", "_project"]}
    )
    run = tmp_path / "second"
    trainer = Trainer(dataclasses.replace(plain, model=model), run, root=tmp_path)
    trainer.unfold()
    network = make_network(keras, trainer.config, stage.size)
    set_weights(network, trainer.state.weights)
    first = keras.saving.load_model(tmp_path / "first/model.keras", compile=False)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(network(x, training=False), first(x, training=False), atol=1e-4)
    assert any(name.endswith("_project_bn/gamma") for name in trainer.state.weights)
    trainer.run(console=CONSOLE)
    assert "block03_project_bn/moving_variance" in weights(run)


def test_an_unknown_layer_cannot_be_slow(config, tmp_path):
    optimizer = dataclasses.replace(config.optimizer, slow=("steam",))
    with pytest.raises(InputError, match="slow: got 'steam', expected the beginning of a layer"):
        train(dataclasses.replace(config, optimizer=optimizer), tmp_path / "run", tmp_path)


def test_bad_data_is_named_before_normalization_is_measured_on_it(config, shapes, tmp_path):
    plain = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, name="hourglass", width=0.35, options={}),
        stages=(dataclasses.replace(config.stages[0], size=(32, 32), steps=2),),
    )
    train(plain, tmp_path / "first", tmp_path)
    spoil(shapes)
    model = dataclasses.replace(
        plain.model, init="first/weights.npz", options={"batch_norm": ["_project"]}
    )
    normalized = dataclasses.replace(plain, model=model)
    with pytest.raises(InputError, match="got 4 bad files"):
        train(normalized, tmp_path / "second", tmp_path)
    assert train(normalized, tmp_path / "third", tmp_path, skip_bad=True).step == 2


def test_only_the_layers_called_slow_are_slowed(config, tmp_path):
    train(config, tmp_path / "first", tmp_path)
    model = dataclasses.replace(config.model, init="first/weights.npz")
    moved = {}
    for slow in ((), ("down",)):
        optimizer = dataclasses.replace(config.optimizer, slow=slow, encoder_scale=0.0, average=0.0)
        one = dataclasses.replace(config, model=model, optimizer=optimizer)
        trainer = Trainer(one, tmp_path / "second", root=tmp_path)
        start = dict(trainer.state.weights)
        trainer.run(console=CONSOLE)
        end = trainer.state.weights
        moved[slow] = {name for name in start if not np.array_equal(start[name], end[name])}
    assert not moved[()]
    assert moved[("down",)] == {name for name in start if not name.startswith("down")}


def test_frozen_layers_keep_their_start_and_the_others_learn(config, tmp_path):
    start = {}
    for steps in (1, 12):
        stage = (StageConfig(steps=steps, size=(32, 32), batch=4, rate=(1e-2, 1e-3)),)
        optimizer = dataclasses.replace(config.optimizer, frozen=("down0",), average=0.0)
        run = tmp_path / f"run{steps}"
        train(dataclasses.replace(config, stages=stage, optimizer=optimizer), run, tmp_path)
        start[steps] = weights(run)
    frozen = [name for name in start[1] if name.startswith("down0")]
    assert frozen
    for name in start[1]:
        same = np.array_equal(start[1][name], start[12][name])
        assert same == (name in frozen), name


def test_an_unknown_layer_cannot_be_frozen(config, tmp_path):
    optimizer = dataclasses.replace(config.optimizer, frozen=("steam",))
    with pytest.raises(InputError, match="frozen: got 'steam', expected the beginning of a layer"):
        train(dataclasses.replace(config, optimizer=optimizer), tmp_path / "run", tmp_path)

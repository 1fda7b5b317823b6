"""The delegate chain and the watchdog, with delegates that fail in every way they do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from edgeseg import DelegateError, InputError, ModelError
from edgeseg.runtime import assets, delegates
from edgeseg.runtime.compiled import CompiledInterpreter, quiet_stderr
from edgeseg.runtime.delegates import choose, ops_per_device
from edgeseg.runtime.golden import Golden, disagreement
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.runtime.watchdog import FROZEN_AFTER, Guarded
from edgeseg.spec import load_model, read_spec


def opener(interpreter: object) -> Callable[[bytes, int | None], object]:
    return lambda model, threads: interpreter


def frame(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)


def test_auto_falls_back_to_the_cpu_with_a_reason_each(
    person_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegates, "gpu_present", lambda: False)
    choice = choose(person_model, read_spec(person_model))
    assert choice.name == "cpu"
    assert list(choice.refused) == ["edgetpu", "gpu"]
    assert "not compiled" in choice.refused["edgetpu"]
    assert "no GPU" in choice.refused["gpu"]
    assert sum(ops_per_device(choice.interpreter).values()) > 50


def test_named_delegate_fails_with_the_reason(
    person_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegates, "gpu_present", lambda: False)
    with pytest.raises(DelegateError, match="no GPU device"):
        choose(person_model, read_spec(person_model), delegate="gpu")
    with pytest.raises(DelegateError, match="expected one of auto, edgetpu, gpu, cpu"):
        choose(person_model, read_spec(person_model), delegate="npu")


def test_compiled_model_agrees_with_the_golden_frame(person_model: bytes) -> None:
    pytest.importorskip("ai_edge_litert.compiled_model")
    spec = read_spec(person_model)
    reference = Interpreter(person_model, threads=1)
    golden = Golden.of(person_model, spec, reference)
    assert golden.answer.max() > 0.5, "a golden frame without foreground checks nothing"
    compiled = CompiledInterpreter(person_model, accelerator="CPU")
    with quiet_stderr():
        assert golden.objection(compiled, spec) is None
    assert golden.objection(reference, spec) is None


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lambda x: 1 - (x[..., :1] > 127), "differs by"),
        (lambda x: np.full((1, 32, 32, 1), np.nan), "NaN"),
        (lambda x: np.zeros((1, 32, 32, 1)), "differs by"),
    ],
)
def test_wrong_delegate_is_passed_over(
    fake_model, fake_interpreter, honest, on_cpu, monkeypatch, lie, reason: str
) -> None:
    data, spec = load_model(fake_model())
    on_cpu(fake_interpreter(honest))
    monkeypatch.setitem(delegates.OPENERS, "gpu", opener(fake_interpreter(lie)))
    choice = choose(data, spec)
    assert choice.name == "cpu"
    assert "golden frame" in choice.refused["gpu"]
    assert reason in choice.refused["gpu"]
    with pytest.raises(DelegateError, match=reason):
        choose(data, spec, delegate="gpu")


def test_right_delegate_is_taken_unless_it_is_slower(
    fake_model, fake_interpreter, honest, on_cpu, monkeypatch
) -> None:
    def slowly(stored: np.ndarray) -> np.ndarray:
        time.sleep(0.01)
        return honest(stored)

    data, spec = load_model(fake_model())
    on_cpu(fake_interpreter(slowly))
    monkeypatch.setitem(delegates.OPENERS, "gpu", opener(fake_interpreter(honest)))
    assert choose(data, spec).name == "gpu"
    on_cpu(fake_interpreter(honest))
    monkeypatch.setitem(delegates.OPENERS, "gpu", opener(fake_interpreter(slowly)))
    choice = choose(data, spec)
    assert choice.name == "cpu"
    assert "slower" in choice.refused["gpu"]
    assert choose(data, spec, delegate="gpu").name == "gpu", "an explicit choice is obeyed"


def test_a_model_that_a_delegate_cannot_open_goes_to_the_next(
    person_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: bytes, threads: int | None) -> object:
        raise ModelError("no such operator")

    monkeypatch.setitem(delegates.OPENERS, "gpu", broken)
    choice = choose(person_model, read_spec(person_model))
    assert choice.name == "cpu"
    assert choice.refused["gpu"] == "gpu: cannot open the model"
    with pytest.raises(DelegateError, match="gpu: cannot open the model"):
        choose(person_model, read_spec(person_model), delegate="gpu")
    monkeypatch.setitem(delegates.OPENERS, "cpu", broken)
    with pytest.raises(ModelError, match="no such operator"):
        choose(person_model, read_spec(person_model), delegate="cpu")


def test_an_invoke_lasts_from_input_to_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """1, 2 and 4 ms together, or ten times that at first and once later: the median is told."""
    now, turns = {"t": 50.0}, iter([10, 1, 1, 10, 1])

    def takes(milliseconds: float) -> None:
        now["t"] += milliseconds / 1000 * now["slow"]

    class Slow:
        inputs = (SimpleNamespace(shape=(1, 2), dtype=np.int8),)

        def set_input(self, stored: np.ndarray) -> None:
            assert (stored.shape, stored.dtype) == ((1, 2), np.int8)
            now["slow"] = next(turns)
            takes(1)

        def invoke(self) -> None:
            takes(2)

        def get_output(self) -> None:
            takes(4)

    monkeypatch.setattr(delegates.time, "perf_counter", lambda: now["t"])
    assert delegates.invoke_ms(Slow(), repeats=4) == pytest.approx(7)


def test_every_opener_hands_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delegates, "gpu_present", lambda: True)
    for name in ("Interpreter", "CompiledInterpreter"):
        monkeypatch.setattr(delegates, name, lambda *model, name=name, **rest: (name, *model, rest))
    model = b"a model for edgetpu-custom-op"
    opened = {name: opens(model, 3) for name, opens in delegates.OPENERS.items()}
    assert opened == {
        "edgetpu": ("Interpreter", model, {"threads": 3, "delegate": "edgetpu"}),
        "gpu": ("CompiledInterpreter", model, {"threads": 3}),
        "cpu": ("Interpreter", model, {"threads": 3}),
    }


def test_disagreement() -> None:
    truth = np.zeros((10, 10), np.float32)
    truth[:5] = 1
    assert disagreement(truth * 0.98 + 0.01, truth) is None
    assert "expected (10, 10)" in str(disagreement(np.zeros((5, 5)), truth))
    shifted = np.roll(truth, 1, axis=0) * 0.1 + truth * 0.45
    assert disagreement(shifted, truth) is not None
    classes = np.arange(100).reshape(10, 10) % 3
    assert disagreement(classes, classes) is None
    assert "classes" in str(disagreement((classes + 1) % 3, classes))


def watched(fake_interpreter, lie, honest, **options) -> tuple[Guarded, list[int]]:
    opened: list[int] = []

    def open_cpu() -> object:
        opened.append(1)
        return fake_interpreter(honest)

    return Guarded(fake_interpreter(lie), name="gpu", open_cpu=open_cpu, **options), opened


@pytest.mark.parametrize("fault", ["nan", "raise", "hang"])
def test_watchdog_moves_to_the_cpu(fake_interpreter, honest, caplog, fault: str) -> None:
    calls = {"n": 0}

    def lie(stored: np.ndarray) -> np.ndarray:
        calls["n"] += 1
        if calls["n"] < 3:
            return honest(stored)
        if fault == "raise":
            raise RuntimeError("device lost")
        if fault == "hang":
            time.sleep(1.0)
        return honest(stored) * np.nan

    guarded, opened = watched(fake_interpreter, lie, honest, hang_s=0.2)
    with caplog.at_level(logging.WARNING, "edgeseg"):
        for seed in range(6):
            answer = guarded.run(frame(seed))
            assert np.array_equal(answer, honest(frame(seed)).astype(np.float32))
    assert guarded.name == "cpu"
    assert len(opened) == 1
    assert len(guarded.warnings) == 1
    assert len(caplog.records) == 1
    assert {"nan": "NaN", "raise": "device lost", "hang": "0.2 s"}[fault] in guarded.warnings[0]


def test_the_cpu_is_asked_after_so_many_equal_answers_and_then_half_as_often(
    fake_interpreter,
) -> None:
    """After 10 repeats, and, where the CPU agrees, after 20 more and 40 more."""
    asked = []

    def empty(stored: np.ndarray) -> np.ndarray:
        return np.zeros((1, 32, 32, 1))

    def trusted(stored: np.ndarray) -> np.ndarray:
        asked.append(count)
        return empty(stored)

    guarded, _ = watched(fake_interpreter, empty, trusted)
    for count in range(1 + FROZEN_AFTER * (1 + 2 + 4)):
        guarded.run(frame(count))
    assert asked == [10, 30, 70]


def test_watchdog_notices_a_frozen_answer(fake_interpreter, honest) -> None:
    first = honest(frame(0))
    guarded, opened = watched(fake_interpreter, lambda stored: first, honest)
    for seed in range(FROZEN_AFTER + 2):
        answer = guarded.run(frame(seed))
    assert guarded.name == "cpu"
    assert "same answer" in guarded.warnings[0]
    assert np.array_equal(answer, honest(frame(FROZEN_AFTER + 1)).astype(np.float32))


def test_an_empty_room_is_not_frozen(fake_interpreter) -> None:
    def empty(stored: np.ndarray) -> np.ndarray:
        return np.zeros((1, 32, 32, 1))

    guarded, opened = watched(fake_interpreter, empty, empty)
    for seed in range(3 * FROZEN_AFTER):
        guarded.run(frame(seed))
    assert guarded.name == "gpu"
    assert len(opened) == 1
    assert guarded.warnings == []


def test_the_same_picture_again_is_not_frozen(fake_interpreter, honest) -> None:
    guarded, opened = watched(fake_interpreter, honest, honest)
    for _ in range(3 * FROZEN_AFTER):
        guarded.run(frame(0))
    assert guarded.name == "gpu"
    assert opened == []


def test_an_accelerator_that_was_closed_has_not_failed(fake_interpreter, honest, caplog) -> None:
    """Another thread closes it in the middle of a run, as at the end of a stream."""

    def lie(stored: np.ndarray) -> np.ndarray:
        guarded.close()
        raise AttributeError("'NoneType' object has no attribute 'write'")

    guarded, opened = watched(fake_interpreter, lie, honest)
    with pytest.raises(InputError, match="after it was closed"):
        guarded.run(frame(0))
    assert (guarded.name, guarded.warnings, opened, caplog.records) == ("gpu", [], [], [])


def without_cpu() -> object:
    raise ModelError("model: got an operator that the CPU has not")


def test_an_empty_room_is_believed_where_no_cpu_can_be_asked(fake_interpreter) -> None:
    """A model that was compiled for the Edge TPU runs nowhere else."""
    empty = fake_interpreter(lambda stored: np.zeros((1, 32, 32, 1)))
    guarded = Guarded(empty, name="edgetpu", open_cpu=without_cpu)
    for seed in range(3 * FROZEN_AFTER):
        assert not guarded.run(frame(seed)).any()
    assert (guarded.name, guarded.warnings) == ("edgetpu", [])


def test_a_failure_without_a_cpu_to_go_to_is_told_whole(fake_interpreter, caplog) -> None:
    broken = fake_interpreter(lambda stored: np.full((1, 32, 32, 1), np.nan))
    guarded = Guarded(broken, name="edgetpu", open_cpu=without_cpu)
    with pytest.raises(DelegateError, match=r"edgetpu: gave NaN.* CPU cannot take over \(model: "):
        guarded.run(frame(0))
    assert (guarded.warnings, caplog.records) == ([], [])


def test_nan_on_the_cpu_is_an_error(fake_interpreter) -> None:
    broken = fake_interpreter(lambda stored: np.full((1, 32, 32, 1), np.nan))
    guarded = Guarded(broken, name="cpu", open_cpu=lambda: broken)
    with pytest.raises(ModelError, match="NaN"):
        guarded.run(frame(0))


def test_a_delegate_gets_its_own_file(
    fake_model, fake_interpreter, honest, on_cpu, monkeypatch
) -> None:
    data, spec = load_model(fake_model())
    on_cpu(fake_interpreter(honest))
    opened = []

    def open_and_note(model: bytes, threads: int | None) -> object:
        opened.append(model)
        return fake_interpreter(honest)

    monkeypatch.setitem(delegates.OPENERS, "gpu", open_and_note)
    monkeypatch.setitem(delegates.OPENERS, "edgetpu", open_and_note)
    variants = {"gpu": b"float16", "edgetpu": b"compiled"}
    gpu = choose(data, spec, delegate="gpu", variants=variants)
    edgetpu = choose(data, spec, delegate="edgetpu", variants=variants)
    assert opened == [b"float16", b"compiled"]
    # The float16 file runs on a CPU too and takes the same tensors; the compiled one does not.
    assert (gpu.on_cpu, edgetpu.on_cpu) == (b"float16", data)


def test_files_for_one_device_are_variants_of_a_model(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    for name in ("a", "a_gpu", "b", "b_edgetpu"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode())
    assert assets.bundled() == ["a", "b"]
    assert assets.variants(assets.resolve("a")) == {"gpu": b"a_gpu"}
    assert assets.variants(assets.resolve("b")) == {"edgetpu": b"b_edgetpu"}


def test_files_for_one_device_are_found_by_the_names_that_convert_gives(tmp_path) -> None:
    for name in ("a_int8", "a_gpu", "a_edgetpu", "a_edgetpu_compiled"):
        (tmp_path / f"{name}.tflite").write_bytes(name.encode())
    found = assets.variants(tmp_path / "a_int8.tflite")
    assert found == {"gpu": b"a_gpu", "edgetpu": b"a_edgetpu_compiled"}

"""The interpreter shim: values in and out, and what it says about bad files."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg import ModelError
from edgeseg.errors import DelegateError, InputError
from edgeseg.runtime import interpreter as module
from edgeseg.runtime.interpreter import Interpreter, TensorDetails
from edgeseg.spec import flatbuffer


def test_quantize_rounds_and_clips() -> None:
    details = TensorDetails("x", (4,), np.dtype(np.int8), 0.5, -3)
    stored = details.quantize(np.array([0.0, 0.26, -1000.0, 1000.0], np.float32))
    assert stored.tolist() == [-3, -2, -128, 127]
    assert stored.dtype == np.int8
    assert details.dequantize(stored[:2]).tolist() == [0.0, 0.5]


def test_unquantized_tensor_passes_values_through() -> None:
    details = TensorDetails("x", (2,), np.dtype(np.float32), 0.0, 0)
    assert details.quantize(np.array([0.25, 7.5])).tolist() == [0.25, 7.5]


def test_what_comes_after_its_end_is_refused(person_model: bytes) -> None:
    """Such as from a thread that segments while another one closes."""
    runner = Interpreter(person_model, threads=1)
    stored = runner.inputs[0].quantize(np.zeros(runner.inputs[0].shape, np.float32))
    runner.close()
    for step in (lambda: runner.set_input(stored), runner.invoke, runner.get_output):
        with pytest.raises(InputError, match="after it was closed"):
            step()


def test_run_is_set_invoke_get(person_model: bytes) -> None:
    runner = Interpreter(person_model, threads=1)
    values = np.random.default_rng(0).uniform(-1, 1, runner.inputs[0].shape).astype(np.float32)
    direct = runner.run(values)
    runner.set_input(runner.inputs[0].quantize(values))
    runner.invoke()
    assert np.array_equal(direct, runner.outputs[0].dequantize(runner.get_output()))
    assert direct.dtype == np.float32
    assert direct.shape == runner.outputs[0].shape
    assert direct.min() >= 0
    assert direct.max() <= 1


def test_every_operator_has_a_device(person_model: bytes) -> None:
    devices = Interpreter(person_model, threads=1).operators()
    assert len(devices) > 50
    assert set(devices) <= {"cpu", "cpu (XNNPACK)"}
    assert devices.count("cpu (XNNPACK)") > len(devices) / 2


def test_wrong_input_is_told(person_model: bytes) -> None:
    runner = Interpreter(person_model, threads=1)
    with pytest.raises(InputError, match=r"got float64 .*expected int8"):
        runner.set_input(np.zeros(runner.inputs[0].shape))


@pytest.mark.parametrize("data", [b"", b"hello, this is a text and no model"])
def test_no_model(data: bytes) -> None:
    with pytest.raises(ModelError):
        Interpreter(data)


def test_truncated_model_is_refused(person_model: bytes) -> None:
    with pytest.raises(ModelError, match="cannot open it"):
        Interpreter(flatbuffer(person_model)[:4000])


def test_unknown_delegate(person_model: bytes) -> None:
    with pytest.raises(DelegateError, match="'npu'"):
        Interpreter(person_model, delegate="npu")


def test_next_package_is_tried_where_one_is_broken(
    person_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"broken": "edgeseg.no_such_module", **module.PACKAGES}
    monkeypatch.setattr(module, "PACKAGES", broken)
    assert Interpreter(person_model).package in module.PACKAGES
    monkeypatch.setattr(module, "PACKAGES", {"broken": "edgeseg.no_such_module"})
    with pytest.raises(ModelError, match=r"broken: .*pip install"):
        Interpreter(person_model)

"""A float .tflite made lighter, where there is no Keras model."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters import requantize
from edgeseg.converters.checks import gpu_reasons
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.job import Job
from edgeseg.converters.source import Source, load_source
from edgeseg.converters.targets import TARGETS, check_possible

from edgeseg.errors import InputError
from edgeseg.preprocess import to_tensor
from edgeseg.runtime.interpreter import Interpreter


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_other_ends_than_int8_are_refused_before_anything_is_made(spec, tmp_path, io):
    source = Source(tmp_path / "model.tflite", "0" * 64, spec, tflite=b"model")
    with pytest.raises(InputError, match=f"io: got {io}, expected int8 for a .tflite source"):
        check_possible(["float32", "int8"], source, io=io)


def test_a_signature_of_tensorflows_is_calibrated_by_its_names(model, spec, frames):
    pytest.importorskip("ai_edge_quantizer", reason="needs the extra requantize")
    tf = pytest.importorskip("tensorflow", reason="needs the extra convert")

    flat = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    tensors = [to_tensor(frame, spec) for frame in frames[:4]]
    made = requantize.int8(flat, tensors, io="int8")
    assert [tensor.type for tensor in read_graph(made).inputs] == ["INT8"]
    answers = [Interpreter(data).run(tensors[0]) for data in (made, flat)]
    np.testing.assert_allclose(*answers, atol=0.1)


def test_an_open_batch_is_closed_for_devices(model, spec, frames, tmp_path):
    tf = pytest.importorskip("tensorflow", reason="needs the extra convert")

    path = tmp_path / "model.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    path.with_suffix(".json").write_text(spec.to_json())
    source = load_source(path)
    assert gpu_reasons(read_graph(source.tflite)) == []
    pytest.importorskip("ai_edge_quantizer", reason="needs the extra requantize")
    for target in ("gpu", "edgetpu"):
        made = TARGETS[target].convert(Job(source, frames[:4]))
        assert TARGETS[target].check(read_graph(made)) == []

"""A float .tflite made lighter, where there is no Keras model."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters import requantize
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.source import Source
from edgeseg.converters.targets import check_possible

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
    made = requantize.int8(flat, tensors, io="int8", progress=lambda: None)
    assert [tensor.type for tensor in read_graph(made).inputs] == ["INT8"]
    answers = [Interpreter(data).run(tensors[0]) for data in (made, flat)]
    np.testing.assert_allclose(*answers, atol=0.1)

"""The target int8-qat: from quantization-aware weights to a file of integers."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization", reason="needs the extra train")

from edgeseg.converters.checks import integer_reasons
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.int8_qat import convert
from edgeseg.converters.job import Job
from edgeseg.converters.source import load_source
from edgeseg.converters.targets import check_possible

from edgeseg.errors import InputError, ModelError
from edgeseg.preprocess import to_tensor
from edgeseg.runtime.interpreter import Interpreter

CONFIG = {
    "name": "tiny",
    "data": {"root": ".", "groups": [], "validation": "val"},
    "stages": [{"steps": 1, "size": [64, 64]}],
    "model": {
        "width": 0.25,
        "decoder_channels": [8, 8, 8, 8, 8],
        "options": {"encoder": "plain"},
    },
}


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory, spec, frames):
    """A run's folder with weights.npz and, in qat/, quantization-aware ones."""
    import tf_keras

    from edgeseg.models.weights import save_weights
    from edgeseg.training.config import TrainConfig
    from edgeseg.training.config_file import build
    from edgeseg.training.qat import layer_ranges, quantized_copy, save_quantized
    from edgeseg.training.sources import make_network

    folder = tmp_path_factory.mktemp("run")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "spec.json").write_text(spec.to_json())
    tf_keras.utils.set_random_seed(5)
    model = make_network(tf_keras, build(TrainConfig, CONFIG, where="test"), (64, 64))
    save_weights(model, folder / "weights.npz")
    ranges = layer_ranges(model, [to_tensor(frame, spec) for frame in frames[:4]])
    save_quantized(quantized_copy(model, ranges, weights=True), folder / "qat")
    return folder


def test_trained_ranges_end_up_in_a_file_of_integers(trained_run, spec, frames):
    source = load_source(trained_run)
    data = convert(Job(source, frames[:3]))
    graph = read_graph(data)
    assert integer_reasons(graph) == []
    assert {t.type for t in (*graph.inputs, *graph.outputs)} == {"INT8"}
    interpreter = Interpreter(data)
    for frame in frames[:3]:
        tensor = to_tensor(frame, spec)
        assert np.abs(interpreter.run(tensor) - source.predict(tensor)).mean() < 0.03


def test_float_ends_can_be_asked_for(trained_run, frames):
    check_possible(["int8-qat"], load_source(trained_run), io="float32")
    graph = read_graph(convert(Job(load_source(trained_run), frames[:1], io="float32")))
    assert {t.type for t in (*graph.inputs, *graph.outputs)} == {"FLOAT32"}
    assert integer_reasons(graph, float_edges=True) == []


def test_missing_or_damaged_weights_are_named(trained_run, saved, frames, tmp_path):
    with pytest.raises(InputError, match="expected a training run's folder"):
        convert(Job(load_source(saved), frames[:1]))
    with pytest.raises(InputError, match=r"got no qat\.weights\.h5 in .*nowhere"):
        convert(Job(load_source(trained_run), frames[:1], qat=tmp_path / "nowhere"))
    (tmp_path / "qat.weights.h5").write_bytes(b"not an HDF5 file")
    with pytest.raises(ModelError, match="damaged weights"):
        convert(Job(load_source(trained_run), frames[:1], qat=tmp_path))


def test_a_run_is_a_source(trained_run, tmp_path):
    assert load_source(trained_run).run == trained_run
    broken = tmp_path / "run"
    broken.mkdir()
    with pytest.raises(ModelError, match="no readable spec"):
        load_source(broken)
    for name in ("config.json", "spec.json"):
        (broken / name).write_bytes((trained_run / name).read_bytes())
    (broken / "weights.npz").write_bytes((trained_run / "weights.npz").read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged"):
        load_source(broken)


def test_tf_keras_files_are_a_source(trained_run, spec, frames, tmp_path):
    import tf_keras

    from edgeseg.training.runs import load_run

    model, _, _ = load_run(tf_keras, trained_run)
    (tmp_path / "spec.json").write_text(spec.to_json())
    wanted = load_source(trained_run).predict(to_tensor(frames[0], spec))
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        source = load_source(tmp_path / name)
        assert type(source.model).__module__.startswith("tf_keras")
        assert np.abs(source.predict(to_tensor(frames[0], spec)) - wanted).max() < 1e-5
    assert "keras" in sys.modules

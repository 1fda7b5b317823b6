"""What is taken for a model to convert, and what is said of everything else."""

from __future__ import annotations

import numpy as np
import pytest
from edgeseg.converters import float32
from edgeseg.converters.graph import concrete_function, tflite_converter
from edgeseg.converters.job import Job
from edgeseg.converters.source import load_source

from edgeseg.errors import ModelError
from edgeseg.runtime.assets import resolve
from edgeseg.spec import ModelSpec, embed, read_entries

keras = pytest.importorskip("keras", reason="needs the extra convert")
pytest.importorskip("tensorflow", reason="needs the extra convert")

SPEC = ModelSpec("small", 8, 8)


def masks(x, module=keras):
    return module.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)


def stored(model, folder, name="model.keras"):
    model.save(folder / name)
    (folder / "spec.json").write_text(SPEC.to_json())
    return folder / name


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_files_of_both_keras_are_read(tmp_path, package, name):
    module = pytest.importorskip(package)
    inputs = module.Input((8, 8, 3))
    model = module.Model(inputs, masks(inputs, module))
    source = load_source(stored(model, tmp_path, name))
    tensor = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(source.predict(tensor), np.asarray(model(tensor)), atol=1e-6)


def test_an_only_output_may_have_a_name():
    inputs = keras.Input((8, 8, 3))
    output = masks(inputs)
    tensor = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    wanted = np.asarray(keras.Model(inputs, output)(tensor))
    for outputs in ({"mask": output}, [output]):
        function = concrete_function(keras.Model(inputs, outputs), SPEC)
        np.testing.assert_allclose(np.asarray(function(tensor)), wanted, atol=1e-6)


def test_one_image_goes_in_and_one_mask_comes_out(tmp_path):
    inputs, depth = keras.Input((8, 8, 3)), keras.Input((8, 8, 1))
    both = keras.layers.Concatenate()([inputs, depth])
    for model, message in [
        (keras.Model([inputs, depth], masks(both)), "got a model with 2 inputs and 1 outputs"),
        (keras.Model(inputs, [masks(inputs), masks(inputs)]), "with 1 inputs and 2 outputs"),
        (keras.Sequential([keras.layers.Conv2D(1, 3)]), "with 0 inputs and 0 outputs"),
        (
            keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(masks(inputs))),
            r"got an output of shape \(None, 1\), expected \(1, height, width, 1\)",
        ),
    ]:
        with pytest.raises(ModelError, match=message):
            load_source(stored(model, tmp_path))


def test_a_saved_model_is_named(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"x")
    (tmp_path / "saved/spec.json").write_text(SPEC.to_json())
    with pytest.raises(ModelError, match=r"saved: got a SavedModel, expected a \.keras or"):
        load_source(tmp_path / "saved")


def test_a_tflite_with_anothers_entries_has_its_spec_beside(tmp_path):
    inputs = keras.Input((8, 8, 3))
    function = concrete_function(keras.Model(inputs, masks(inputs)), SPEC)
    labelled = embed(tflite_converter(function).convert(), {"labels.txt": b"person"})
    path = tmp_path / "model.tflite"
    path.write_bytes(labelled)
    with pytest.raises(ModelError, match=r"without edgeseg\.json"):
        load_source(path)
    path.with_suffix(".json").write_text(SPEC.to_json())
    assert load_source(path).spec == SPEC
    path.with_suffix(".json").unlink()
    # The entry no longer fits its checksum.
    path.write_bytes(labelled.replace(b"person", b"nobody"))
    with pytest.raises(ModelError, match="damaged entries at the end"):
        load_source(path)


def test_what_else_a_tflite_carries_is_kept(tmp_path, frames):
    inputs = keras.Input((8, 8, 3))
    function = concrete_function(keras.Model(inputs, masks(inputs)), SPEC)
    others = {"labels.txt": b"person", "golden.png": b"of another model"}
    path = tmp_path / "model.tflite"
    path.write_bytes(embed(tflite_converter(function).convert(), others))
    path.with_suffix(".json").write_text(SPEC.to_json())
    entries = read_entries(float32.convert(Job(load_source(path), frames[:1])))
    assert sorted(entries) == ["edgeseg.json", "golden.png", "golden_mask.png", "labels.txt"]
    assert entries["labels.txt"] == b"person"
    assert entries["golden.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["person", "person_gpu"])
def test_a_tflite_that_is_no_float_one_is_refused(tmp_path, name):
    path = tmp_path / "model.tflite"
    path.write_bytes((resolve("person").parent / f"{name}.tflite").read_bytes())
    with pytest.raises(ModelError, match="got a quantized model, expected a float one"):
        load_source(path)


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_mixed_precision_is_named(tmp_path, policy):
    inputs = keras.Input((8, 8, 3))
    layer = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype=policy)
    nested = keras.Model(inputs, keras.Model(inputs, layer(inputs))(inputs))
    with pytest.raises(ModelError, match="layers that compute in b?float16, expected float32"):
        load_source(stored(nested, tmp_path))
    path = stored(keras.Model(inputs, layer(inputs)), tmp_path)
    with pytest.raises(ModelError, match="layers that compute in b?float16, expected float32"):
        load_source(path)

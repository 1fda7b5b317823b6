"""The previous mask's way to the decoder: which channel, what it adds, what it costs."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest
import tf_keras
from edgeseg.converters.checks import integer_reasons
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.int8 import convert_int8

from edgeseg.models import build
from edgeseg.models.initialise import initialise
from edgeseg.models.mask_features import mask_features
from edgeseg.models.weights import get_weights, named_variables, set_weights
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import ModelSpec

OPTIONS = {"width": 0.35, "encoder": "dense_entry", "output_stride": 4}
SIZE = (64, 96)


def told(library=keras, **options):
    shape = (*SIZE, 4)
    return build(
        "hourglass",
        keras=library,
        input_shape=shape,
        previous_mask_at="decoder",
        **OPTIONS,
        **options,
    )


def trained(model):
    """As if trained: what the mask adds is no longer nothing."""
    rng = np.random.default_rng(0)
    for name, variable in named_variables(model).items():
        if name.startswith("mask") and name.endswith("_add/kernel"):
            variable.assign(rng.normal(size=variable.shape) * 0.5)
    return model


@pytest.fixture
def image():
    return np.random.default_rng(1).uniform(-1, 1, (2, *SIZE, 4)).astype(np.float32)


def test_an_empty_mask_leaves_a_trained_network_as_it_was(image):
    plain = build("hourglass", keras=keras, input_shape=(*SIZE, 3), **OPTIONS)
    model = told()
    report = initialise(model, get_weights(plain))
    assert all(name.startswith("mask") for name, _ in report.fresh)
    wanted = plain.predict_on_batch(image[..., :3])
    # With any mask, before it is trained.
    np.testing.assert_allclose(model.predict_on_batch(image), wanted, atol=1e-6)
    trained(model)
    image[..., 3] = 0
    np.testing.assert_allclose(model.predict_on_batch(image), wanted, atol=1e-6)
    image[..., 3] = 1
    assert np.abs(model.predict_on_batch(image) - wanted).mean() > 0.01


def test_features_are_of_the_last_channel_alone():
    inputs = keras.Input((*SIZE, 4))
    model = keras.Model(inputs, mask_features(keras, inputs))
    assert not model.get_layer("mask_pick").trainable_variables
    image = np.zeros((1, *SIZE, 4), np.float32)
    image[..., :3] = 5
    features = model(image)
    assert {stride: tuple(x.shape) for stride, x in features.items()} == {
        4: (1, 16, 24, 8),
        8: (1, 8, 12, 16),
        16: (1, 4, 6, 32),
    }
    assert all(not np.asarray(x).any() for x in features.values())
    image[:, 16:24, 32:40, 3] = 1
    for stride, x in model(image).items():
        seen = np.abs(np.asarray(x)[0]).max(-1)
        assert seen[20 // stride, 36 // stride] > 0
        # Where the mask is and a step of 3x3 around it at each stride.
        rows, columns = np.nonzero(seen)
        assert rows.max() * stride <= 24 + 2 * stride + 8
        assert columns.min() * stride >= 32 - 2 * stride - 8


def test_in_tf_keras_and_in_int8(image):
    keras.utils.set_random_seed(0)
    model = trained(told())
    other = told(tf_keras)
    assert len(set_weights(other, get_weights(model))) == len(get_weights(model))
    image[..., 3] = image[..., 3] > 0
    wanted = model.predict_on_batch(image[:1])
    assert np.abs(wanted - np.asarray(other(image[:1], training=False))).max() < 1e-5
    spec = ModelSpec("told", SIZE[1], SIZE[0], previous_mask=True)
    frames = list(np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), dtype=np.uint8))
    data = convert_int8(model, spec, frames)
    assert integer_reasons(read_graph(data)) == []
    assert np.abs(Interpreter(data).run(image[:1]) - wanted).mean() < 0.05


def test_a_coarser_mask_is_told_at_its_strides():
    names = {layer.name for layer in told().layers}
    assert {"mask16_add", "mask8_add", "mask4_add"} <= names
    coarse = build(
        "hourglass",
        keras=keras,
        input_shape=(*SIZE, 4),
        width=0.35,
        output_stride=8,
        previous_mask_at="decoder",
    )
    names = {layer.name for layer in coarse.layers}
    assert {"mask16_add", "mask8_add"} <= names
    assert "mask4_add" not in names


@pytest.mark.parametrize(
    ("place", "channels", "message"),
    [
        ("decoder", 3, "got 'decoder' for 3 channels, expected RGB and a previous mask"),
        ("encoder", 4, "got 'encoder', expected 'input' or 'decoder'"),
    ],
)
def test_places_that_are_not_there(place, channels, message):
    with pytest.raises(ValueError, match=message):
        build("hourglass", keras=keras, input_shape=(*SIZE, channels), previous_mask_at=place)

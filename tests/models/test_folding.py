"""Batch normalization folded into weights and put back changes no answer."""

import keras
import numpy as np
import pytest

from edgeseg.models import build, initialise
from edgeseg.models.folding import fold, folded, unfold
from edgeseg.models.weights import get_weights, named_variables

PARTS = ("decoder", "head", "_project")
SIZE = {"input_shape": (32, 32, 3), "width": 0.35, "head_blocks": 1}


@pytest.fixture(scope="module")
def source():
    """A network without normalization whose biases are not zero, as folded ones are not."""
    network = build("hourglass", keras=keras, **SIZE)
    rng = np.random.default_rng(0)
    for name, variable in named_variables(network).items():
        if name.endswith("/bias"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return network


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(1)
    return [rng.uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32) for _ in range(3)]


@pytest.fixture(scope="module")
def unfolded(source, tensors):
    network = build("hourglass", keras=keras, batch_norm=PARTS, **SIZE)
    initialise(network, get_weights(source))
    expected = len([layer for layer in network.layers if layer.name.endswith("_bn")])
    assert unfold(network, get_weights(source), tensors) == expected
    return network


def test_normalization_stands_where_it_was_asked_for(unfolded):
    names = {layer.name for layer in unfolded.layers if layer.name.endswith("_bn")}
    assert {
        "decoder32_reduce_bn",
        "decoder4_skip_bn",
        "head0_mix_bn",
        "block05_project_bn",
    } <= names
    assert not {"stem_bn", "block05_expand_bn", "block05_depthwise_bn"} & names
    assert not unfolded.get_layer("block05_project").use_bias
    assert unfolded.get_layer("block05_expand").use_bias


def test_the_network_answers_as_before(source, unfolded, tensors):
    before = np.asarray(source(tensors[0], training=False))
    np.testing.assert_allclose(unfolded(tensors[0], training=False), before, atol=1e-4)
    assert before.std() > 1e-3


def test_the_statistics_are_those_of_the_tensors(unfolded, tensors):
    layer = unfolded.get_layer("block05_project_bn")
    inner = keras.Model(unfolded.inputs, layer.input)
    outputs = np.concatenate([inner.predict_on_batch(tensor) for tensor in tensors])
    np.testing.assert_allclose(layer.moving_mean, outputs.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, outputs.var((0, 1, 2)), rtol=1e-3, atol=1e-5)


def test_a_source_with_normalization_is_left_alone(unfolded, tensors):
    values = get_weights(unfolded)
    assert folded(unfolded, values) == []
    assert unfold(unfolded, values, tensors) == 0


def test_folded_again_the_network_answers_as_before(unfolded, tensors):
    values = get_weights(unfolded)
    plain = build("hourglass", keras=keras, **SIZE)
    report = initialise(plain, values)
    assert not report.fresh
    assert not any("_bn" in name for name in fold(values))
    np.testing.assert_allclose(
        plain(tensors[1], training=False), unfolded(tensors[1], training=False), atol=1e-4
    )


def test_a_normalization_that_both_have_stays(unfolded, tensors):
    some = build("hourglass", keras=keras, batch_norm=("decoder",), **SIZE)
    assert not initialise(some, get_weights(unfolded)).fresh
    assert some.get_layer("block05_project").use_bias
    np.testing.assert_allclose(
        some(tensors[1], training=False), unfolded(tensors[1], training=False), atol=1e-4
    )


def test_a_depthwise_convolution_with_a_bias_of_its_own_is_folded():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 6, 6, 4)).astype(np.float32)
    layers = keras.layers
    normalized = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            layers.DepthwiseConv2D(3, name="a"),
            layers.BatchNormalization(name="a_bn"),
        ]
    )
    for variable in normalized.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    plain = keras.Sequential([keras.Input((6, 6, 4)), layers.DepthwiseConv2D(3, name="a")])
    assert not initialise(plain, get_weights(normalized)).fresh
    np.testing.assert_allclose(plain(x), normalized(x, training=False), atol=1e-5)


def test_normalization_that_belongs_to_no_convolution_is_passed_through():
    values = {f"conv1_bn/{part}": np.ones(3) for part in ("gamma", "beta", "moving_mean")}
    values |= {"conv1_conv/kernel": np.ones((1, 1, 2, 3))}
    assert fold(values).keys() == values.keys()


def test_the_report_tells_folded_normalization_from_missing_weights(source):
    network = build("hourglass", keras=keras, batch_norm=PARTS, **SIZE)
    values = {k: v for k, v in get_weights(source).items() if not k.startswith("decoder8_skip")}
    unfoldable = {layer.name for layer in folded(network, values)}
    assert "head0_mix_bn" in unfoldable
    assert not {name for name in unfoldable if name.startswith("decoder8_skip")}
    fresh = dict(initialise(network, values).fresh)
    assert fresh["head0_mix_bn/moving_mean"] == "folded into its convolution"
    assert fresh["decoder8_skip/kernel"] == fresh["decoder8_skip_bn/beta"] == "not in the source"

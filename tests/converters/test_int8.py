"""Post-training quantization: what is in the file and how close its answers are."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from edgeseg.converters.bias_correction import bias_corrected
from edgeseg.converters.calibration import calibration_tensors, foreground
from edgeseg.converters.checks import integer_reasons
from edgeseg.converters.flatgraph import read_graph
from edgeseg.converters.golden import size_cost
from edgeseg.converters.int8 import convert_int8
from edgeseg.converters.operators import list_operators

from edgeseg.errors import InputError
from edgeseg.preprocess import to_tensor
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import ModelSpec, read_entries, read_spec

pytest.importorskip("tensorflow", reason="needs the extra convert")


@pytest.fixture(scope="module")
def converted(model, spec, frames):
    before = [np.array(w) for w in model.get_weights()]
    data = convert_int8(model, spec, frames)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    return data


def test_file_is_integers_only_with_weights_per_channel(converted):
    graph = read_graph(converted)
    assert integer_reasons(graph) == []
    assert {t.type for t in (*graph.inputs, *graph.outputs)} == {"INT8"}
    assert {node.name for node in graph.nodes} == {
        "ADD",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "LOGISTIC",
        "RESIZE_BILINEAR",
    }
    assert all(op.edgetpu for op in list_operators(converted))


def test_masks_stay_close_to_the_float_model(converted, model, spec, frames):
    interpreter = Interpreter(converted)
    for frame in frames[:4]:
        tensor = to_tensor(frame, spec)
        wanted = np.asarray(model(tensor, training=False))
        assert wanted.std() > 0.05
        assert np.abs(interpreter.run(tensor) - wanted).mean() < 0.04


def test_spec_and_golden_frame_travel_in_the_file(converted, model, spec):
    assert read_spec(converted) == spec
    entries = read_entries(converted)
    frame = cv2.imdecode(np.frombuffer(entries["golden.png"], np.uint8), cv2.IMREAD_COLOR)
    mask = cv2.imdecode(np.frombuffer(entries["golden_mask.png"], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert max(frame.shape[:2]) <= max(spec.width, spec.height)
    wanted = np.asarray(model(to_tensor(frame, spec), training=False))[0, ..., 0]
    assert mask.shape == wanted.shape
    assert np.abs(mask / 255 - wanted).max() <= 0.5 / 255 + 1e-4
    assert size_cost(converted) > len(entries["golden.png"]) + len(entries["golden_mask.png"])


def test_equal_input_gives_equal_bytes(converted, model, spec, frames):
    assert convert_int8(model, spec, frames) == converted


def test_uint8_only_changes_the_edges(model, spec, frames):
    graph = read_graph(convert_int8(model, spec, frames[:2], io="uint8"))
    assert {t.type for t in (*graph.inputs, *graph.outputs)} == {"UINT8"}
    assert [node.name for node in graph.nodes].count("QUANTIZE") == 2
    assert integer_reasons(graph) == []


def test_float_edges_are_found(model, spec, frames):
    graph = read_graph(convert_int8(model, spec, frames[:2], io="float32"))
    assert integer_reasons(graph, float_edges=True) == []
    assert integer_reasons(graph) == ["input or output is floating point"]


def test_calibration_feeds_masks_back(video_model, video_spec, frames):
    answers = iter(np.linspace(0.2, 0.9, len(frames)).astype(np.float32))
    tensors = list(
        calibration_tensors(
            frames, video_spec, lambda tensor: np.full((1, 32, 32, 1), next(answers), np.float32)
        )
    )
    masks = [tensor[0, ..., 3] for tensor in tensors]
    assert not masks[0].any()
    assert np.allclose(masks[1], np.linspace(0.2, 0.9, len(frames))[1])
    assert np.allclose(masks[2], np.linspace(0.2, 0.9, len(frames))[1])
    converted = convert_int8(video_model, video_spec, frames[:3])
    assert read_graph(converted).inputs[0].shape == (1, 64, 64, 4)


def test_calibration_feeds_masks_back_as_they_were_before_a_temperature(video_spec, frames):
    soft = dataclasses.replace(video_spec, temperature=2.0)
    tensors = calibration_tensors(
        frames[:2], soft, lambda tensor: np.full((1, 32, 32, 1), 0.75, np.float32)
    )
    np.testing.assert_allclose(list(tensors)[1][0, ..., 3], 0.9, rtol=1e-5)


def test_what_is_fed_back_of_several_classes_is_all_but_the_first():
    labels, palette = ("ground", "person", "dog"), ((0, 0, 0), (1, 1, 1), (2, 2, 2))
    three = ModelSpec("three", 64, 64, labels=labels, palette=palette)
    scores = np.array([[[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]]], np.float32)
    np.testing.assert_allclose(foreground(scores, three), [[0.3, 0.9]], atol=1e-6)


def test_bias_correction_takes_out_the_mean_shift(model, spec, frames):
    keras = pytest.importorskip("keras")
    tensors = [to_tensor(frame, spec) for frame in frames[:4]]
    layer = "encoder2_block_project"
    rounded = keras.models.clone_model(model)

    def shift(candidate):
        rounded.set_weights(candidate.get_weights())
        kernel, bias = rounded.get_layer(layer).get_weights()
        step = np.abs(kernel).max(axis=(0, 1, 2), keepdims=True) / 127
        rounded.get_layer(layer).set_weights([np.rint(kernel / step) * step, bias])
        # Only this layer's own error counts: its input is the float model's.
        probe = keras.Model(model.inputs, model.get_layer(layer).input)
        errors = []
        for tensor in tensors:
            features = probe([tensor])
            got = rounded.get_layer(layer)(features)
            errors.append(np.asarray(got - model.get_layer(layer)(features)).mean(axis=(0, 1, 2)))
        return np.abs(np.mean(errors, axis=0)).max()

    before = shift(model)
    assert before > 1e-4
    assert shift(bias_corrected(model, tensors)) < before / 20


def test_bias_correction_knows_groups():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4, 4, 6))
    layer = keras.layers.Conv2D(4, 1, groups=2)
    model = keras.Model(inputs, layer(inputs))
    tensor = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 6)).astype(np.float32)
    kernel, bias = layer.get_weights()
    step = np.abs(kernel).max(axis=(0, 1, 2), keepdims=True) / 127
    error = (np.rint(kernel / step) * step - kernel)[0, 0]
    mean = tensor.mean(axis=(0, 1, 2))
    # The first half of the outputs reads the first half of the inputs.
    shift = np.concatenate([mean[:3] @ error[:, :2], mean[3:] @ error[:, 2:]])
    corrected = bias_corrected(model, [tensor]).layers[-1].get_weights()[1]
    np.testing.assert_allclose(corrected, bias - shift, atol=1e-6)


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_each_channel_of_a_depthwise_convolution_gets_its_own_shift_back(name):
    keras = pytest.importorskip(name)
    layer = keras.layers.DepthwiseConv2D((1, 2), depth_multiplier=2)
    inputs = keras.Input((4, 4, 2))
    model = keras.Model(inputs, layer(inputs))
    # Largest weights of 127 and 254 make steps of 1 and 2; the last channel is pruned.
    taps = [[[127, 254], [-127, 0]], [[0.4, 3], [0.3, 0]]]
    layer.set_weights([np.array([taps], np.float32), np.ones(4, np.float32)])
    # Inputs of 2 and 0.5 on average.
    tensors = [np.full((1, 4, 4, 2), (a, b), np.float32) for a, b in ((1, 0.25), (3, 0.75))]
    # 0.4 -> 0, 3 -> 4, 0.3 -> 0: errors of -0.4, 1 and -0.3, times the channel's mean.
    corrected = bias_corrected(model, tensors).get_weights()[1]
    np.testing.assert_allclose(corrected, [1 + 0.8, 1 - 2, 1 + 0.15, 1], atol=1e-5)


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_model_of_the_callers_own_class_is_converted_where_its_input_is_declared(name, frames):
    keras = pytest.importorskip(name)
    spec = ModelSpec("own", 64, 64)

    class Declared(keras.Model):
        def __init__(self):
            inputs = keras.Input((64, 64, 3))
            super().__init__(inputs, keras.layers.Conv2D(1, 1, activation="sigmoid")(inputs))

    class Undeclared(keras.Model):
        def call(self, image):
            return image[..., :1]

    data = convert_int8(Declared(), spec, frames[:2])
    assert [node.name for node in read_graph(data).nodes] == ["CONV_2D", "LOGISTIC"]
    with pytest.raises(InputError, match="got Undeclared without a declared input, expected"):
        convert_int8(Undeclared(), spec, frames[:2])


def test_networks_that_are_layers_are_corrected_as_well(model, spec, frames):
    keras = pytest.importorskip("keras")
    inputs = keras.Input(model.input_shape[1:])
    outer = keras.Model(inputs, model(inputs))
    tensors = [to_tensor(frame, spec) for frame in frames[:4]]
    copy, plain = bias_corrected(outer, tensors), bias_corrected(model, tensors)
    for ours, theirs in zip(copy.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any(not np.array_equal(a, b) for a, b in zip(copy.get_weights(), outer.get_weights()))
    data = convert_int8(outer, spec, frames)
    assert integer_reasons(read_graph(data)) == []
    answer = Interpreter(data).run(tensors[0])
    np.testing.assert_allclose(answer, np.asarray(model(tensors[0])), atol=0.1)


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_network_that_is_used_twice_is_corrected_for_both_uses(name):
    keras = pytest.importorskip(name)
    keras.utils.set_random_seed(2)
    layers = keras.layers
    # Its statistics are moved once, though it follows the convolution in both uses.
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), layers.Conv2D(2, 1, use_bias=False), layers.BatchNormalization()]
    )
    inputs = keras.Input((4, 4, 3))
    doubled = layers.Add()([inputs, inputs])
    model = keras.Model(inputs, layers.Add()([inner(inputs), inner(doubled)]))
    tensor = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 3)).astype(np.float32)
    kernel = inner.layers[0].get_weights()[0]
    step = np.abs(kernel).max(axis=(0, 1, 2), keepdims=True) / 127
    error = (np.rint(kernel / step) * step - kernel)[0, 0]
    shift = 1.5 * tensor.mean(axis=(0, 1, 2)) @ error
    # Kernel, gamma, beta, moving mean and variance.
    moved = bias_corrected(model, [tensor]).get_weights()[3] - model.get_weights()[3]
    np.testing.assert_allclose(moved, shift, atol=1e-6)
    assert np.abs(shift).max() > 1e-4


def test_bad_arguments_are_refused(model, spec, video_spec, frames):
    with pytest.raises(InputError, match="got none"):
        convert_int8(model, spec, [])
    with pytest.raises(InputError, match="got 'int4'"):
        convert_int8(model, spec, frames[:1], io="int4")
    with pytest.raises(InputError, match=r"expected \(1, 64, 64, 4\)"):
        convert_int8(model, video_spec, frames[:1])

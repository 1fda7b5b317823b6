"""Every architecture: shapes, parameters, one training step, conversion to int8."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import pytest
import tf_keras
from edgeseg.converters.int8 import convert_int8

from edgeseg.errors import InputError
from edgeseg.models import BUILDERS, build
from edgeseg.models.macs import multiply_adds
from edgeseg.models.unet import crop_to
from edgeseg.models.weights import get_weights, set_weights
from edgeseg.preprocess import covers_input
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import ModelSpec

TINY = {
    "hourglass": {"input_shape": (32, 64, 3), "width": 0.35, "classes": 2},
    "unet": {"input_shape": (48, 48, 3), "channels": 4, "depth": 2, "padding": "same"},
    "unet_mini": {"input_shape": (32, 32, 3), "channels": 4, "depth": 2},
    "segnet": {"input_shape": (32, 32, 3), "widths": (4, 6, 8, 8)},
    "fcn8": {"input_shape": (64, 64, 3), "widths": (4, 4, 6, 6, 8), "head_channels": 8},
    "fcn32": {"input_shape": (64, 64, 3), "widths": (4, 4, 6, 6, 8), "head_channels": 8},
    "pspnet": {
        "input_shape": (96, 48, 3),
        "widths": (4, 4, 6, 6, 8),
        "feature_stride": 8,
        "head_channels": 8,
    },
}


def unet_parameters() -> int:
    """From the paper's figure 1, layer by layer: (in, out, kernel side)."""
    down = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]
    bottom = [(512, 512), (512, 1024), (1024, 1024)]
    up = [(1024, 512), (512, 512), (512, 256), (256, 256), (256, 128), (128, 128)]
    last = [(128, 64), (64, 64)]
    layers = [(a, b, 3) for a, b in down + bottom + up + last]
    layers += [(1024, 512, 2), (512, 256, 2), (256, 128, 2), (128, 64, 2), (64, 2, 1)]
    assert len(layers) == 23  # "In total the network has 23 convolutional layers."
    return sum(a * b * k * k + b for a, b, k in layers)


def test_unet_is_the_papers():
    model = build("unet", keras=keras, input_shape=(572, 572, 1), classes=2)
    assert model.output_shape == (None, 388, 388, 2)
    assert model.count_params() == unet_parameters()
    assert isinstance(model.get_layer("up0_upconv"), keras.layers.Conv2DTranspose)


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("transposed", [True, False])
def test_unet_starts_with_the_papers_deviations(library, transposed):
    # Section 3: the square root of 2 / N, "where N denotes the number of incoming nodes".
    library.utils.set_random_seed(2)
    model = build(
        "unet", keras=library, input_shape=(188, 188, 1), channels=32, transposed=transposed
    )
    for layer in (layer for layer in model.layers if layer.name != "logits" and layer.weights):
        kernel = np.asarray(layer.kernel)
        incoming = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
        if transposed and layer.name.endswith("upconv"):
            # Of (2, 2, outputs, inputs) with strides of 2, one of 2 x 2 reaches each pixel.
            incoming = kernel.shape[3]
        expected = np.sqrt(2 / incoming)
        assert kernel.std() == pytest.approx(expected, rel=5 / np.sqrt(kernel.size)), layer.name


def test_unet_with_same_padding_keeps_the_size():
    model = build(
        "unet", keras=keras, input_shape=(256, 256, 1), classes=1, padding="same", channels=2
    )
    assert model.output_shape == (None, 256, 256, 1)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ((4, 6), slice(1, 5), slice(None)),
        ((7, 4), slice(None), slice(1, 5)),
        ((3, 3), slice(2, 5), slice(1, 4)),
        ((7, 6), slice(None), slice(None)),
    ],
)
def test_unet_takes_the_middle_of_a_copy(size, rows, columns):
    values = np.arange(7 * 6, dtype=np.float32).reshape(1, 7, 6, 1)
    middle = crop_to(keras, values, *size, name="crop")
    np.testing.assert_array_equal(np.asarray(middle), values[:, rows, columns])


def test_unet_puts_the_copy_of_the_same_level_before_what_comes_up():
    options = {"channels": 2, "depth": 2, "padding": "same", "dropout": 0.25}
    model = build("unet", keras=keras, input_shape=(16, 16, 3), **options)
    joined = {
        level: [tensor._keras_history.operation.name for tensor in layer.input]
        for level in (0, 1)
        for layer in [model.get_layer(f"up{level}_concat")]
    }
    # Dropout ends the way down: it is on the deepest copy.
    assert joined == {
        0: ["down0_conv2_relu", "up0_upconv_relu"],
        1: ["down1_dropout", "up1_upconv_relu"],
    }


def test_unet_refuses_an_odd_size_by_name():
    with pytest.raises(InputError, match="570x570.*pooling 1 would meet|pooling 2"):
        build("unet", keras=keras, input_shape=(570, 570, 1))


@pytest.mark.parametrize(("size", "depth", "other"), [(100, 3, 108), (80, 2, 84), (32, 1, 34)])
def test_unet_refuses_a_size_whose_output_looks_like_a_stride(size, depth, other):
    options = {"keras": keras, "depth": depth, "channels": 2}
    with pytest.raises(InputError, match=f"got {size}x{size} .* such as {other}x{other}"):
        build("unet", input_shape=(size, size, 1), **options)
    tile = build("unet", input_shape=(other, other, 1), **options).output_shape[1:3]
    assert not covers_input((other, other), tile)
    # With the other padding that of 80 is one; 100 cannot be halved three times.
    same = size // 2**depth * 2**depth
    whole = build("unet", input_shape=(same, same, 1), padding="same", **options)
    assert whole.output_shape[1] == same


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unet", {"channels": "four"}, "unet: channels: got 'four', expected int"),
        ("unet", {"channels": 4.5}, "unet: channels: got 4.5, expected int"),
        ("unet", {"dropout": True}, "unet: dropout: got True, expected float"),
        ("unet", {"depth": 0}, "unet depth: got 0, expected 1 or more"),
        ("unet_mini", {"depth": 0}, "unet_mini depth: got 0, expected 1 to 5"),
        ("unet_mini", {"batch_norm": 1}, "unet_mini: batch_norm: got 1, expected bool"),
        ("fcn8", {"widths": "wide"}, r"fcn8: widths: got 'wide', expected Sequence\[int\]"),
        ("fcn8", {"widths": [4, "a"]}, r"fcn8: widths: got \[4, 'a'\], expected Sequence"),
        ("fcn8", {"encoder_weights": 3}, r"encoder_weights: got 3, expected str \| None"),
    ],
)
def test_an_option_of_another_kind_is_named(name, options, message):
    with pytest.raises(InputError, match=message):
        build(name, keras=keras, **{**TINY[name], **options})


@pytest.mark.parametrize("name", list(TINY))
def test_trains_a_step_and_converts_to_int8(name):
    keras.utils.set_random_seed(0)
    model = build(name, keras=keras, **TINY[name])
    height, width, _ = TINY[name]["input_shape"]
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
    y = rng.integers(0, 2, (2, *model.output_shape[1:3])).astype(np.int32)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy")
    before = get_weights(model)
    model.train_on_batch(x, y)
    moved = [n for n, v in get_weights(model).items() if not np.array_equal(v, before[n])]
    assert "logits/kernel" in moved or "score/kernel" in moved

    spec = ModelSpec(name, width, height, labels=("a", "b"), palette=((0, 0, 0), (255, 0, 0)))
    frames = list(rng.integers(0, 256, (8, height, width, 3), dtype=np.uint8))
    interpreter = Interpreter(convert_int8(model, spec, frames))
    assert interpreter.inputs[0].dtype == np.int8
    wanted = model.predict(x[:1], verbose=0)
    assert np.abs(interpreter.run(x[:1]) - wanted).max() < 0.12


@pytest.mark.parametrize("name", list(TINY))
def test_keras_3_and_tf_keras_compute_the_same(name):
    model = build(name, keras=keras, **TINY[name])
    other = build(name, keras=tf_keras, **TINY[name])
    assert len(set_weights(other, get_weights(model))) == len(get_weights(model))
    x = np.random.default_rng(1).uniform(-1, 1, (1, *TINY[name]["input_shape"]))
    x = x.astype(np.float32)
    difference = np.asarray(model(x, training=False)) - np.asarray(other(x, training=False))
    assert np.abs(difference).max() < 1e-5


@pytest.mark.parametrize("encoder", ["vgg16", "resnet50", "mobilenet_v2", "mobilenet_v3"])
@pytest.mark.parametrize("name", ["unet_mini", "fcn8"])
def test_backbones_of_keras_applications(name, encoder):
    options = {"depth": 5, "channels": 2} if name == "unet_mini" else {"head_channels": 4}
    model = build(name, keras=keras, input_shape=(64, 96, 3), classes=3, encoder=encoder, **options)
    assert model.output_shape == (None, 64, 96, 3)
    total = np.asarray(model(np.zeros((1, 64, 96, 3), np.float32), training=False)).sum(-1)
    assert np.allclose(total, 1, atol=1e-5)


def test_unet_mini_takes_multiples_of_its_smallest_level():
    options = {"keras": keras, "channels": 2}
    model = build("unet_mini", input_shape=(8, 16, 3), depth=3, **options)
    assert model.output_shape == (None, 8, 16, 2)
    assert build("unet_mini", input_shape=(2, 4, 3), depth=1, **options).output_shape[1:3] == (2, 4)
    for size in ((12, 16), (8, 12)):
        with pytest.raises(InputError, match="multiples of 8"):
            build("unet_mini", input_shape=(*size, 3), depth=3, **options)


def test_multiply_adds_by_hand():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Conv2DTranspose(2, 2, strides=2)(x)
    counted = multiply_adds(keras.Model(inputs, x))
    assert counted == 4 * 4 * 4 * 27 + 4 * 4 * 4 * 9 + 4 * 4 * 4 * 2 * 4


def test_unknown_names_list_the_known():
    with pytest.raises(InputError, match="expected one of.*hourglass.*unet"):
        build("u-net", keras=keras)
    with pytest.raises(InputError, match="encoder: got 'resnet'.*resnet50"):
        build("segnet", keras=keras, input_shape=(64, 64, 3), encoder="resnet")
    assert set(TINY) == set(BUILDERS)


def test_hourglass_head_has_the_channels_of_the_last_step():
    options = {"input_shape": (64, 96, 3), "decoder_channels": (16, 12, 8, 8), "output_stride": 4}
    plain = build("hourglass", keras=keras, **options)
    headed = build("hourglass", keras=keras, head_blocks=2, **options)
    assert headed.output_shape == plain.output_shape == (None, 16, 24, 1)
    new = {layer.name for layer in headed.layers} - {layer.name for layer in plain.layers}
    assert {"head0_mix", "head0_depthwise", "head1_mix", "head1_depthwise"} <= new
    assert headed.get_layer("head1_mix").kernel.shape == (1, 1, 8, 8)


def test_dense_entry_takes_the_place_of_the_first_blocks_alone():
    options = {"input_shape": (64, 32, 3), "width": 0.5, "decoder_channels": (12, 8, 8, 4)}
    options["output_stride"] = 4
    plain = build("hourglass", keras=keras, **options)
    dense = build("hourglass", keras=keras, encoder="dense_entry", **options)
    assert dense.output_shape == plain.output_shape == (None, 16, 8, 1)
    shapes = {name: value.shape for name, value in get_weights(plain).items()}
    other = {name: value.shape for name, value in get_weights(dense).items()}
    gone = {name.split("/")[0] for name in set(shapes) - set(other)}
    assert {name.split("_")[0] for name in gone} == {
        *("stem", "block00", "block01", "block02", "block15", "block16")
    }
    new = {name.split("/")[0]: shape for name, shape in other.items() if name not in shapes}
    assert set(new) == {"entry2", "entry4", "entry4_mix", "entry4_project"}
    # What both have fits both, but for the layers that meet the features of 1/4 and 1/32.
    differing = {name for name in set(shapes) & set(other) if shapes[name] != other[name]}
    assert differing == {"decoder32_reduce/kernel", "decoder4_skip/kernel"}
    assert other["decoder32_reduce/kernel"] == (1, 1, 6 * 80, 12)


def test_fused_entry_is_dense_down_to_an_eighth_and_the_same_behind():
    options = {"input_shape": (64, 32, 3), "width": 0.5, "decoder_channels": (12, 8, 8, 4)}
    options["output_stride"] = 4
    dense = build("hourglass", keras=keras, encoder="dense_entry", **options)
    fused = build("hourglass", keras=keras, encoder="fused_entry", **options)
    assert fused.output_shape == dense.output_shape
    shapes = {name: value.shape for name, value in get_weights(dense).items()}
    other = {name: value.shape for name, value in get_weights(fused).items()}
    assert {name.split("_")[0] for name in set(shapes) - set(other)} == {
        *("entry4", "block03", "block04", "block05")
    }
    new = {name: shape for name, shape in other.items() if name not in shapes}
    assert {name: shape for name, shape in new.items() if name.endswith("kernel")} == {
        "entry8_expand/kernel": (3, 3, 32, 80),
        "entry8_project/kernel": (1, 1, 80, 16),
        "entry8_mix_expand/kernel": (3, 3, 16, 80),
        "entry8_mix_project/kernel": (1, 1, 80, 16),
    }
    # So that trained weights fit everything that is there as well.
    assert all(shapes[name] == other[name] for name in set(shapes) & set(other))


def test_fused_is_dense_down_to_a_sixteenth_and_otherwise_the_same():
    options = {"input_shape": (64, 32, 3), "width": 0.5, "decoder_channels": (12, 8, 8, 4)}
    options |= {"output_stride": 4, "expansion": 4}
    entry = build("hourglass", keras=keras, encoder="fused_entry", **options)
    fused = build("hourglass", keras=keras, encoder="fused", **options)
    shapes = {name: value.shape for name, value in get_weights(entry).items()}
    other = {name: value.shape for name, value in get_weights(fused).items()}
    new = {name: shape for name, shape in other.items() if shapes.get(name) != shape}
    channels = {7: 32, 8: 32, 9: 32, 10: 48, 11: 48, 12: 48}
    before = 32
    for index, count in channels.items():
        assert new.pop(f"block{index:02d}_expand/kernel") == (3, 3, before, count)
        assert new.pop(f"block{index:02d}_project/kernel") == (1, 1, count, count)
        assert new.pop(f"block{index:02d}_expand/bias") == (count,)
        before = count
    assert not new
    assert {name.split("/")[0] for name in set(shapes) - set(other)} == {
        f"block{index:02d}_depthwise" for index in channels
    }
    added = {layer.name for layer in fused.layers if layer.name.endswith("_add")}
    assert {name for name in added if name.startswith("block")} == {
        *("block07_add", "block08_add", "block09_add", "block11_add", "block12_add", "block14_add")
    }


def test_expansion_is_the_width_inside_the_bottlenecks():
    options = {"input_shape": (32, 32, 3), "width": 0.5, "output_stride": 4}
    options["decoder_channels"] = (8, 8, 8, 4)
    own_of = {"mobilenet_v2": 6, "dense_entry": 6, "fused_entry": 6, "fused": 6, "plain": 2}
    for encoder, own in own_of.items():
        usual = get_weights(build("hourglass", keras=keras, encoder=encoder, **options))
        other = build("hourglass", keras=keras, encoder=encoder, expansion=4, **options)
        widened = get_weights(other)
        # A dense 3x3 is as wide as it is.
        expanding = [
            name
            for name, value in usual.items()
            if name.endswith("_expand/kernel") and value.shape[0] == 1
        ]
        assert expanding
        assert set(widened) == set(usual)
        for name in expanding:
            *_, narrow, wide = usual[name].shape
            assert (wide, widened[name].shape[-1]) == (own * narrow, 4 * narrow)
    between = get_weights(
        build("hourglass", keras=keras, encoder="dense_entry", expansion=3.5, **options)
    )
    for name, inside in (("block03", 44), ("block04", 56), ("block11", 168), ("block16", 280)):
        # 3.5 times 12, 16, 48 and 80, the first rounded.
        assert between[f"{name}_expand/kernel"].shape[-1] == inside
    with pytest.raises(InputError, match="expansion: got 1, expected 2 or more"):
        build("hourglass", keras=keras, expansion=1, **options)


def test_dropout_drops_whole_channels_in_training_alone():
    options = {"input_shape": (64, 64, 3), "width": 0.35, "encoder": "dense_entry"}
    plain = build("hourglass", keras=keras, **options)
    dropped = build("hourglass", keras=keras, dropout=0.5, **options)
    dropped.set_weights(plain.get_weights())
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(dropped.predict_on_batch(image), plain.predict_on_batch(image))
    for stride in (32, 16):
        layer = dropped.get_layer(f"dropout{stride}")
        channels = np.asarray(layer(np.ones((1, 3, 3, 400), np.float32), training=True))[0]
        # Kept ones are doubled, so that the sum stays.
        assert set(np.unique(channels)) == {0, 2}
        assert (channels == channels[:1, :1]).all()
        assert 130 < (channels[0, 0] > 0).sum() < 270
    with pytest.raises(ValueError, match="dropout: got 1"):
        build("hourglass", keras=keras, dropout=1, **options)


@pytest.mark.parametrize(("stride", "steps"), [(2, 5), (4, 4), (8, 3)])
def test_a_decoder_has_channels_at_every_step(stride, steps):
    options = {"keras": keras, "input_shape": (64, 32, 3), "width": 0.35, "output_stride": stride}
    model = build("hourglass", decoder_channels=(8,) * steps, **options)
    assert model.output_shape == (None, 64 // stride, 32 // stride, 1)
    with pytest.raises(ValueError, match=f"got {steps - 1}, expected {steps} for a mask at 1/"):
        build("hourglass", decoder_channels=(8,) * (steps - 1), **options)


@pytest.mark.parametrize("encoder", ["dense_entry", "fused_entry", "fused"])
def test_dense_entry_in_tf_keras_and_in_int8(encoder):
    options = {"input_shape": (64, 32, 3), "width": 0.35, "encoder": encoder, "classes": 2}
    keras.utils.set_random_seed(0)
    model = build("hourglass", keras=keras, **options)
    other = build("hourglass", keras=tf_keras, **options)
    assert len(set_weights(other, get_weights(model))) == len(get_weights(model))
    x = np.random.default_rng(1).uniform(-1, 1, (1, 64, 32, 3)).astype(np.float32)
    wanted = np.asarray(model(x, training=False))
    assert np.abs(wanted - np.asarray(other(x, training=False))).max() < 1e-5
    spec = ModelSpec("dense", 32, 64, labels=("a", "b"), palette=((0, 0, 0), (255, 0, 0)))
    frames = list(np.random.default_rng(0).integers(0, 256, (8, 64, 32, 3), dtype=np.uint8))
    interpreter = Interpreter(convert_int8(model, spec, frames))
    assert np.abs(interpreter.run(x) - wanted).max() < 0.12

"""Quantization-aware training and pruning on tiny networks, through to int8 files."""

import dataclasses
import json
import shutil

import cv2
import keras
import numpy as np
import pytest
import tf_keras
from rich.console import Console
from rich.progress import Progress

from edgeseg.commands.quantize import _convert_quantized, prune_run, quantize_run
from edgeseg.errors import InputError
from edgeseg.models import build
from edgeseg.models.weights import get_weights
from edgeseg.runtime.interpreter import Interpreter
from edgeseg.spec import ModelSpec, read_spec
from edgeseg.training.config import FinetuneConfig, TrainConfig
from edgeseg.training.config_file import build as build_config
from edgeseg.training.finetune import finetune, float_answer
from edgeseg.training.loop import Trainer
from edgeseg.training.pruning import kernel_sparsity, prunable_copy, stripped
from edgeseg.training.qat import (
    float_weights,
    for_conversion,
    layer_ranges,
    load_quantized,
    quantized_copy,
    read_ranges,
    save_quantized,
)
from edgeseg.training.quantize_scheme import check_quantizable, quantize
from edgeseg.training.runs import load_run
from edgeseg.training.sources import make_network
from edgeseg.training.tasks import make_task

CONSOLE = Console(quiet=True)


def network(**options):
    options = {"channels": 4, "depth": 1, "padding": "same", "dropout": 0.0, **options}
    return build(
        "unet", keras=tf_keras, input_shape=(16, 24, 3), classes=2, transposed=False, **options
    )


@pytest.fixture(scope="module")
def quantized():
    """A float model, its calibrated quantization-aware copy, and tensors."""
    tf_keras.utils.set_random_seed(0)
    model = network()
    tensors = np.random.default_rng(0).uniform(-1, 1, (6, 16, 24, 3)).astype(np.float32)
    ranges = layer_ranges(model, [tensors[:3], tensors[3:]])
    return model, quantized_copy(model, ranges, weights=True), tensors, ranges


def test_ranges_start_from_calibration(quantized):
    model, copy, tensors, ranges = quantized
    set_ranges = read_ranges(copy)
    assert set_ranges["image"] == pytest.approx((tensors.min(), tensors.max()), abs=1e-5)
    expected = np.asarray(
        tf_keras.Model(model.inputs, model.get_layer("down0_conv1_relu").output)(tensors)
    )
    assert set_ranges["down0_conv1_relu"] == pytest.approx((0, expected.max()), rel=1e-5)
    low, high = set_ranges["logits"]
    assert (low, high) == pytest.approx(
        (min(ranges["logits"][0], 0), max(ranges["logits"][1], 0)), rel=1e-5
    )


def test_kernel_ranges_start_from_the_kernels(quantized):
    _, copy, _, _ = quantized
    layer = copy.get_layer("quant_logits")
    ends = {v.name.split("/")[-1].split(":")[0]: v.numpy() for v in layer.weights}
    limit = np.abs(float_weights(copy)["logits/kernel"]).max(axis=(0, 1, 2))
    np.testing.assert_allclose(ends["kernel_max"], limit, rtol=1e-6)
    np.testing.assert_allclose(ends["kernel_min"], -limit, rtol=1e-6)


def test_training_sees_the_rounding_of_all_weights(quantized):
    _, copy, _, _ = quantized
    layer = copy.get_layer("quant_down0_conv1")
    kernel = float_weights(copy)["down0_conv1/kernel"]
    # All the input's channels at one place: the answer shows the rounded weights.
    image = np.zeros((1, 16, 24, 3), np.float32)
    image[0, 8, 8] = 1
    got = np.asarray(layer(image, training=False))[0, 7:10, 7:10][::-1, ::-1]
    scale = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    rounded = (np.round(kernel / scale) * scale).sum(axis=2)
    np.testing.assert_allclose(got, rounded, atol=1e-5)
    assert np.abs(kernel.sum(axis=2) - rounded).max() > 1e-4


def test_training_sees_each_depthwise_channel_rounded_by_its_own_scale():
    layers = [
        tf_keras.Input((5, 5, 2)),
        tf_keras.layers.DepthwiseConv2D(3, use_bias=False, name="d"),
        tf_keras.layers.ReLU(6.0),
    ]
    model = tf_keras.Sequential(layers)
    kernel = np.zeros((3, 3, 2, 1), np.float32)
    kernel[1, 1, :, 0], kernel[0, 2, :, 0] = (127, 1.27), (0.4, 0.016)
    model.set_weights([kernel])
    image = np.zeros((1, 5, 5, 2), np.float32)
    image[0, 2, 2] = 1
    seen = np.asarray(quantize(model, weights=True).get_layer("quant_d")(image, training=False))
    # Steps of 1 in the first channel, of 0.01 in the second.
    np.testing.assert_allclose(seen[0, 1, 1], [127, 1.27], rtol=1e-6)
    np.testing.assert_allclose(seen[0, 2, 0], [0, 0.02], atol=1e-5)


def test_converted_file_computes_what_training_simulated(quantized):
    model, copy, tensors, _ = quantized
    spec = ModelSpec("t", 24, 16, labels=("a", "b"), palette=((0, 0, 0), (9, 9, 9)))
    data = _convert_quantized(for_conversion(network(), copy), spec, {})
    interpreter = Interpreter(data)
    assert read_spec(data) == spec
    assert interpreter.inputs[0].dtype == interpreter.outputs[0].dtype == np.int8
    simulated = np.asarray(copy(tensors, training=False))
    converted = np.concatenate([interpreter.run(one[None]) for one in tensors])
    assert np.abs(converted - simulated).max() < 0.03
    assert np.abs(simulated - np.asarray(model(tensors, training=False))).max() < 0.03


def test_saved_weights_load_again_without_a_difference(quantized, tmp_path):
    _, copy, tensors, _ = quantized
    save_quantized(copy, tmp_path)
    again = load_quantized(network(), tmp_path)
    np.testing.assert_array_equal(
        np.asarray(again(tensors, training=False)), np.asarray(copy(tensors, training=False))
    )
    with np.load(tmp_path / "weights.npz") as archive:
        assert set(archive) == set(get_weights(network()))
    with pytest.raises(InputError, match=r"qat.weights.h5: got no such file"):
        load_quantized(network(), tmp_path / "nowhere")


def test_what_cannot_be_quantized_is_named_with_the_mend():
    inputs = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = tf_keras.layers.Multiply(name="gate")([x, x])
    x = tf_keras.layers.BatchNormalization(name="late")(x)
    x = tf_keras.layers.Activation("hard_sigmoid", name="hard")(x)
    x = tf_keras.layers.Rescaling(2.0, name="scale")(x)
    bad = tf_keras.Model(inputs, x, name="bad")
    with pytest.raises(InputError, match="got 4 layers that cannot be quantized"):
        quantize(bad, weights=True)
    with pytest.raises(InputError) as caught:
        check_quantizable(bad)
    text = str(caught.value)
    assert "bad: got 4 layers" in text
    assert "gate (Multiply): use Add" in text
    assert "late (BatchNormalization): put it straight after a convolution" in text
    assert "hard (hard_sigmoid): use ReLU" in text
    assert "scale (Rescaling): leave it out" in text


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where the first test leaves the float run: data and seed are the same for all."""
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def run(config, tmp_path, trained):
    """A short float run of a network that quantizes, and its configuration."""
    options = {"channels": 8, "depth": 1, "padding": "same", "dropout": 0.0, "transposed": False}
    stage = dataclasses.replace(
        config.stages[0], steps=160, size=(32, 32), rate=(1e-2, 1e-3), crop=(0.8, 1.2)
    )
    config = dataclasses.replace(
        config,
        stages=(stage,),
        validate_every=160,
        model=dataclasses.replace(config.model, options=options),
        finetune=FinetuneConfig(steps=20, batch=4, rate=(1e-3, 1e-4), frames=8, sparsity=0.6),
    )
    folder = tmp_path / "run"
    if not trained.exists():
        Trainer(config, trained, root=tmp_path).run(console=CONSOLE)
    shutil.copytree(trained, folder)
    return config, folder


def test_one_command_compares_float_and_both_int8(run, tmp_path):
    config, folder = run
    console = Console(record=True, width=120, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    scores = quantize_run(config, folder, root=tmp_path, skip_bad=False, console=console)
    assert list(scores) == ["float", "post-training int8", "quantization-aware int8"]
    assert scores["float"]["score"] > 0.35
    for name in list(scores)[1:]:
        assert scores[name]["score"] == pytest.approx(scores["float"]["score"], abs=0.06)
    text = console.export_text()
    assert "quantization-aware int8" in text
    assert "disc" in text
    assert json.loads((folder / "qat/scores.json").read_text()) == scores
    assert read_spec((folder / "qat/model.tflite").read_bytes()).labels[1] == "disc"
    rebuilt, _, _ = load_run(keras, folder / "qat")
    assert rebuilt.name == "unet"


def test_pruning_reaches_the_sparsity_and_keeps_a_usable_run(run, tmp_path):
    config, folder = run
    scores = prune_run(config, folder, root=tmp_path, skip_bad=False, console=CONSOLE)
    pruned, _, _ = load_run(keras, folder / "pruned")
    assert kernel_sparsity(pruned) == pytest.approx(0.6, abs=0.03)
    dense, _, _ = load_run(keras, folder)
    assert kernel_sparsity(dense) < 0.01
    first, last = scores.values()
    assert last["score"] > first["score"] - 0.2


def test_the_sparsity_is_the_share_of_zeros_in_ordinary_kernels():
    model = tf_keras.Sequential(
        [
            tf_keras.Input((8, 8, 2)),
            tf_keras.layers.Conv2D(3, 1, name="wide"),
            tf_keras.layers.DepthwiseConv2D(3, use_bias=False, name="a_depthwise"),
            tf_keras.layers.Conv2D(2, 1, use_bias=False, name="narrow"),
        ]
    )
    wide, bias = np.ones((1, 1, 2, 3)), np.zeros(3)
    narrow = np.ones((1, 1, 3, 2))
    wide[0, 0, 0] = 0
    model.set_weights([wide, bias, np.zeros((3, 3, 3, 1)), narrow])
    assert kernel_sparsity(model) == 3 / 12


def test_the_smallest_weights_go_by_a_cubic_schedule_and_stay_away():
    kernel = np.arange(1, 101, dtype=np.float32).reshape(1, 1, 10, 10)
    layers = [tf_keras.Input((2, 2, 10)), tf_keras.layers.Conv2D(10, 1, use_bias=False, name="c")]
    plain = tf_keras.Sequential(layers)
    plain.set_weights([kernel])
    model = prunable_copy(plain, sparsity=0.8, steps=40, frequency=4)
    (wrapped,) = model.layers
    ((weight, mask, _),) = wrapped.pruning_vars
    zeros = [0]
    for _ in range(50):
        model(np.ones((1, 2, 2, 10), np.float32), training=True)
        zeros.append(int((mask.numpy() == 0).sum()))
    # Of 100 weights 80 (1 - (1 - share of the steps) ** 3), every fourth step.
    assert zeros[3] == 0
    assert zeros[4] == zeros[7] == 22  # 80 * (1 - 0.9 ** 3) = 21.7
    assert zeros[20] == 70
    assert zeros[40] == zeros[50] == 80
    # What the optimizer moves away from zero afterwards is zero again in what is kept.
    weight.assign(np.full(kernel.shape, 7.0))
    kept = get_weights(stripped(model))["c/kernel"]
    np.testing.assert_array_equal(kept, np.where(kernel > 80, 7, 0))


@pytest.mark.parametrize("sparsity", [0.0, 1.0])
def test_a_sparsity_that_leaves_all_or_nothing_is_refused(sparsity):
    with pytest.raises(InputError, match=f"sparsity: got {sparsity}, expected more than 0 and"):
        prunable_copy(network(), sparsity=sparsity, steps=10)


def test_pruning_without_a_step_is_refused():
    with pytest.raises(InputError, match=r"got 0 steps .* raise finetune\.pruning_share"):
        prunable_copy(network(), sparsity=0.5, steps=0)


def test_a_mask_that_the_loss_enlarges_is_fine_tuned(write_discs, tmp_path):
    """The float network's answers are enlarged as the loss enlarges the logits that learn."""
    write_discs(tmp_path, 64)
    config = build_config(
        TrainConfig,
        {
            "name": "discs",
            "model": {
                "width": 0.25,
                "output_stride": 4,
                "decoder_channels": [8, 8, 8, 8],
                "options": {"encoder": "plain"},
            },
            "data": {"root": ".", "validation": "val", "groups": [{"folder": "train"}]},
            "loss": {"enlarge": 2},
            "stages": [{"steps": 1, "size": [64, 64], "batch": 2}],
            "finetune": {"steps": 3, "batch": 2},
        },
        where="test",
    )
    task = make_task(config, tmp_path)
    model = make_network(tf_keras, config, (64, 64))
    batch = task.pipeline(config.stages[0], model).batch(0, 2)
    assert batch.truth.shape == (2, 32, 32, 1)
    answer = float_answer(model, batch.tensor, 2)
    mask = np.asarray(model(batch.tensor, training=False))
    logits = np.log(mask) - np.log1p(-mask)
    for small, large in zip(logits, answer):
        expected = 1 / (1 + np.exp(-cv2.resize(small, (32, 32))))
        np.testing.assert_allclose(large[..., 0], expected, atol=1e-5)
    with Progress(disable=True) as progress:
        losses = finetune(tf_keras.models.clone_model(model), task, model, progress=progress)
    assert len(losses) == 3


@pytest.mark.parametrize("verb", [quantize_run, prune_run])
def test_files_that_cannot_be_read_are_named_first_or_left_out(
    config, shapes, tmp_path, monkeypatch, verb
):
    (shapes / "train/images/3.png").write_bytes(b"no image")
    options = {"root": tmp_path, "console": CONSOLE}
    # There is no float run yet: bad files are told before it is missed.
    with pytest.raises(InputError, match=r"got 1 bad files, the first .*3\.png.*--skip-bad"):
        verb(config, tmp_path / "run", skip_bad=False, **options)
    monkeypatch.setattr("edgeseg.training.finetune.float_model", lambda *_: None)

    def validate(task, *_):
        raise StopIteration([sample.name for sample in task.samples()])

    monkeypatch.setattr("edgeseg.commands.quantize._validate", validate)
    with pytest.raises(StopIteration) as reached:
        verb(config, tmp_path / "run", skip_bad=True, **options)
    train = [name for name in "0123456789" if name != "3"]
    assert sorted(reached.value.value) == sorted([*train, *"0123"])


def test_without_a_float_run_there_is_nothing_to_quantize(config, tmp_path):
    with pytest.raises(InputError, match="weights.npz: got no weights"):
        quantize_run(config, tmp_path / "x", root=tmp_path, skip_bad=False, console=CONSOLE)

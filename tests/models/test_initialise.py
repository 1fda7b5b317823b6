"""Starting weights from every kind of source."""

import keras
import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.models import build, initialise
from edgeseg.models.initialise import read_values
from edgeseg.models.weights import get_weights, save_weights


@pytest.fixture(scope="module")
def network():
    return build("hourglass", keras=keras, input_shape=(32, 32, 3), width=0.5)


def test_npz_and_coral_tflite_give_the_same_weights(data_root):
    published = read_values(data_root / "pretrained/mobilenet_v2_050.npz")
    dequantized = read_values(data_root / "edgetpu/deeplabv3_mnv2_dm05_pascal_quant.tflite")
    assert set(published) == set(dequantized)
    for name, value in published.items():
        np.testing.assert_allclose(dequantized[name], value, atol=1e-6)


def test_encoder_is_loaded_and_decoder_starts_fresh(network, data_root):
    report = initialise(network, data_root / "pretrained/mobilenet_v2_050.npz")
    assert "stem/kernel" in report.loaded
    assert "block16_project/bias" in report.loaded
    assert {name.split("/")[0] for name, _ in report.fresh} >= {"decoder32_reduce", "logits"}
    assert "aspp/kernel" in report.unused
    assert report.table().row_count >= 52


def test_fourth_channel_starts_at_zero(network):
    values = get_weights(network)
    wider = build("hourglass", keras=keras, input_shape=(32, 32, 4), width=0.5)
    initialise(wider, values)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 4)).astype(np.float32)
    with_mask = np.asarray(wider(x, training=False))
    without = np.asarray(network(x[..., :3], training=False))
    np.testing.assert_allclose(with_mask, without, atol=1e-6)


def test_own_weights_and_keras_file(network, tmp_path):
    save_weights(network, tmp_path / "w.npz")
    network.save(tmp_path / "m.keras")
    for name in ("w.npz", "m.keras"):
        other = build("hourglass", keras=keras, input_shape=(64, 32, 3), width=0.5)
        report = initialise(other, tmp_path / name)
        assert not report.fresh
        np.testing.assert_array_equal(
            get_weights(other)["logits/kernel"], get_weights(network)["logits/kernel"]
        )


def test_a_source_from_which_nothing_fits_is_an_error(network, tmp_path):
    with pytest.raises(InputError, match="no weights that fit hourglass"):
        initialise(network, {"other/kernel": np.zeros(3)})
    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="broken.npz"):
        initialise(network, tmp_path / "broken.npz")
    with pytest.raises(InputError, match="no such file"):
        initialise(network, tmp_path / "absent.npz")
    with pytest.raises(InputError, match="expected one of"):
        initialise(network, __file__)


def test_a_tflite_that_is_no_mobilenet_is_refused(network, data_root):
    with pytest.raises(InputError, match="not MobileNetV2's"):
        initialise(network, data_root / "edgetpu/mobilenet_v1_0.25_128_quant.tflite")

"""The encoder of the hourglass is taught to answer as the published one."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.initialise import initialise
from edgeseg.training.config_file import load_config
from edgeseg.training.encoder import Teaching, main, teach_encoder
from edgeseg.training.entry import main as fit_entry
from edgeseg.training.sources import make_network


@pytest.fixture
def config(dense_entry_config):
    return dense_entry_config(width=0.5, options='expansion = 4\nbatch_norm = ["decoder"]')


@pytest.fixture
def entry(config, data_root, tmp_path):
    """Published weights with an entry that has hardly been fitted."""
    fit_entry(config, data_root / "pretrained/mobilenet_v2_050.npz", tmp_path / "e.npz", steps=3)
    return tmp_path / "e.npz"


def test_the_encoder_learns_at_every_stride_what_the_published_one_answers(config, entry, tmp_path):
    output = tmp_path / "encoder.npz"
    main(config, entry, output, Teaching(steps=2))
    published, written = np.load(entry), np.load(output)
    # Block 5 is 16 wide at width 0.5: 4 times instead of 6 inside.
    assert written["block05_expand/kernel"].shape == (1, 1, 16, 64)
    assert published["block05_expand/kernel"].shape == (1, 1, 16, 96)
    assert written["block16_project/kernel"].shape == (1, 1, 320, 160)
    assert not any("_bn/" in name for name in written)

    options = {"root": tmp_path, "console": Console(quiet=True)}
    loaded = load_config(config)
    _, at_first = teach_encoder(loaded, entry, teaching=Teaching(steps=1), **options)
    _, in_time = teach_encoder(loaded, entry, teaching=Teaching(steps=60), **options)
    assert list(in_time) == ["1/4", "1/8", "1/16", "1/32"]
    # The mean over all steps, the first among them.
    assert all(in_time[name] < at_first[name] for name in in_time)
    assert sum(in_time.values()) < 0.9 * sum(at_first.values())


def test_the_classes_that_are_read_from_both_come_closer(config, entry, tmp_path):
    loaded, options = load_config(config), {"root": tmp_path, "console": Console(quiet=True)}
    _, at_first = teach_encoder(loaded, entry, teaching=Teaching(steps=1, classes=1.0), **options)
    _, in_time = teach_encoder(loaded, entry, teaching=Teaching(steps=60, classes=1.0), **options)
    assert list(in_time) == ["1/4", "1/8", "1/16", "1/32", "classes"]
    assert 0 < in_time["classes"] < 0.9 * at_first["classes"]


def test_it_goes_on_from_an_encoder_without_its_last_projection(config, entry, tmp_path, capsys):
    first, second, trained = (tmp_path / f"{name}.npz" for name in ("first", "second", "trained"))
    main(config, entry, first, Teaching(steps=60))
    values = {n: v for n, v in np.load(first).items() if not n.startswith("block16_project")}
    np.savez(trained, **values)
    on = Teaching(steps=1, rate=1e-5, classes=1.0, start=trained)
    main(config, entry, second, on)
    assert "nats apart" in capsys.readouterr().err
    # One step of such a rate: Adam moves no value by more than the rate.
    written = np.load(second)
    for name, value in values.items():
        np.testing.assert_allclose(written[name], value, atol=1.1e-5, err_msg=name)

    options = {"root": tmp_path, "console": Console(quiet=True)}
    _, anew = teach_encoder(load_config(config), entry, teaching=Teaching(steps=1), **options)
    _, left = teach_encoder(load_config(config), entry, teaching=on, **options)
    # The projection that was missing answers as well as can be, not at random.
    assert left["1/32"] < min(anew["1/32"], 1)


def test_a_network_is_initialised_by_what_was_taught_except_its_decoder(config, entry, tmp_path):
    keras = pytest.importorskip("keras")

    main(config, entry, tmp_path / "encoder.npz", Teaching(steps=1))
    network = make_network(keras, load_config(config), (64, 64))
    fresh = initialise(network, tmp_path / "encoder.npz").fresh
    assert fresh
    assert all(name.startswith(("decoder", "logits")) for name, _ in fresh)


def test_another_encoder_and_weights_without_an_entry_are_refused(config, data_root, tmp_path):
    loaded, options = load_config(config), {"root": tmp_path, "console": Console(quiet=True)}
    published = data_root / "pretrained/mobilenet_v2_050.npz"
    plain = dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, options={}))
    with pytest.raises(InputError, match="encoder None, expected 'dense_entry'"):
        teach_encoder(plain, published, **options)
    with pytest.raises(InputError, match="got no entry2/kernel for the encoder"):
        teach_encoder(loaded, published, **options)


def test_published_weights_without_a_head_have_no_classes(config, entry, tmp_path):
    headless = tmp_path / "headless.npz"
    np.savez(headless, **{n: v for n, v in np.load(entry).items() if n[:8] != "semantic"})
    loaded, options = load_config(config), {"root": tmp_path, "console": Console(quiet=True)}
    teach_encoder(loaded, headless, teaching=Teaching(steps=1), **options)
    with pytest.raises(InputError, match="got no semantic/kernel for reading classes"):
        teach_encoder(loaded, headless, teaching=Teaching(steps=1, classes=1.0), **options)

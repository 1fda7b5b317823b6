"""New first layers are fitted to what a trained network's own gave the rest."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import keras
import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.weights import get_weights, save_arrays
from edgeseg.training.config_file import load_config
from edgeseg.training.graft import Grafting, graft, main
from edgeseg.training.sources import make_network


@pytest.fixture
def config(dense_entry_config):
    return dense_entry_config(width=0.35, options="expansion = 2")


def trained(config, tmp_path, encoder="fused_entry"):
    """Weights of the network of `config`, and a configuration with another encoder."""
    keras.utils.set_random_seed(0)
    network = make_network(keras, config, (64, 64))
    save_arrays(get_weights(network), tmp_path / "trained.npz")
    options = {**config.model.options, "encoder": encoder}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, options=options))


def test_the_beginning_is_fitted_and_the_rest_kept(config, tmp_path):
    loaded = load_config(config)
    fused = trained(loaded, tmp_path)
    options = {"root": tmp_path, "console": Console(quiet=True)}
    _, first = graft(fused, tmp_path / "trained.npz", grafting=Grafting(steps=1), **options)
    values, left = graft(fused, tmp_path / "trained.npz", grafting=Grafting(steps=60), **options)
    # The mean over all steps, the first among them.
    assert set(left) == {"decoder4_skip", "decoder8_skip", "block06_expand"}
    assert left["block06_expand"] < 0.9 * first["block06_expand"]
    source = np.load(tmp_path / "trained.npz")
    network = make_network(keras, fused, (64, 64))
    assert set(values) == set(get_weights(network))
    for name, value in values.items():
        learned = name.startswith(("entry", "decoder4_skip"))
        if name in source and not learned:
            np.testing.assert_array_equal(value, source[name])
    assert np.abs(values["entry2/kernel"] - source["entry2/kernel"]).max() > 0


def test_blocks_in_the_middle_are_fitted_in_their_place(config, tmp_path):
    path = tmp_path / "trained.npz"
    fused = trained(load_config(config), tmp_path, encoder="fused")
    options = {"root": tmp_path, "console": Console(quiet=True)}
    grafting = Grafting(other="dense_entry", steps=1)
    with pytest.raises(InputError, match="got no entry8"):  # the beginning is another one's
        graft(fused, path, grafting=grafting, **options)
    entry = trained(load_config(config), tmp_path, encoder="fused_entry")
    keras.utils.set_random_seed(0)
    save_arrays(get_weights(make_network(keras, entry, (64, 64))), path)
    first, second = (Grafting(other="fused_entry", steps=steps) for steps in (1, 60))
    _, before = graft(fused, path, grafting=first, **options)
    values, left = graft(fused, path, grafting=second, **options)
    assert left["block13_expand"] < 0.9 * before["block13_expand"]
    assert {"block07_add", "block12_add", "decoder16_skip"} < set(left)
    source = np.load(path)
    assert set(values) == set(get_weights(make_network(keras, fused, (64, 64))))
    for name, value in values.items():
        if name in source and not "block07" <= name[:7] <= "block12":
            np.testing.assert_array_equal(value, source[name])


def test_an_encoder_that_is_not_grafted(config, tmp_path):
    plain = trained(load_config(config), tmp_path, encoder="plain")
    options = {"root": tmp_path, "console": Console(quiet=True)}
    with pytest.raises(InputError, match="encoder: got 'plain', expected one of"):
        graft(plain, tmp_path / "trained.npz", **options)


def test_weights_of_another_network_are_refused(config, tmp_path):
    loaded = load_config(config)
    fused = trained(loaded, tmp_path)
    without = {k: v for k, v in np.load(tmp_path / "trained.npz").items() if "block07" not in k}
    np.savez(tmp_path / "part.npz", **without)
    options = {"root": tmp_path, "console": Console(quiet=True)}
    with pytest.raises(InputError, match="got no block07"):
        graft(fused, tmp_path / "part.npz", grafting=Grafting(steps=1), **options)
    other = Grafting(other="mobilenet_v2", steps=1)
    with pytest.raises(InputError, match="got no stem"):
        graft(fused, tmp_path / "trained.npz", grafting=other, **options)


def test_the_program_writes_the_whole_network(config, tmp_path):
    trained(load_config(config), tmp_path)
    text = config.read_text().replace('"dense_entry"', '"fused_entry"')
    config.write_text(text)
    output = tmp_path / "grafted.npz"
    assert main(config, tmp_path / "trained.npz", output, Grafting(steps=2)) == 0
    assert "entry8_mix_project/kernel" in np.load(output)

"""The encoder of the hourglass is taught to answer as the published one."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.initialise import initialise
from edgeseg.training.config import load_config
from edgeseg.training.encoder import main, teach_encoder
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
    main(config, entry, output, steps=2)
    published, written = np.load(entry), np.load(output)
    # Block 5 is 16 wide at width 0.5: 4 times instead of 6 inside.
    assert written["block05_expand/kernel"].shape == (1, 1, 16, 64)
    assert published["block05_expand/kernel"].shape == (1, 1, 16, 96)
    assert written["block16_project/kernel"].shape == (1, 1, 320, 160)
    assert not any("_bn/" in name for name in written)

    options = {"root": tmp_path, "console": Console(quiet=True)}
    _, at_first = teach_encoder(load_config(config), entry, steps=1, **options)
    _, in_time = teach_encoder(load_config(config), entry, steps=60, **options)
    assert in_time.shape == (4,)
    # The mean over all steps, the first among them.
    assert (in_time < at_first).all()
    assert in_time.sum() < 0.9 * at_first.sum()


def test_a_network_is_initialised_by_what_was_taught_except_its_decoder(config, entry, tmp_path):
    keras = pytest.importorskip("keras")

    main(config, entry, tmp_path / "encoder.npz", steps=1)
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

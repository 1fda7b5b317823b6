"""The dense entry of the hourglass is fitted to what it replaces."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.training.config_file import load_config
from edgeseg.training.entry import fit_entry, main, merge


@pytest.fixture
def config(dense_entry_config):
    return dense_entry_config(width=0.5)


def published(data_root):
    return data_root / "pretrained/mobilenet_v2_050.npz"


def test_the_entry_learns_what_it_replaces_and_joins_the_weights(config, data_root, tmp_path):
    output = tmp_path / "entry.npz"
    main(config, published(data_root), output, steps=5)
    source, written = np.load(published(data_root)), np.load(output)
    assert written["entry4_mix/kernel"].shape == (3, 3, 32, 32)
    assert written["entry4_project/kernel"].shape == (1, 1, 32, 12)
    for name in source:
        np.testing.assert_array_equal(written[name], source[name])

    quiet = Console(quiet=True)
    options = {"root": tmp_path, "console": quiet}
    _, at_first = fit_entry(load_config(config), published(data_root), steps=1, **options)
    _, in_time = fit_entry(load_config(config), published(data_root), steps=60, **options)
    # The mean over all steps, the first among them.
    assert in_time < 0.9 * at_first


def test_another_encoder_and_foreign_weights_are_refused(config, data_root, tmp_path):
    loaded, options = load_config(config), {"root": tmp_path, "console": Console(quiet=True)}
    plain = dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, options={}))
    with pytest.raises(InputError, match="encoder 'mobilenet_v2', expected 'dense_entry'"):
        fit_entry(plain, published(data_root), **options)
    without = {k: v for k, v in np.load(published(data_root)).items() if "block02_p" not in k}
    np.savez(tmp_path / "part.npz", **without)
    with pytest.raises(InputError, match="got no block02_project/kernel for width 0.5"):
        fit_entry(loaded, tmp_path / "part.npz", **options)


def test_a_decoder_is_merged_with_the_projections_before_it():
    rng = np.random.default_rng(0)
    shapes = {"block16_project": (6, 5), "decoder32_reduce": (5, 4)}
    shapes |= {"entry4_project": (3, 2), "decoder4_skip": (2, 4)}
    values = {f"{name}/kernel": rng.normal(size=(1, 1, *shape)) for name, shape in shapes.items()}
    values |= {f"{name}/bias": rng.normal(size=shape[1]) for name, shape in shapes.items()}
    merged = merge(values)
    for first, second in (
        ("block16_project", "decoder32_reduce"),
        ("entry4_project", "decoder4_skip"),
    ):
        x = wanted = rng.normal(size=(7, shapes[first][0]))
        for name in (first, second):
            wanted = wanted @ values[f"{name}/kernel"][0, 0] + values[f"{name}/bias"]
        answer = x @ merged[f"{second}/kernel"][0, 0] + merged[f"{second}/bias"]
        np.testing.assert_allclose(answer, wanted, atol=1e-12)
    assert merge({"block16_project/kernel": np.ones((1, 1, 6, 5))}).keys() == {
        "block16_project/kernel"
    }

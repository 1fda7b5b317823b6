"""Bottlenecks lose the channels that others can stand for."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import dataclasses

import numpy as np
import pytest
from rich.console import Console

from edgeseg.errors import InputError
from edgeseg.models.folding import fold
from edgeseg.models.weights import get_weights, set_weights
from edgeseg.training.config_file import load_config
from edgeseg.training.sources import make_network
from edgeseg.training.thin import choose_channels, main, refit, thin

QUIET = Console(quiet=True)


@pytest.fixture
def config(dense_entry_config):
    return dense_entry_config(width=0.35, options='expansion = 3\nbatch_norm = ["decoder"]')


def network(config, **options):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(3)
    model = dataclasses.replace(config.model, options={**config.model.options, **options})
    return make_network(keras, dataclasses.replace(config, model=model), (64, 64))


def test_the_channels_that_explain_most_are_chosen():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(500, 3))
    # Columns 1 and 4 are mixtures of the others and 5 is constant: three span them all.
    features = np.stack(
        [base[:, 0], base[:, 0] + base[:, 1], base[:, 1], base[:, 2], -base[:, 2], np.ones(500)], 1
    )
    answers = features @ rng.normal(size=(6, 4))
    chosen = choose_channels(features, answers, 3)
    assert list(chosen) == sorted(chosen)
    assert 5 not in chosen
    assert refit(features[:, chosen], answers)[2] < 1e-6
    # A strong channel that nothing behind reads is left out.
    unread = np.concatenate([base, 100 * rng.normal(size=(500, 1))], 1)
    assert list(choose_channels(unread, base @ np.diag([3.0, 2.0, 1.0]), 3)) == [0, 1, 2]
    assert list(choose_channels(unread, base @ np.diag([3.0, 2.0, 0.1]), 2)) == [0, 1]


def test_refit_gives_the_map_its_shift_and_what_is_left():
    rng = np.random.default_rng(1)
    features = rng.normal(2.0, 1.0, (4000, 3))
    kernel, shift = rng.normal(size=(3, 2)), np.array([5.0, -1.0])
    noise = rng.normal(size=(4000, 2))
    found, found_shift, left = refit(features, features @ kernel + shift)
    np.testing.assert_allclose(found, kernel, atol=1e-3)
    np.testing.assert_allclose(found_shift, shift, atol=3e-3)
    assert left < 1e-6
    answers = features @ kernel + shift + noise
    expected = noise.var(0).sum() / answers.var(0).sum()
    assert refit(features, answers)[2] == pytest.approx(expected, rel=0.05)


def test_a_network_with_half_its_channels_silent_answers_as_before(config, tmp_path):
    loaded = load_config(config)
    whole = network(loaded, expansion=6)
    values, rng = get_weights(whole), np.random.default_rng(2)
    for name in [n for n in values if n.startswith("block") and n.endswith("_depthwise/kernel")]:
        width = values[name].shape[2]
        values[name][:, :, rng.permutation(width)[: width // 2]] = 0
    set_weights(whole, values)
    np.savez(tmp_path / "whole.npz", **values)
    output = tmp_path / "slim.npz"
    assert main(config, tmp_path / "whole.npz", output) == 0

    thinned = dict(np.load(output))
    assert not any("_bn/" in name for name in thinned)
    slim = network(loaded, batch_norm=False)
    assert len(set_weights(slim, thinned)) == len(thinned)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    difference = np.asarray(slim(x, training=False)) - np.asarray(whole(x, training=False))
    assert np.abs(difference).max() < 0.01


def test_the_channels_of_other_weights_are_kept_so_that_both_blend(config, tmp_path):
    loaded = load_config(config)
    values = get_weights(network(loaded, expansion=6))
    other, rng = {**values}, np.random.default_rng(4)
    for name in [n for n in values if n.endswith("_depthwise/kernel") and n.startswith("block")]:
        other[name] = values[name] * rng.uniform(0.1, 2, (1, 1, values[name].shape[2], 1))
    np.savez(tmp_path / "a.npz", **values)
    np.savez(tmp_path / "b.npz", **other)
    options = {"root": tmp_path, "console": QUIET}
    a = thin(loaded, tmp_path / "a.npz", **options)
    b = thin(loaded, tmp_path / "b.npz", **options)
    like_a = thin(loaded, tmp_path / "b.npz", as_for=tmp_path / "a.npz", **options)
    # The expanding kernels are the same in both sources: what was chosen shows in them.
    expanding = [name for name in a if name.endswith("_expand/kernel")]
    assert all((like_a[name] == a[name]).all() for name in expanding)
    assert not all((b[name] == a[name]).all() for name in expanding)
    # The kernel behind is fitted to its own weights, not taken over.
    assert np.abs(like_a["block04_project/kernel"] - a["block04_project/kernel"]).max() > 0.01


def test_bottlenecks_between_two_whole_widths_are_thinned_to_and_from(config, tmp_path):
    """At width 0.35 3.5 times 8 are 28 channels; 3.4 times are 27.2, rounded to 28 as well."""
    loaded = load_config(config)
    for wide, narrow, inside in ((6, 3.5, 28), (3.4, 3, 24)):
        np.savez(tmp_path / "wide.npz", **get_weights(network(loaded, expansion=wide)))
        model = dataclasses.replace(
            loaded.model, options={**loaded.model.options, "expansion": narrow}
        )
        there = dataclasses.replace(loaded, model=model)
        thinned = thin(there, tmp_path / "wide.npz", root=tmp_path, console=QUIET)
        assert thinned["block03_expand/kernel"].shape[-1] == inside
        assert len(set_weights(network(there, batch_norm=False), thinned)) == len(thinned)


def test_fused_bottlenecks_stay_as_they_are(config, tmp_path):
    loaded = load_config(config)
    options = {"encoder": "fused", "expansion": 3}
    model = dataclasses.replace(loaded.model, options=options)
    there = dataclasses.replace(loaded, model=model)
    wide = get_weights(network(there, expansion=6))
    np.savez(tmp_path / "wide.npz", **wide)
    thinned = thin(there, tmp_path / "wide.npz", root=tmp_path, console=QUIET)
    assert len(set_weights(network(there), thinned)) == len(thinned)
    narrower = {name.split("_")[0] for name in thinned if thinned[name].shape != wide[name].shape}
    # The decoder has the last one's own projection.
    assert narrower == {"block06", "block13", "block14", "block16", "decoder32"}
    for name in ("entry8_expand/kernel", "block09_expand/kernel"):
        np.testing.assert_array_equal(thinned[name], wide[name])


def test_weights_that_are_no_wider_or_not_whole_are_refused(config, tmp_path):
    loaded = load_config(config)
    values = fold(get_weights(network(loaded)))
    np.savez(tmp_path / "same.npz", **values)
    with pytest.raises(InputError, match="got 24 channels inside block03, expected more than the"):
        thin(loaded, tmp_path / "same.npz", root=tmp_path, console=QUIET)
    wide = get_weights(network(loaded, expansion=6))
    del wide["block07_depthwise/kernel"]
    np.savez(tmp_path / "part.npz", **wide)
    with pytest.raises(InputError, match="got no block07_depthwise/kernel"):
        thin(loaded, tmp_path / "part.npz", root=tmp_path, console=QUIET)
    np.savez(tmp_path / "other.npz", **{"conv/kernel": np.ones((1, 1, 3, 4))})
    with pytest.raises(InputError, match="expected a hourglass's one"):
        thin(loaded, tmp_path / "other.npz", root=tmp_path, console=QUIET)

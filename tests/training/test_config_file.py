"""Configurations from TOML: what is wrong is named, with its place, before anything is made."""

from __future__ import annotations

import pytest

from edgeseg.errors import InputError
from edgeseg.training.config_file import load_config

GOOD = """
name = "x"
validate_every = 10
[data]
root = "."
validation = "val"
[[data.groups]]
folder = "train"
share = 1.0
[[stages]]
steps = 10
size = [64, 64]
batch = 4
rate = [1e-3, 1e-4]
"""


def test_what_is_right_is_read(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(GOOD)
    config = load_config(path)
    assert (config.steps, config.stages[0].size, config.data.groups[0].share) == (10, (64, 64), 1.0)


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        ("batch = 4", "batch = 0", r"stages\[0\]: batch: got 0, expected 1 or more"),
        ("steps = 10", "steps = -5", r"stages\[0\]: steps: got -5"),
        ("size = [64, 64]", "size = [0, 64]", r"stages\[0\]: size: got \[0, 64\]"),
        ("rate = [1e-3, 1e-4]", "rate = [nan, 0.0]", r"stages\[0\]: rate: got \[nan, 0.0\]"),
        ("rate = [1e-3, 1e-4]", "rate = [inf, 0.0]", r"rate: got \[inf, 0.0\], expected a finite"),
        ("batch = 4", "crop = [0.8, inf]", r"crop: got \[0.8, inf\], expected two numbers above 0"),
        (
            'name = "x"',
            'name = "../x"',
            r"name: got '../x', expected the name of a folder in runs/",
        ),
        ('name = "x"', 'name = ".."', r"name: got '..', expected the name of a folder in runs/"),
        ('name = "x"', 'name = ""', r"name: got '', expected the name of a folder in runs/"),
        ("batch = 4", "crop = [1.2, 0.8]", r"crop: got \[1.2, 0.8\], expected two numbers above 0"),
        ("batch = 4", "composite = 1.5", "composite: got 1.5, expected 0 to 1"),
        ("validate_every = 10", "validate_every = 0", "validate_every: got 0"),
        ("validate_every = 10", "checkpoint_every = 0", "checkpoint_every: got 0"),
        ("share = 1.0", "share = -1.0", r"groups\[0\]: share: got -1.0"),
        ("share = 1.0", "share = 0.0", r"data\.groups: got none with a share"),
    ],
)
def test_numbers_out_of_range_are_named(tmp_path, line, wrong, message):
    assert line in GOOD
    path = tmp_path / "x.toml"
    path.write_text(GOOD.replace(line, wrong))
    with pytest.raises(InputError, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("table", "wrong", "message"),
    [
        ("loss", "jaccard = -0.5", r"loss: jaccard: got -0.5, expected 0 or more"),
        ("loss", "class_weights = [1.0, -1.0]", r"loss: class_weights: got \[1.0, -1.0\]"),
        ("loss", "temperature = 0.0", r"loss: temperature: got 0, expected more than 0"),
        ("loss", "boundary_radius = 0", r"loss: boundary_radius: got 0, expected 1 or more"),
        ("loss", "enlarge = 0", r"loss: enlarge: got 0, expected 1 or more"),
        ("data.augment", "flip = 1.5", r"data: augment: flip: got 1.5, expected 0 to 1"),
        ("data.augment", "mosaic = -0.1", r"data: augment: mosaic: got -0.1, expected 0 to 1"),
        ("data.augment", "aspect = 0.0", r"data: augment: aspect: got 0.0, expected 1 or more"),
        ("data.augment", "elastic_grid = 0", r"data: augment: elastic_grid: got 0"),
        ("data.augment", "elastic = nan", r"data: augment: elastic: got nan"),
        ("data.augment", "crop = [0.9, 1.0]", r"augment: got crop, expected it in \[\[stages\]\]"),
        ("data.augment", "composite = 0.0", r"augment: got composite, expected it in"),
        ("data.previous_mask", "empty = 0.9", r"previous_mask: empty, .*: got 1.37 in total"),
        ("data.previous_mask", "wrong = 2.0", r"previous_mask: wrong: got 2, expected 0 to 1"),
        (
            "data.previous_mask",
            "own = 0.5",
            r"previous_mask.own: got 0.5 for a",
        ),
        ("data.border", "sigma = 0.0", r"data: border: sigma: got 0, expected more than 0"),
        ("model", "width = 0.0", r"model: width: got 0, expected more than 0"),
        ("model", "decoder_channels = [8, 0]", r"model: decoder_channels: got \[8, 0\]"),
        ("model", "head_blocks = -1", r"model: head_blocks: got -1, expected 0 or more"),
        ("model", "classes = 0", r"model: classes: got 0, expected 1 or more"),
        ("features", "weight = -1.0", r"features: weight: got -1.0, expected 0 or more"),
        ("features", "channels = 0", r"features: channels: got 0, expected 1 or more"),
        ("hints", "weight = -1.0", r"hints: weight: got -1.0, expected 0 or more"),
        ("optimizer", 'name = "sgdd"', r"optimizer: name: got 'sgdd', expected one of adam, muon"),
    ],
)
def test_numbers_out_of_range_are_named_in_every_table(tmp_path, table, wrong, message):
    path = tmp_path / "x.toml"
    path.write_text(f"{GOOD}\n[{table}]\n{wrong}\n")
    with pytest.raises(InputError, match=message):
        load_config(path)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_numpy_does_not_take_is_named(tmp_path, seed):
    path = tmp_path / "x.toml"
    path.write_text(f"seed = {seed}\n{GOOD}")
    with pytest.raises(InputError, match=f"seed: got {seed}, expected 0 to 4294967295"):
        load_config(path)


def test_a_file_in_another_encoding_is_one_line(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(GOOD.replace("name", "# \u00fc\nname", 1).encode("latin-1"))
    with pytest.raises(InputError, match="got invalid TOML"):
        load_config(path)

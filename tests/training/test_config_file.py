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


def test_a_file_in_another_encoding_is_one_line(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(GOOD.replace("name", "# \u00fc\nname", 1).encode("latin-1"))
    with pytest.raises(InputError, match="got invalid TOML"):
        load_config(path)

"""Samples of plain folders by their names."""

from pathlib import Path

import pytest

from edgeseg.data.folder import Sample


@pytest.mark.parametrize(
    ("name", "family", "chosen"),
    [
        ("ccp_0001", "ccp", ("ccp",)),
        ("IMG1", "photos", ("photos", "IMG1")),
        ("00012", "photos", ("photos", "00012")),
        ("neg12", "photos", ("photos", "neg12")),
        ("IMG_20240101_1", "IMG", ("IMG",)),
    ],
)
def test_names_without_a_prefix_are_one_family(name, family, chosen):
    sample = Sample(Path(f"{name}.jpg"), None)
    assert sample.family == family
    assert all(sample.is_of([one]) for one in chosen)
    assert not sample.is_of(["neg", "other"])

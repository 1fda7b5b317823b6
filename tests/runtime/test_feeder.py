"""The table look-up gives what the arithmetic of preprocessing gives."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg import ModelError, ModelSpec
from edgeseg.preprocess import to_tensor
from edgeseg.runtime.feeder import Feeder
from edgeseg.runtime.interpreter import TensorDetails

FRAME = np.random.default_rng(1).integers(0, 256, (50, 70, 3), np.uint8)
MASK = np.random.default_rng(2).random((16, 16), np.float32)


@pytest.mark.parametrize("colour", ["RGB", "BGR", "GRAY"])
@pytest.mark.parametrize("previous_mask", [False, True])
@pytest.mark.parametrize(("dtype", "scale", "zero"), [("int8", 1 / 127.5, -1), ("float32", 0, 0)])
def test_feeder_equals_preprocess(
    colour: str, previous_mask: bool, dtype: str, scale: float, zero: int
) -> None:
    channels = 1 if colour == "GRAY" else 3
    spec = ModelSpec(
        name="x",
        width=24,
        height=16,
        colour=colour,
        scale=(1 / 127.5, 1 / 60, 1 / 200)[:channels],
        offset=(-1.0, -0.5, -0.2)[:channels],
        previous_mask=previous_mask,
    )
    details = TensorDetails("in", (1, 16, 24, spec.channels), np.dtype(dtype), scale, zero)
    feeder = Feeder(spec, details)
    stored = feeder.tensor(feeder.pixels(FRAME), MASK)
    expected = details.quantize(to_tensor(FRAME, spec, MASK))
    assert stored.dtype == expected.dtype
    assert stored.shape == expected.shape
    np.testing.assert_allclose(stored, expected, atol=1e-6)


def test_spec_that_does_not_fit_the_file() -> None:
    details = TensorDetails("in", (1, 8, 8, 3), np.dtype(np.int8), 1.0, 0)
    with pytest.raises(ModelError, match=r"got an input tensor of \(1, 8, 8, 3\), expected"):
        Feeder(ModelSpec(name="x", width=16, height=8), details)

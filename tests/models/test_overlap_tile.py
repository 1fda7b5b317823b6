"""Overlap-tile inference gives what the network gives on the whole image."""

import keras
import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.models import build
from edgeseg.models.overlap_tile import overlap_tile, stride_of


def test_tiles_of_a_valid_unet_join_without_a_seam():
    keras.utils.set_random_seed(0)
    options = {"classes": 2, "channels": 2, "depth": 2}
    small = build("unet", keras=keras, input_shape=(60, 60, 1), **options)
    whole = build("unet", keras=keras, input_shape=(100, 140, 1), **options)
    whole.set_weights(small.get_weights())
    out_height, out_width = whole.output_shape[1:3]
    image = np.random.default_rng(0).normal(size=(100, 140, 1)).astype(np.float32)
    expected = np.asarray(whole(image[np.newaxis], training=False))[0]

    margin_y, margin_x = (100 - out_height) // 2, (140 - out_width) // 2
    tiled = overlap_tile(
        lambda x: np.asarray(small(x, training=False)),
        image,
        tile=(60, 60),
        output=small.output_shape[1:3],
    )
    assert tiled.shape == (100, 140, 2)
    # Tiles start at multiples of the output's size, pooling at multiples of 4: where these agree,
    # and away from the mirrored border, both compute the same.
    inner = tiled[margin_y:-margin_y, margin_x:-margin_x]
    assert small.output_shape[1] % 4 == 0
    assert margin_y % 4 == 0
    np.testing.assert_allclose(inner, expected, atol=1e-5)


def test_image_smaller_than_a_tile_and_mirror():
    image = np.arange(5 * 3, dtype=np.float32).reshape(5, 3, 1)
    seen = []

    def centre(tile):
        seen.append(tile.shape)
        return tile[:, 2:-2, 2:-2]

    result = overlap_tile(centre, image, tile=(8, 8), output=(4, 4))
    np.testing.assert_array_equal(result, image)
    assert seen == [(1, 8, 8, 1)] * 2


@pytest.mark.parametrize(("height", "mode"), [(5, "reflect"), (2, "reflect"), (1, "edge")])
def test_beyond_the_border_is_the_mirror_image(height, mode):
    image = np.random.default_rng(0).random((height, 4, 1)).astype(np.float32)
    seen = []

    def centre(tile):
        seen.append(tile[0])
        return tile[:, 3:-3, 2:-2]

    result = overlap_tile(centre, image, tile=(8, 10), output=(2, 6))
    np.testing.assert_array_equal(result, image)
    # Two rows of answers to a tile, three rows above them and two columns beside.
    tiles = -(-height // 2)
    below = 2 * tiles + 3 - height
    expected = np.pad(image, ((3, below), (2, 4), (0, 0)), mode=mode)
    assert len(seen) == tiles
    for index, tile in enumerate(seen):
        np.testing.assert_array_equal(tile, expected[2 * index : 2 * index + 8])


@pytest.mark.parametrize("output", [(10, 8), (8, 10)])
def test_an_output_larger_than_the_tile_is_refused(output):
    with pytest.raises(InputError, match="expected an output of at most the tile's size"):
        overlap_tile(lambda tile: tile, np.zeros((8, 8, 1)), tile=(8, 8), output=output)


@pytest.mark.parametrize("tile", [(4, 12), (12, 4)])
def test_a_margin_that_leaves_nothing_on_one_side_is_refused(tile):
    with pytest.raises(InputError, match="a margin below half of it"):
        overlap_tile(lambda tile: tile, np.zeros((8, 8, 1)), tile=tile, margin=2)


def test_margin_drops_the_zero_padded_border():
    image = np.random.default_rng(0).random((11, 9, 2)).astype(np.float32)
    result = overlap_tile(lambda tile: tile, image, tile=(6, 6), margin=2)
    np.testing.assert_array_equal(result, image)
    with pytest.raises(InputError, match="margin 3"):
        overlap_tile(lambda tile: tile, image, tile=(6, 6), margin=3)


@pytest.mark.parametrize(
    ("size", "output", "stride"),
    [
        ((64, 96), (64, 96), 1),
        ((64, 96), (16, 24), 4),
        ((572, 572), (388, 388), 0),
        # Multiples by chance: valid padding took 184 and 40 pixels.
        ((188, 188), (4, 4), 0),
        ((60, 60), (20, 20), 0),
        ((64, 60), (16, 20), 0),
    ],
)
def test_a_stride_is_told_from_valid_padding(size, output, stride):
    assert stride_of(size, output) == stride

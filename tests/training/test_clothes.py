"""Clothes cut out of a drawn figure: what of whoever wears them is left behind."""

import cv2
import numpy as np
import pytest

from edgeseg.training.clothes import HEM, clothes_of

SKIN, COAT, JEANS, WALL = (140, 170, 220), (120, 60, 30), (90, 90, 90), (200, 210, 205)
TOP, HEIGHT = 20, 260  # of whoever stands there, in a photo of 320x220


@pytest.fixture
def figure():
    """A function that draws somebody in a coat: image, mask and the coat, all (320, 220)."""

    def draw(coat=COAT, bottom=TOP + HEIGHT):
        image = np.full((320, 220, 3), WALL, np.uint8)
        mask = np.zeros((320, 220), np.uint8)
        coat_mask = np.zeros_like(mask)
        parts = [
            ((98, TOP), (122, TOP + 38), SKIN),  # head and neck
            ((75, TOP + 39), (145, TOP + 140), coat),
            ((75, TOP + 110), (86, TOP + 140), SKIN),  # hands, before the coat
            ((134, TOP + 110), (145, TOP + 140), SKIN),
            ((84, TOP + 141), (136, bottom), JEANS),
        ]
        for upper_left, lower_right, colour in parts:
            for picture, value in ((image, colour), (mask, 255)):
                cv2.rectangle(picture, upper_left, lower_right, value, -1)
            cv2.rectangle(coat_mask, upper_left, lower_right, 255 if colour == coat else 0, -1)
        return image, mask, coat_mask > 0

    return draw


def seeds(count, image, mask):
    return [clothes_of(np.random.default_rng(seed), image, mask) for seed in range(count)]


def test_the_coat_is_cut_out_without_head_hands_and_legs(figure):
    image, mask, coat = figure()
    alpha = clothes_of(np.random.default_rng(0), image, mask)
    assert alpha.dtype == np.uint8
    assert alpha.shape == mask.shape
    worn = alpha > 127
    # From the first row that is as wide as shoulders, a hundredth of the body below it.
    first = np.flatnonzero(worn.any(axis=1))[0]
    assert abs(first - (TOP + 39 + HEIGHT // 100)) <= 1
    assert not (worn & (image == SKIN).all(axis=-1)).any()
    assert (coat & worn).sum() > 0.7 * coat[: TOP + int(HEM[1] * HEIGHT)].sum()
    # A soft border, and nothing where nobody is.
    assert 0 < ((alpha > 0) & (alpha < 255)).mean() < 0.05
    assert not worn[mask == 0].any()


def test_each_coat_ends_elsewhere_below_and_not_in_a_line(figure):
    image, mask, _ = figure()
    ends = []
    for alpha in seeds(40, image, mask):
        columns = np.flatnonzero((alpha > 127).any(axis=0))[4:-4]
        ends.append([np.flatnonzero(alpha[:, column] > 127)[-1] for column in columns])
    lowest = [(max(end) - TOP) / HEIGHT for end in ends]
    assert min(lowest) > HEM[0] - 0.11
    assert max(lowest) < HEM[1] + 0.02
    assert max(lowest) - min(lowest) > 0.1
    assert np.mean([max(end) - min(end) > 5 for end in ends]) > 0.5


def test_of_several_people_the_largest_gives_the_coat(figure):
    image, mask, _ = figure()
    alone = clothes_of(np.random.default_rng(2), image, mask)
    mask[250:300, 0:30] = 255
    np.testing.assert_array_equal(clothes_of(np.random.default_rng(2), image, mask), alone)


def test_whoever_does_not_stand_there_whole_gives_none(figure):
    image, mask, _ = figure()
    assert clothes_of(np.random.default_rng(0), image, np.zeros_like(mask)) is None
    # A face and shoulders are wider than high; somebody small has too few pixels.
    image, mask, _ = figure(bottom=TOP + 141)
    mask[TOP + 100 :] = 0
    assert clothes_of(np.random.default_rng(0), image, mask) is None
    image, mask, _ = figure()
    small = [cv2.resize(each, None, fx=0.5, fy=0.5) for each in (image, mask)]
    assert clothes_of(np.random.default_rng(0), *small) is None


def test_who_wears_what_looks_like_skin_gives_none(figure):
    image, mask, _ = figure(coat=SKIN)
    assert seeds(5, image, mask) == [None] * 5
    image, mask, _ = figure(coat=(160, 190, 200))  # beige
    assert all(alpha is not None for alpha in seeds(5, image, mask))

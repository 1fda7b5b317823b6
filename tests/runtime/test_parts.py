"""Wide and high pictures in parts: where the parts lie, what they make together, who is found."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import pytest

from edgeseg import Segmenter
from edgeseg.metrics import iou
from edgeseg.runtime.focus import GLANCE_EVERY
from edgeseg.runtime.parts import LONGEST, STRETCH, joined, parts_of
from edgeseg.runtime.region import Region

CELLS = (32, 32)


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        ((1920, 1080), 1.0),
        ((200, 100), 1.0),
        ((100, 200), 1.0),
        ((300, 100), 3.0),
        ((250, 100), 2.0),
        ((90, 160), 1.67),
    ],
)
def test_what_is_not_far_from_square_or_of_the_networks_shape_is_seen_whole(size, aspect) -> None:
    assert parts_of(*size, aspect=aspect, cells=CELLS) == []


@pytest.mark.parametrize("shape", [2.3, 3.5, 5.0, 10.0])
@pytest.mark.parametrize("aspect", [1.0, 1.6])
def test_parts_overlap_by_half_and_are_hardly_squeezed(shape: float, aspect: float) -> None:
    parts = parts_of(round(1000 * shape), 1000, aspect=aspect, cells=CELLS)
    begins = np.array([part.left for part in parts])
    (width,) = {part.width for part in parts}
    assert begins[0] == 0
    assert begins[-1] + width == pytest.approx(1)
    assert np.diff(begins).max() <= width / 2 + 0.5 * width / 32
    assert shape * width / aspect == pytest.approx(STRETCH, rel=1 / 32)
    # On the cells of the parts' masks.
    np.testing.assert_allclose(begins / width * 32, np.round(begins / width * 32), atol=1e-6)
    assert {(part.top, part.height) for part in parts} == {(0.0, 1.0)}


def test_a_strip_has_no_more_parts_than_a_panorama() -> None:
    assert len(parts_of(100_000, 2, aspect=1.0, cells=CELLS)) == 2 * LONGEST - 1
    panorama = parts_of(20_000, 1000, aspect=1.0, cells=CELLS)
    assert len(panorama) == 2 * LONGEST - 1
    assert panorama[-1].left + panorama[-1].width == pytest.approx(1)


def test_high_pictures_have_parts_one_above_the_other() -> None:
    across = parts_of(350, 100, aspect=1.0, cells=CELLS)
    down = parts_of(100, 350, aspect=1.0, cells=CELLS)
    assert [Region(p.top, p.left, p.height, p.width) for p in down] == across


@pytest.mark.parametrize("size", [(350, 100), (100, 350)])
def test_what_parts_agree_on_is_what_the_whole_shows(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.uniform(size=(6, 6)).astype(np.float32), (size[0], size[1]))
    parts = parts_of(*size, aspect=1.0, cells=CELLS)
    each = [cv2.resize(p.cut(picture), CELLS, interpolation=cv2.INTER_AREA) for p in parts]
    whole = joined([one[..., np.newaxis] for one in each], parts, CELLS)
    assert whole.shape == (32, 32, 1)
    expected = cv2.resize(picture, CELLS, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(whole[..., 0], expected, atol=0.03)


def test_the_middle_of_a_part_counts_more_than_the_end_of_another() -> None:
    parts = [Region(0.0, 0.0, 0.5, 1.0), Region(0.25, 0.0, 0.5, 1.0), Region(0.5, 0.0, 0.5, 1.0)]
    none, all_ = np.zeros((8, 8, 1), np.float32), np.ones((8, 8, 1), np.float32)
    whole = joined([none, all_, none], parts, (16, 8))[0, :, 0]
    assert (whole[:4] == 0).all()
    np.testing.assert_allclose(whole[4:8], [0.125, 0.375, 0.625, 0.875], atol=1e-6)
    np.testing.assert_array_equal(whole, whole[::-1])


# In use ------------------------------------------------------------------------


def broad(stored: np.ndarray) -> np.ndarray:
    """What is bright in at least five columns and rows: a network that misses thin people."""
    mask = np.clip((stored[0, ..., 0] - 60) / 140, 0.0, 1.0)
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))[None, ..., None]


@pytest.fixture
def panorama(segmenter_seeing):
    """A segmenter whose network is `broad`, and that network."""
    return functools.partial(segmenter_seeing, broad)


def people(*lefts: int, size: tuple[int, int] = (1120, 320)) -> np.ndarray:
    """A dark frame with somebody bright, 110 pixels wide and 200 high, at each of `lefts`."""
    frame = np.full((size[1], size[0], 3), 60, np.uint8)
    for left in lefts:
        frame[60:260, left : left + 110] = 200
    return frame


def test_somebody_in_a_wide_frame_is_found_wherever_he_is(panorama, caplog) -> None:
    count = len(parts_of(1120, 320, aspect=1.0, cells=CELLS))
    for left in range(0, 1011, 101):
        segmenter, fake = panorama()
        calls, frame = fake.calls, people(left)
        assert iou(segmenter.segment(frame) > 0.5, frame[..., 0] > 127) > 0.85
        assert fake.calls == calls + count + 1, "each part, and then a window"
    assert not caplog.records
    squeezed, fake = panorama(focus=False)
    assert not (squeezed.segment(people(505)) > 0.5).any()
    assert "squeezed 3.5 times" in caplog.text


def test_glances_have_parts_as_well(panorama) -> None:
    segmenter, fake = panorama()
    count = len(parts_of(1120, 320, aspect=1.0, cells=CELLS))
    segmenter.segment(people(300))
    calls = fake.calls
    for _ in range(GLANCE_EVERY):
        mask = segmenter.segment(people(300, 800))
    assert fake.calls == calls + GLANCE_EVERY + count
    assert not (mask[:, 800:910] > 0.5).any()
    mask = segmenter.segment(people(300, 800))
    assert (mask[100:220, 830:880] > 0.5).all()


def test_people_at_both_ends_are_seen_in_every_frame(panorama) -> None:
    segmenter, _ = panorama()
    frame = people(20, 1000)
    for _ in range(GLANCE_EVERY):
        assert iou(segmenter.segment(frame) > 0.5, frame[..., 0] > 127) > 0.7


def test_parts_are_given_their_part_of_the_mask_before(
    fake_model, fake_interpreter, on_cpu
) -> None:
    ramp = np.linspace(0.6, 0.9, 32, dtype=np.float32)

    def answer(stored: np.ndarray) -> np.ndarray:
        before = stored[..., 3:]
        return before + ramp[:, np.newaxis] * (before == 0)

    on_cpu(fake_interpreter(answer, channels=4))
    segmenter = Segmenter(
        fake_model(previous_mask=True), delegate="cpu", temporal="none", refine=False
    )
    high = np.full((700, 200, 3), 60, np.uint8)
    first = segmenter.segment(high)
    np.testing.assert_allclose(segmenter.segment(high), first, atol=0.05)
    assert first.std() > 0.05

"""Where the network looks: regions and masks by numbers, people who come and go, real video."""

from __future__ import annotations

import functools
from dataclasses import astuple

import cv2
import numpy as np
import pytest

from edgeseg import InputError, Segmenter
from edgeseg.metrics import iou
from edgeseg.runtime.audit import AUDIT_EVERY
from edgeseg.runtime.focus import GLANCE_EVERY, PATIENCE, STRETCH, Focus, occupied
from edgeseg.runtime.region import WHOLE, Box, Region

FRAME = (640, 360)
# A quarter of the frame's columns and half of its rows, for a mask of 8 x 8 cells.
PART = Region(0.25, 0.5, 8 / 32, 8 / 16)


def mask_of(*boxes: Box, region: Region = WHOLE, side: int = 72) -> np.ndarray:
    """The mask of a network that sees `region` of a frame with people in `boxes`."""
    whole = np.zeros((720, 1280), np.float32)
    for box in boxes:
        top, bottom = round(box.top * 720), round(box.bottom * 720)
        whole[top:bottom, round(box.left * 1280) : round(box.right * 1280)] = 1
    return cv2.resize(region.cut(whole), (side, side), interpolation=cv2.INTER_AREA)


def follow(focus: Focus, *boxes: Box, frames: int = 1) -> Region:
    """What the focus looks at after so many frames with people in `boxes`."""
    for _ in range(frames):
        if focus.glance_due():
            focus.glanced(mask_of(*boxes))
        focus.follow(mask_of(*boxes, region=focus.region), FRAME)
    return focus.region


# Regions ----------------------------------------------------------------------


def test_cut_and_placed_belong_together() -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    assert PART.cut(frame).shape == (180, 160, 3)
    scores = np.random.default_rng(0).uniform(size=(8, 8, 2)).astype(np.float32)
    whole = PART.placed(scores)
    assert whole.shape == (16, 32, 2)
    np.testing.assert_array_equal(whole[8:16, 8:16], scores)
    assert whole.sum() == pytest.approx(scores.sum(), rel=1e-5)
    assert WHOLE.placed(scores) is scores


def test_moved_shows_the_same_places_of_the_frame() -> None:
    other = Region(0.3, 0.4, 0.5, 0.45)
    column, row = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(48) + 0.5) / 48)

    def places(region: Region) -> np.ndarray:
        across, down = region.left + column * region.width, region.top + row * region.height
        return np.stack([across, down], axis=-1).astype(np.float32)

    begin = Region(0.25, 0.35, 0.6, 0.6)
    moved = begin.moved(places(begin), other, border=cv2.BORDER_CONSTANT)
    # OpenCV interpolates between 32 places of a pixel.
    np.testing.assert_allclose(moved, places(other), atol=0.6 / 48 / 32)
    away = begin.moved(places(begin), Region(0.0, 0.0, 0.2, 0.2), border=cv2.BORDER_CONSTANT)
    assert away.max() == 0


def test_contains() -> None:
    assert PART.contains(PART.box)
    assert PART.contains(Box(0.3, 0.5, 0.4, 1.0))
    assert not PART.contains(Box(0.3, 0.4, 0.4, 1.0))
    assert not PART.contains(Box(0.3, 0.6, 0.52, 0.9))
    above = Region(0.25, 0.0, 0.25, 0.5)
    assert above.contains(Box(0.3, 0.0, 0.4, 0.5))
    assert not above.contains(Box(0.3, 0.0, 0.4, 0.52))
    assert not above.contains(Box(0.2, 0.0, 0.4, 0.5))


def test_united_is_around_both() -> None:
    one, other = Box(0.1, 0.6, 0.3, 0.9), Box(0.2, 0.5, 0.4, 0.7)
    assert one.united(other) == other.united(one) == Box(0.1, 0.5, 0.4, 0.9)
    assert one.united(None) == one


# The choice -------------------------------------------------------------------


def test_occupied_is_around_all_people_and_no_specks() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[20:40, 10:20] = mask[60:70, 50:90] = 1
    mask[95:97, 95:97] = 1
    assert astuple(occupied(mask, WHOLE)) == pytest.approx((0.1, 0.2, 0.9, 0.7))
    found = occupied(mask, Region(0.5, 0.0, 0.5, 1.0))
    assert astuple(found) == pytest.approx((0.55, 0.2, 0.95, 0.7))
    assert occupied(np.full((100, 100), 0.4, np.float32), WHOLE) is None
    wide = np.zeros((50, 100), np.float32)
    wide[10:20, 60:80] = 1
    assert astuple(occupied(wide, WHOLE)) == pytest.approx((0.6, 0.2, 0.8, 0.4))


@pytest.mark.parametrize("frame", [(640, 360), (360, 640), (480, 480)])
@pytest.mark.parametrize("cells", [(72, 72), (96, 54), (48, 80)])
def test_a_region_leaves_room_around_and_is_not_stretched(frame, cells) -> None:
    """All boxes of a grid; what is not looked at closer would be nearly all of the frame."""
    aspect, closer = cells[0] / cells[1], 0
    for left, top, width, height in np.ndindex(4, 4, 4, 4):
        width, height = 0.05 + 0.15 * width, 0.1 + 0.15 * height
        left, top = left / 3 * (1 - width), top / 3 * (1 - height)
        mask = np.zeros((cells[1] * 4, cells[0] * 4), np.float32)
        Region(left, top, width, height).cut(mask)[:] = 1
        seen = occupied(mask, WHOLE)
        focus = Focus(cells, aspect)
        focus.start(mask, frame)
        region = focus.region
        room = 0.35 * max((seen.right - seen.left) * frame[0], (seen.bottom - seen.top) * frame[1])
        across, down = room / frame[0], room / frame[1]
        wanted = [
            max(0, seen.left - across),
            max(0, seen.top - down),
            min(1, seen.right + across),
            min(1, seen.bottom + down),
        ]
        # A region begins on a border of cells: up to half of one is missing.
        half = 0.5 / np.array(cells)
        assert region.left <= wanted[0] + half[0]
        assert region.top <= wanted[1] + half[1]
        assert region.left + region.width >= wanted[2] - half[0]
        assert region.top + region.height >= wanted[3] - half[1]
        assert 0 <= region.left <= region.left + region.width <= 1 + 1e-9
        assert 0 <= region.top <= region.top + region.height <= 1 + 1e-9
        if region == WHOLE:
            continue
        closer += 1
        assert region.area <= 0.85 + 1e-9
        pixels = region.width * frame[0], region.height * frame[1]
        assert min(pixels) >= 0.8 * min(frame) - 1e-6
        stretch = pixels[0] / pixels[1] / aspect
        # Where a side is all of the frame, no stretch could be taken from it.
        if max(region.width, region.height) < 1:
            assert 3 / 4 - 0.03 < stretch < 4 / 3 + 0.03
    assert closer > 20


def test_a_glance_leaves_its_mask_as_it_is() -> None:
    focus, person, other = Focus((72, 72), 1.0), Box(0.1, 0.3, 0.2, 0.8), Box(0.85, 0.3, 0.95, 0.8)
    follow(focus, person, frames=PATIENCE)
    whole = mask_of(person, other)
    given = whole.copy()
    focus.glanced(given)
    np.testing.assert_array_equal(given, whole)


def test_looks_closer_at_somebody_small_after_a_moment() -> None:
    focus, person = Focus((72, 72), 1.0), Box(0.45, 0.4, 0.55, 0.8)
    assert follow(focus, person, frames=PATIENCE - 1) == WHOLE
    region = follow(focus, person)
    assert region.area < 0.5
    assert region.contains(person)
    stretch = region.width * FRAME[0] / (region.height * FRAME[1])
    assert 1 / STRETCH - 0.03 < stretch < STRETCH + 0.03
    for part in (72 / region.width, 72 / region.height):
        assert part == pytest.approx(round(part), abs=1e-6)
    assert follow(focus, person, frames=3) == region, "it stays while nothing moves"


def test_moves_at_once_where_somebody_comes_near_its_border() -> None:
    focus = Focus((72, 72), 1.0)
    before = follow(focus, Box(0.45, 0.4, 0.55, 0.8), frames=PATIENCE)
    stepped = Box(0.6, 0.4, 0.7, 0.8)
    after = follow(focus, stepped)
    assert after.left > before.left
    assert after.contains(stepped)


def test_looks_at_everything_when_nobody_is_left_and_after_reset() -> None:
    focus, person = Focus((72, 72), 1.0), Box(0.45, 0.4, 0.55, 0.8)
    assert follow(focus, person, frames=PATIENCE) != WHOLE
    assert follow(focus) == WHOLE
    assert follow(focus, person, frames=PATIENCE) != WHOLE
    focus.reset()
    assert focus.region == WHOLE


def test_somebody_who_fills_the_frame_is_not_cut() -> None:
    assert follow(Focus((72, 72), 1.0), Box(0.1, 0.1, 0.9, 1.0), frames=PATIENCE) == WHOLE


def test_a_glance_finds_who_comes_in_elsewhere() -> None:
    focus, person, other = Focus((72, 72), 1.0), Box(0.1, 0.3, 0.2, 0.8), Box(0.85, 0.3, 0.95, 0.8)
    region = follow(focus, person, frames=PATIENCE)
    assert not region.contains(other)
    regions = [follow(focus, person, other) for _ in range(GLANCE_EVERY + 1)]
    assert regions[-1].contains(person)
    assert regions[-1].contains(other)
    assert regions[0] == region, "it cannot know before it glances"


# In the segmenter -------------------------------------------------------------


def soft(stored: np.ndarray) -> np.ndarray:
    """How much of each pixel is bright in the frames of `bright`."""
    return np.clip((stored[..., :1] - 60) / 140, 0.0, 1.0)


@pytest.fixture
def wide(segmenter_seeing):
    """A segmenter whose network finds what is bright in 32x32 pixels, and that network."""
    return functools.partial(segmenter_seeing, soft)


def bright(*places: tuple[int, int, int, int]) -> np.ndarray:
    """A dark frame 640x360 with bright rectangles (left, top, right, bottom)."""
    frame = np.full((360, 640, 3), 60, np.uint8)
    for left, top, right, bottom in places:
        frame[top:bottom, left:right] = 200
    return frame


def middle(mask: np.ndarray) -> np.ndarray:
    """Mean column and row of what is set."""
    return np.argwhere(mask).mean(axis=0)[::-1]


def test_the_mask_gets_finer(wide) -> None:
    """Cells of 20 x 11 pixels become ones of 11 x 9."""
    means = {}
    for focus in (True, False):
        segmenter, _ = wide(focus=focus)
        found = []
        for shift in range(0, 60, 7):
            frame = bright((303 + shift, 121, 347 + shift, 263))
            for _ in range(PATIENCE + 1):
                mask = segmenter.segment(frame)
            assert mask.shape == (360, 640)
            found.append(iou(mask > 0.5, frame[..., 0] > 127))
        means[focus] = np.mean(found)
    assert means[True] > max(0.94, means[False] + 0.02)


@pytest.mark.parametrize("temporal", ["none", "ema", "blend", "flow"])
def test_the_mask_stays_in_place(wide, temporal: str) -> None:
    segmenter, _ = wide(temporal=temporal)
    frame = bright((303, 121, 347, 263))
    for _ in range(PATIENCE + 8):
        mask = segmenter.segment(frame)
        np.testing.assert_allclose(middle(mask > 0.5), middle(frame[..., 0] > 127), atol=3)


def test_a_filter_blends_in_place_while_the_region_moves(wide) -> None:
    """Somebody who grows: the mask of before is that of the same place, at every step."""
    frames = [bright((303 - 6 * i, 121 - 4 * i, 347 + 6 * i, 263)) for i in range(14)]
    means = {}
    for temporal in ("none", "ema"):
        segmenter, _ = wide(temporal=temporal)
        masks = [segmenter.segment(frame) for frame in frames]
        assert segmenter.resets["cut"] == 0
        means[temporal] = masks
    for number in range(1, len(frames)):
        # A moving average of half and half, of masks that a change of region resamples.
        share = 0.5 ** np.arange(number + 1)
        share[-1] *= 2
        past = means["none"][number::-1]
        expected = sum(weight / 2 * mask for weight, mask in zip(share, past))
        assert np.abs(means["ema"][number] - expected).mean() < 0.01


def test_a_newcomer_appears_within_some_frames(wide) -> None:
    segmenter, fake = wide()
    person, other = (100, 100, 160, 250), (540, 120, 600, 260)
    for _ in range(PATIENCE + 1):
        segmenter.segment(bright(person))
    calls = fake.calls
    seen = [segmenter.segment(bright(person, other))[190, 570] > 0.5 for _ in range(12)]
    assert seen[-1]
    assert not seen[0]
    assert fake.calls == calls + 12 + 1, "one glance"


def test_glances_come_as_often_as_asked(wide) -> None:
    person, other = (100, 100, 160, 250), (540, 120, 600, 260)
    for every in (1, 3):
        segmenter, fake = wide(glance_every=every)
        for _ in range(PATIENCE + 1):
            segmenter.segment(bright(person))
        segmenter.reset()
        segmenter.segment(bright(person))
        calls, seen = fake.calls, []
        for _ in range(2 * (every + 1)):
            seen.append(segmenter.segment(bright(person, other))[190, 570] > 0.5)
        # The frame without them is the first of so many; what a glance finds shows a frame later.
        assert seen.index(True) == every
        assert fake.calls == calls + len(seen) + 1, "one glance"
    with pytest.raises(InputError, match="glance_every"):
        wide(glance_every=0)


def test_frames_that_are_squeezed_too_much_are_told_once(wide, caplog) -> None:
    """Where they are not looked at in parts."""
    segmenter, _ = wide(focus=False)
    segmenter.segment(np.full((120, 260, 3), 60, np.uint8))
    segmenter.segment(np.full((260, 120, 3), 60, np.uint8))
    assert not caplog.records, "16:9 upright and 2.2:1 are not too much"
    for size in ((120, 300), (300, 120)):
        segmenter.reset()
        segmenter.segment(np.full((*size, 3), 60, np.uint8))
    (record,) = caplog.records
    assert "frames of 300x120 are squeezed 2.5 times" in record.getMessage()
    for size, parts in (((72, 384), "3 parts side by side"), ((384, 72), "3 parts one above")):
        caplog.clear()
        wide(focus=False)[0].segment(np.full((*size, 3), 60, np.uint8))
        assert f"cut them into {parts}" in caplog.text


def test_a_photo_is_looked_at_twice_where_somebody_in_it_is_small(wide) -> None:
    frame = bright((303, 121, 347, 263))
    truth = frame[..., 0] > 127
    (twice, fake), (once, _) = wide(), wide(focus=False)
    calls = fake.calls
    found = twice.segment(frame) > 0.5
    assert fake.calls == calls + 2
    assert iou(found, truth) > iou(once.segment(frame) > 0.5, truth) + 0.02
    large = bright((40, 20, 600, 340))
    twice.reset()
    twice.segment(large)
    assert fake.calls == calls + 3, "one look is enough at somebody who fills the photo"
    twice.reset()
    np.testing.assert_array_equal(twice.segment(frame) > 0.5, found)


def test_a_cut_is_seen_whole_at_once(wide) -> None:
    segmenter, _ = wide(temporal="flow")
    for _ in range(PATIENCE + 1):
        segmenter.segment(bright((100, 100, 160, 250)))
    other = 255 - bright((540, 120, 600, 260))
    mask = segmenter.segment(other)
    assert segmenter.resets["cut"] == 1
    assert iou(mask > 0.5, other[..., 0] > 127) > 0.9


def test_what_follows_a_reset_is_no_cut(wide) -> None:
    segmenter, _ = wide(temporal="flow")
    frame = bright((100, 100, 160, 250))
    segmenter.segment(frame)
    segmenter.reset()
    segmenter.segment(255 - frame)
    assert segmenter.resets == {"asked": 1}


def test_frames_of_another_shape_begin_a_scene_and_those_of_another_size_do_not(wide) -> None:
    """The part of a wide frame that was looked at is another one of an upright frame."""
    segmenter, _ = wide(temporal="flow")
    frame = bright((400, 100, 460, 250))
    for scale in (1, 1, 1, 0.5, 1.5):
        segmenter.segment(cv2.resize(frame, None, fx=scale, fy=scale))
    assert segmenter.resets["cut"] == 0
    upright = np.ascontiguousarray(frame[:, 200:440])
    mask = segmenter.segment(upright)
    assert segmenter.resets["cut"] == 1
    assert iou(mask > 0.5, upright[..., 0] > 127) > 0.9
    segmenter.reset()
    segmenter.segment(frame)
    assert segmenter.resets["cut"] == 1, "after a reset there is nothing to be compared with"


def test_a_region_that_grows_is_no_cut(wide) -> None:
    """What comes into view is bright, as bright as another scene might be."""
    segmenter, _ = wide(temporal="flow")
    frames = [bright((300, 100, 330, 250)) for _ in range(PATIENCE + 1)]
    frames += [bright((300 + 8 * i, 100, 330 + 8 * i, 250)) for i in range(30)]
    for frame in frames:
        frame[:, 560:] = 120  # a wall
        mask = segmenter.segment(frame)
    assert segmenter.resets["cut"] == 0
    np.testing.assert_allclose(middle(mask > 0.5), middle(frames[-1][..., 0] > 127), atol=2)


def test_an_audit_leaves_the_mask_in_place(fake_model, fake_interpreter, on_cpu) -> None:
    """A ghost beside somebody who stays; it goes, and they are where they were."""

    def haunted(stored: np.ndarray) -> np.ndarray:
        return np.maximum(soft(stored), stored[..., 3:] > 0.5)

    on_cpu(fake_interpreter(haunted, channels=4))
    segmenter = Segmenter(
        fake_model(previous_mask=True), delegate="cpu", temporal="none", refine=False
    )
    for step in range(7):  # slowly, so that it is no cut
        segmenter.segment(bright((240 + 10 * step, 100, 400 - 10 * step, 300)))
    frame = bright((300, 100, 340, 300))
    for _ in range(AUDIT_EVERY + 1):
        mask = segmenter.segment(frame)
    assert segmenter.resets["audit"] == 1
    np.testing.assert_allclose(middle(mask > 0.5), middle(frame[..., 0] > 127), atol=3)


def test_frames_may_change_their_size(wide) -> None:
    segmenter, _ = wide()
    for _ in range(PATIENCE + 1):
        segmenter.segment(bright((300, 100, 340, 250)))
    small = cv2.resize(bright((300, 100, 340, 250)), (320, 180), interpolation=cv2.INTER_AREA)
    mask = segmenter.segment(small)
    assert mask.shape == (180, 320)
    assert iou(mask > 0.5, small[..., 0] > 127) > 0.85
    with pytest.raises(InputError, match="frame: got"):
        segmenter.segment(small[..., 0])


def test_several_labels_are_looked_for_everywhere(
    fake_model, fake_interpreter, honest, on_cpu
) -> None:
    on_cpu(fake_interpreter(lambda stored: np.full((1, 32, 32, 2), 0.5), classes=2))
    assert not Segmenter(fake_model(labels=("a", "b")), delegate="cpu").focuses
    on_cpu(fake_interpreter(honest))
    assert Segmenter(fake_model(), delegate="cpu").focuses
    assert not Segmenter(fake_model(), delegate="cpu", focus=False).focuses


def test_people_far_away_are_found_better(data_root) -> None:
    """Measured over the whole sequence: 0.82 with focus, 0.75 without."""
    folder = data_root / "video/hockey"
    means = {}
    for focus in (True, False):
        with Segmenter(delegate="cpu", threads=1, focus=focus) as segmenter:
            found = []
            for path in sorted((folder / "images").glob("*.jpg"))[:40]:
                mask = segmenter.segment(cv2.imread(str(path))) > 0.5
                truth = cv2.imread(str(folder / f"masks/{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
                found.append(iou(mask, truth > 127))
        means[focus] = np.mean(found)
    assert means[True] > means[False] + 0.03


@pytest.mark.parametrize("side", [1, 2])
def test_a_part_of_a_tiny_frame_has_a_pixel(side: int) -> None:
    frame = np.zeros((side, side, 3), np.uint8)
    for begin in np.linspace(0, 0.75, 13):
        assert Region(begin, begin, 0.25, 0.25).cut(frame).size > 0

"""Pictures of several photos: what of each is seen where, in the image and in its mask."""

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg.data import composition
from edgeseg.data.augment import AugmentConfig
from edgeseg.data.composition import pasted
from edgeseg.data.example import Example
from edgeseg.data.folder import Group, Sample
from edgeseg.data.pipeline import Pipeline
from edgeseg.errors import InputError
from edgeseg.spec import ModelSpec

STILL = AugmentConfig(
    crop=(1.0, 1.0), aspect=1.0, rotation=0, flip=0, brightness=0, contrast=0, gamma=0, colour=0,
    saturation=0, low_light=0, noise=0, blur=0, jpeg=0, grey=0, composite=0, paste=0,
)  # fmt: skip
SPEC = ModelSpec("t", 96, 64, scale=(1.0,) * 3, offset=(0.0,) * 3)
MIDDLE = (slice(20, 44), slice(36, 60))  # 24 by 24 pixels of a photo


@pytest.fixture
def photo(tmp_path):
    """A function that writes a photo from its image, and its mask where there is one."""

    def write(name, image, mask=None):
        image = np.broadcast_to(np.asarray(image, np.uint8), (64, 96, 3))
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
        if mask is None:
            return Sample(tmp_path / f"{name}.png", None)
        mask = np.broadcast_to(np.asarray(mask, np.uint8), (64, 96))
        cv2.imwrite(str(tmp_path / f"{name}_mask.png"), mask)
        return Sample(tmp_path / f"{name}.png", tmp_path / f"{name}_mask.png")

    return write


@pytest.fixture
def person(photo):
    """White, a square in the middle of a blue photo."""
    image, mask = np.full((64, 96, 3), (255, 0, 0)), np.zeros((64, 96))
    image[MIDDLE], mask[MIDDLE] = 255, 255
    return photo("person", image, mask)


def batch_of(samples, size, places=(), **augment):
    """RGB (N, 64, 96, 3) and masks (N, 64, 96), 0 to 255, of samples drawn alike."""
    groups = tuple(Group(str(i), (sample,)) for i, sample in enumerate(samples))
    augment = dataclasses.replace(STILL, **augment)
    pipeline = Pipeline(groups, tuple(places), SPEC, output_stride=1, seed=3, augment=augment)
    batch = pipeline.batch(0, size)
    return batch.pixels.astype(int), batch.labels[..., 0].astype(int)


def largest(mask):
    """Pixels of the largest piece of a mask."""
    pieces = cv2.connectedComponentsWithStats((mask > 127).astype(np.uint8))[2]
    return pieces[1:, cv2.CC_STAT_AREA].max()


def test_things_are_the_places_that_people_are_put_into(samples, tmp_path):
    cv2.imwrite(str(tmp_path / "thing.png"), np.full((64, 96, 3), (0, 0, 255), np.uint8))
    cv2.imwrite(str(tmp_path / "room.png"), np.zeros((64, 96, 3), np.uint8))
    thing, room = (Sample(tmp_path / name, None) for name in ("thing.png", "room.png"))
    spec = ModelSpec("t", 96, 64, scale=(1.0,) * 3, offset=(0.0,) * 3)
    groups = (Group("people", samples), Group("things", (thing,), share=1e-9))

    def red_outside(things):
        augment = dataclasses.replace(STILL, composite=1.0, things=things)
        batch = Pipeline(groups, (room,), spec, output_stride=1, augment=augment).batch(0, 8)
        outside = batch.truth[..., 0] == 0
        return batch.tensor[..., 0][outside].mean(), batch.tensor[..., 1][outside].mean()

    assert red_outside(0.0) == (0, 0)
    assert red_outside(1.0) == (255, 0)
    assert 60 < red_outside(0.5)[0] < 200
    with pytest.raises(InputError, match=r"augment\.things"):
        Pipeline(groups[:1], (), spec, augment=dataclasses.replace(STILL, things=1.0))


def test_things_are_put_nowhere(photo):
    thing, place = photo("thing", (0, 0, 255)), photo("place", 0)
    images, masks = batch_of([thing], 8, [place], composite=1.0)
    assert (images == (255, 0, 0)).all()
    assert (masks == 0).all()


def test_pictures_of_several_photos_come_as_often_as_asked_for(photo, person):
    room, light = photo("room", 0), photo("light", 255)
    images, _ = batch_of([person], 400, [room], composite=0.3)
    blue = images[:, 0, 0, 2] == 255
    assert blue.mean() == pytest.approx(0.7, abs=0.07)
    images, _ = batch_of([room, person], 800, paste=0.6)
    # Of photos of the room, onto which a room is pasted as often as a person.
    seen = images[images[:, 0, 0, 2] == 0].max((1, 2, 3)) == 255
    assert seen.mean() == pytest.approx(0.3, abs=0.07)
    images, _ = batch_of([room, light], 400, mosaic=0.4)
    # One in eight mosaics of four photos that are dark or bright is all dark or all bright.
    mixed = images.max((1, 2, 3)) != images.min((1, 2, 3))
    assert mixed.mean() == pytest.approx(0.4 * 7 / 8, abs=0.07)


def test_people_and_places_are_lit_apart(photo):
    left = np.where(np.arange(96) < 48, 255, 0)
    someone, place = photo("someone", 128, left), photo("place", 128)
    images, masks = batch_of([someone], 200, [place], composite=1.0, brightness=0.4)
    people = np.array([image[mask == 255][:, 0].mean() for image, mask in zip(images, masks)])
    places = np.array([image[mask == 0][:, 0].mean() for image, mask in zip(images, masks)])
    # The whole picture is up to 51 brighter or darker, and the person as much again.
    assert np.abs(places - 128).max() == pytest.approx(51, abs=2)
    assert np.abs(people - places).max() == pytest.approx(51, abs=2)
    assert np.abs(np.corrcoef(people - places, places)[0, 1]) < 0.2


def test_places_are_seen_from_half_their_side_to_a_little_beyond(photo, person):
    # Brighter by 240 from left to right; mirrored beyond, so that steps keep their size.
    place = photo("place", np.linspace(0, 240, 96)[:, None])
    images, masks = batch_of([person], 100, [place], composite=1.0)
    assert (masks[:, 4].max(1) == 0).all()
    steps = np.abs(np.diff(images[:, 4, :, 1], axis=1)).mean(1)
    shares = steps / (240 / 95)
    assert min(shares) == pytest.approx(0.5, abs=0.05)
    assert max(shares) == pytest.approx(1.1, abs=0.05)


def pasted_of(sample, count):
    """The sample pasted `count` times onto black with a green edge, which has a mask."""
    pipeline = Pipeline((Group("g", (sample,)),), (), SPEC, augment=STILL)
    image, mask = np.zeros((64, 96, 3), np.uint8), np.zeros((64, 96), np.uint8)
    image[:, :8, 1], mask[:, :8] = 255, 255
    example, rng = Example(image, mask), np.random.default_rng(0)
    return example, [pasted(rng, pipeline, example) for _ in range(count)]


def test_whoever_is_pasted_brings_nothing_else_and_hides_no_mask(person):
    example, made = pasted_of(person, 20)
    for both in made:
        image, mask = both.image[:, 8:], both.mask[:, 8:]
        # White as the person is, black as what is behind; of the blue beside them nothing.
        assert (image[mask == 255] == 255).all()
        assert (image[mask == 0] == 0).all()
        assert (mask == 255).mean() > 0.01
        assert (both.mask[:, :8] == 255).all()


def test_a_photo_without_a_mask_is_pasted_onto_nothing(photo):
    example, (same, *_) = pasted_of(photo("thing", (0, 0, 255)), 1)
    np.testing.assert_array_equal(same.image, example.image)
    np.testing.assert_array_equal(same.mask, example.mask)


def test_pasted_people_are_a_little_larger_to_far_smaller(person):
    # What is mirrored beyond the photo is nobody in one piece, or smaller.
    sides = [np.sqrt(largest(both.image[..., 0])) for both in pasted_of(person, 200)[1]]
    # 24 pixels of a photo that the picture shows 0.9 to 2.2 times the side of.
    assert max(sides) == pytest.approx(24 / 0.9, abs=1)
    assert min(sides) == pytest.approx(24 / 2.2, abs=1)


def test_the_photos_of_a_mosaic_meet_at_every_sixteenth_pixel(photo):
    people, rooms = photo("people", 255, 255), photo("rooms", 0)
    images, masks = batch_of([people, rooms], 300, mosaic=1.0)
    np.testing.assert_array_equal(images[..., 0], masks)
    assert set(np.unique(masks)) == {0, 255}
    for axis, length in ((2, 96), (1, 64)):
        change = (masks != np.roll(masks, 1, axis)).any(3 - axis)
        meets = [tuple(np.flatnonzero(one)) for one in change if one.any()]
        # Two photos in a row meet twice, half of the picture apart.
        assert {each[1] - each[0] for each in meets} == {length // 2}
        counts = np.bincount([each[0] for each in meets], minlength=length // 2)
        assert set(np.flatnonzero(counts)) == set(range(0, length // 2, 16))
        assert counts.max() < 1.5 * counts[counts > 0].min()


def test_a_photo_of_a_mosaic_is_seen_whole_at_half_its_size(photo):
    image = np.linspace(0, 240, 96)[:, None]
    images, _ = batch_of([photo("ramp", image)], 40, mosaic=1.0)
    # Twice from dark to bright in as many pixels: steps of two pixels of the photo.
    steps = np.diff(images[:, 0, :, 0], axis=1)
    assert steps[steps > 0].mean() == pytest.approx(2 * 240 / 95, abs=0.1)


def test_a_photo_shines_through_another_up_to_a_half_and_so_does_its_mask(photo, person):
    room = photo("room", 0)
    images, masks = batch_of([person, room], 400, mixup=1.0)
    first, second = images[..., 2], masks  # blue everywhere of one photo, and its masked square
    blue = first[:, 0, 0] / 255
    # Person with person, room with room, and each with the other, in shares of 0 to 0.5.
    assert (blue == 1).mean() == pytest.approx(0.25, abs=0.07)
    assert (blue == 0).mean() == pytest.approx(0.25, abs=0.07)
    shares = blue[(blue > 0) & (blue < 1)]
    assert ((shares > 0.5).mean()) == pytest.approx(0.5, abs=0.12)
    counts = np.histogram(shares, 4, (0, 1))[0]
    assert counts.min() > 0.6 * counts.max()
    assert np.abs(second[:, 30, 48] / 255 - blue).max() < 0.01
    assert not second[:, 0, 0].any()


def test_features_are_mixed_as_their_photos_are():
    mine, theirs = (
        Example(*(np.full((4, 6, *of), value, np.uint8) for of in ((3,), (), (2,))))
        for value in (200, 41)
    )
    mixed = mine.mixed(theirs, 0.25)
    for part in (mixed.image, mixed.mask, mixed.features):
        assert part.dtype == np.uint8
        assert (part == round(0.75 * 200 + 0.25 * 41)).all()
    alone = dataclasses.replace(mine, features=None)
    assert alone.mixed(theirs, 0.25).features is None


def test_photos_shine_through_others_as_often_as_asked_for(photo, person):
    groups = (Group("dark", (photo("dark", 0),)), Group("person", (person,), taught=0.6, shift=0.5))
    augment = dataclasses.replace(STILL, mixup=0.4)
    pipeline = Pipeline(groups, (), SPEC, output_stride=1, seed=3, augment=augment)
    batch = pipeline.batch(0, 400)
    blue = batch.pixels[:, 0, 0, 2] / 255
    assert ((blue > 0) & (blue < 1)).mean() == pytest.approx(0.4 * 0.5, abs=0.06)
    # What a mixture shows only a teacher knows, as that of two groups it is not shifted.
    assert set(batch.known.max((1, 2, 3))[(blue > 0) & (blue < 1)]) == {0}
    assert set(batch.shift[(blue > 0) & (blue < 1)]) == {0}
    assert (batch.shift > 0).mean() == pytest.approx(0.5 * 0.6, abs=0.07)
    plain = dataclasses.replace(pipeline, augment=STILL).batch(0, 400)
    same = [i for i in range(400) if batch.shift[i] or blue[i] == 0]
    assert len(same) > 200
    np.testing.assert_array_equal(batch.labels[same], plain.labels[same])


@pytest.fixture
def cup(photo):
    """A red square in the middle of a green photo, which is masked."""
    image, mask = np.full((64, 96, 3), (0, 255, 0)), np.zeros((64, 96))
    image[MIDDLE], mask[MIDDLE] = (0, 0, 255), 255
    return photo("cup", image, mask)


def with_cups(cup, sample, size, share=1.0, **augment):
    """RGB images, masks and where things are, of a sample with cut-outs of the cup."""
    augment = dataclasses.replace(STILL, cutouts=share, **augment)
    groups, spec = (Group("g", (sample,)),), SPEC
    pipeline = Pipeline(groups, (), spec, output_stride=1, seed=3, augment=augment, cutouts=(cup,))
    batch = pipeline.batch(0, size)
    return batch.pixels.astype(int), batch.labels[..., 0], batch.known[..., 0]


def test_a_thing_brings_nothing_of_its_photo_and_nobody(photo, cup, monkeypatch):
    room = photo("room", (255, 0, 0))
    _, _, several = with_cups(cup, room, 100)
    monkeypatch.setattr(composition, "MOST_CUTOUTS", 1)
    images, masks, things = with_cups(cup, room, 300)
    assert (masks == 0).all()
    assert (images[things == 255] == (255, 0, 0)).all()
    assert (images[things == 0] == (0, 0, 255)).all()
    # 24 pixels of a photo that the picture shows 0.6 to 1.8 times the side of.
    sides = [np.sqrt(largest(one)) for one in things]
    assert max(sides) == pytest.approx(24 / 0.6, abs=1)
    assert min(sides) == pytest.approx(24 / 1.8, abs=1)
    counts = [cv2.connectedComponents((one > 127).astype(np.uint8))[0] - 1 for one in several]
    assert np.mean(counts) > 1.2 * np.mean(
        [cv2.connectedComponents((one > 127).astype(np.uint8))[0] - 1 for one in things]
    )


def test_a_thing_is_as_large_as_asked_for_and_cut_by_the_frame(photo, cup, monkeypatch):
    monkeypatch.setattr(composition, "MOST_CUTOUTS", 1)
    room = photo("room", (255, 0, 0))

    def cut_and_largest(crop):
        _, _, things = with_cups(cup, room, 100, cutouts_crop=(crop, crop))
        things = things[things.any((1, 2))]  # the others are outside of the frame as a whole
        side = np.sqrt((things > 127).sum((1, 2)).max())
        things[:, 1:-1, 1:-1] = 0
        return things.any((1, 2)).mean(), side

    cut, side = cut_and_largest(0.35)
    assert cut > 0.8
    assert side > 24 / 0.6 + 5
    less, side = cut_and_largest(1.5)
    assert less < cut / 2
    assert side == pytest.approx(24 / 1.5, abs=1)


def test_things_are_seen_before_people_and_behind_them(person, cup):
    images, masks, things = with_cups(cup, person, 200)
    assert (images[masks == 255] == 255).all()
    assert not things[masks == 255].any()
    hidden = 1 - masks.sum((1, 2)) / (255 * 24 * 24)
    # Before them in half of the cases and somewhere else in some of these, behind in the others.
    assert 0.2 < (hidden > 0.05).mean() < 0.6
    # One thing leaves three fifths of what the ones before it have left.
    assert 0.4 < hidden.max() <= 1 - 0.6**3


def test_things_are_before_people_as_often_as_asked_for(person, cup, monkeypatch):
    monkeypatch.setattr(composition, "MOST_CUTOUTS", 1)
    monkeypatch.setattr(composition, "LEAST_LEFT", 0.0)

    def hidden(before):
        _, masks, _ = with_cups(cup, person, 300, cutouts_before=before)
        return (masks.sum((1, 2)) < 0.95 * 255 * 24 * 24).mean()

    always = hidden(1.0)  # where the thing is over the person at all
    assert hidden(0.0) == 0
    assert 0.3 < always < 1
    assert hidden(0.25) == pytest.approx(0.25 * always, abs=0.06)


def test_things_come_as_often_as_asked_for_in_hues_of_their_own(photo, cup, monkeypatch):
    monkeypatch.setattr(composition, "MOST_CUTOUTS", 1)
    room = photo("room", 0)
    images, _, things = with_cups(cup, room, 400, share=0.3)
    assert (things > 0).any((1, 2)).mean() == pytest.approx(0.3, abs=0.06)
    assert (images[things == 255] == (255, 0, 0)).all()
    images, _, things = with_cups(cup, room, 60, hue_things=1.0)
    assert images[things == 255].max(0).min() == 255  # each of the three channels


def test_a_group_says_how_far_its_masks_are_known(photo, person, cup):
    groups = (Group("room", (photo("room", 0),)), Group("person", (person,), taught=0.6))
    augment = dataclasses.replace(STILL, mosaic=0.4)
    plain, pasting = (
        Pipeline(groups, (), SPEC, augment=dataclasses.replace(augment, cutouts=share), **more)
        for share, more in ((0.0, {}), (1.0, {"cutouts": (cup,)}))
    )
    batch = plain.batch(0, 60)
    assert batch.known.shape == batch.labels.shape
    # Of one photo each, but where four meet, of which each may be of another group.
    least, most = batch.known.min((1, 2, 3)), batch.known.max((1, 2, 3))
    np.testing.assert_array_equal(least, most)
    assert set(most) == {0, 102}
    shown = (most == 102) & (batch.labels.max((1, 2, 3)) == 255)
    assert shown.sum() == (most == 102).sum()
    assert (most == 102).mean() == pytest.approx(0.5 * 0.6, abs=0.15)
    things = pasting.batch(0, 60).known
    assert set(things.min((1, 2, 3))) == {0, 102}
    assert (things.max((1, 2, 3)) > 102).all()


def test_a_group_says_how_far_its_teachers_answers_are_shifted(photo, person):
    groups = (Group("room", (photo("room", 0),)), Group("person", (person,), shift=0.6))
    pipeline = Pipeline(groups, (), SPEC, augment=dataclasses.replace(STILL, mosaic=0.4))
    batch = pipeline.batch(0, 60)
    assert batch.shift.dtype == np.float32
    assert set(batch.shift) == {0, np.float32(0.6)}
    # None where four meet, of which each may be of another group.
    alone = batch.shift > 0
    assert {name for name, one in zip(batch.names, alone) if one} == {"person"}
    assert (batch.labels[alone].max((1, 2, 3)) == 255).all()
    assert (batch.shift > 0).mean() == pytest.approx(0.5 * 0.6, abs=0.15)
    (same,) = dataclasses.replace(pipeline, processes=True).batches(60, start=0, stop=1, workers=1)
    np.testing.assert_array_equal(same.shift, batch.shift)
    assert Pipeline(groups[:1], (), SPEC, augment=STILL).batch(0, 4).shift is None


def test_pictures_without_things_are_as_they_were(person, cup):
    groups = (Group("g", (person,)),)
    plain, pasting = (
        Pipeline(groups, (), SPEC, augment=dataclasses.replace(STILL, cutouts=share), **more)
        for share, more in ((0.0, {}), (1e-9, {"cutouts": (cup,)}))
    )
    assert plain.batch(0, 4).known is None
    batch = pasting.batch(0, 4)
    assert batch.known.shape == batch.labels.shape
    assert not batch.known.any()
    np.testing.assert_array_equal(batch.pixels, plain.batch(0, 4).pixels)
    with pytest.raises(InputError, match=r"augment\.cutouts: got 0.5 without data\.cutouts"):
        Pipeline(groups, (), SPEC, augment=dataclasses.replace(STILL, cutouts=0.5))

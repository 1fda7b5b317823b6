"""Effects by the pixels they give, and that those that hide do hide."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg import InputError, ModelSpec
from edgeseg.runtime.background import cover
from edgeseg.runtime.compositing import Compositor, tighten
from edgeseg.runtime.effects import EFFECTS, make_effect
from edgeseg.runtime.segmentation import Segmentation

SPEC = ModelSpec(name="person", width=8, height=8, palette=((255, 0, 0),))
RNG = np.random.default_rng(5)
FRAME = RNG.integers(0, 256, (48, 64, 3), np.uint8)
MASK = np.zeros((48, 64), np.uint8)
MASK[8:40, 16:48] = 255
INSIDE = MASK > 0
ANSWER = Segmentation(MASK)


def apply(name: str, **options) -> np.ndarray:
    return make_effect(name, spec=SPEC, **options).apply(FRAME, ANSWER)


def test_none_is_the_frame() -> None:
    assert np.array_equal(apply("none"), FRAME)


def test_mask_is_the_mask() -> None:
    assert np.array_equal(apply("mask"), np.repeat(MASK[..., None], 3, axis=2))


def test_overlay_colours_the_inside_alone() -> None:
    picture = apply("overlay")
    assert np.array_equal(picture[~INSIDE], FRAME[~INSIDE])
    # The palette is red, green, blue and the picture BGR: red grows, blue and green shrink.
    assert (picture[INSIDE][:, 2].astype(int) >= FRAME[INSIDE][:, 2].astype(int) - 1).all()
    expected = 0.55 * FRAME[INSIDE] + 0.45 * np.array((0, 0, 255))
    assert np.abs(picture[INSIDE] - expected).max() <= 1.5


@pytest.mark.parametrize(
    ("name", "options"), [("replace", {"background": "#102030"}), ("cutout", {})]
)
def test_background_is_gone_and_the_object_untouched(name: str, options: dict) -> None:
    picture = apply(name, **options)
    outside = {"replace": (0x30, 0x20, 0x10), "cutout": (255, 255, 255)}[name]
    assert (picture[~INSIDE] == outside).all()
    assert np.array_equal(picture[INSIDE], FRAME[INSIDE])


def test_cutout_with_alpha_keeps_no_colour_behind() -> None:
    picture = apply("cutout", alpha=True)
    assert picture.shape == (48, 64, 4)
    assert np.array_equal(picture[..., 3], MASK)
    assert (picture[~INSIDE] == 0).all()
    assert np.array_equal(picture[INSIDE][:, :3], FRAME[INSIDE])


@pytest.mark.parametrize("strength", [2.0, 6.0, 40.0])
def test_blur_takes_the_detail_of_the_background_only(strength: float) -> None:
    picture = apply("blur", blur=strength)
    assert np.array_equal(picture[INSIDE], FRAME[INSIDE])
    assert picture[~INSIDE].std() < 0.5 * FRAME[~INSIDE].std()
    assert abs(picture[~INSIDE].mean() - FRAME[~INSIDE].mean()) < 20


@pytest.mark.parametrize("strength", [2.0, 6.0, 12.0, 24.0])
def test_the_strength_is_the_blurs_standard_deviation(strength: float) -> None:
    """Black beside white becomes the normal distribution's sum: 84 % one deviation further."""
    frame = np.zeros((64, 256, 3), np.uint8)
    frame[:, 128:] = 255
    empty = Segmentation(np.zeros((64, 256), np.uint8))
    row = make_effect("blur", spec=SPEC, blur=strength).apply(frame, empty)[32, :, 0]
    places = 127.5 + strength * np.array([-2, -1, 0, 1, 2])
    found = np.interp(places, np.arange(256), row.astype(float)) / 255
    np.testing.assert_allclose(found, [0.023, 0.159, 0.5, 0.841, 0.977], atol=0.03)


def test_blur_keeps_the_objects_colour_out_of_the_background() -> None:
    frame = np.full((96, 128, 3), 20, np.uint8)
    mask = np.zeros((96, 128), np.uint8)
    mask[24:72, 40:88] = 255
    frame[mask > 0] = (0, 0, 255)
    picture = make_effect("blur", spec=SPEC, blur=8).apply(frame, Segmentation(mask))
    assert picture[mask == 0].max() < 45


def test_blur_starts_from_the_half_size_frame_where_there_is_one() -> None:
    rng = np.random.default_rng(3)
    frame = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (128, 96))
    coarse = np.zeros((48, 64), np.uint8)
    coarse[12:36, 20:44] = 255
    small = cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA)
    with_small = Segmentation(coarse, (128, 96), small=small)
    blur = make_effect("blur", spec=SPEC, blur=8)
    picture = blur.apply(frame, with_small).copy()
    slow = blur.apply(frame, Segmentation(coarse, (128, 96)))
    assert np.abs(picture.astype(int) - slow).mean() < 1
    # What is not the frame shows that it was taken.
    black = blur.apply(frame, Segmentation(coarse, (128, 96), small=np.zeros_like(small)))
    assert black[with_small.mask == 0].max() == 0


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("alpha", [False, True])
def test_what_hides_can_hide_everything(name: str, alpha: bool) -> None:
    effect = make_effect(name, spec=SPEC, alpha=alpha)
    assert effect.hides == (name not in ("none", "overlay"))
    first = effect.hidden(FRAME).copy()
    assert first.shape[:2] == FRAME.shape[:2]
    assert np.array_equal(first, effect.hidden(255 - FRAME)), "nothing of the frame is in it"


@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_takes_any_size(name: str) -> None:
    effect = make_effect(name, spec=SPEC)
    for height, width in ((1, 1), (5, 3), (33, 47), (100, 60)):
        frame = RNG.integers(0, 256, (height, width, 3), np.uint8)
        mask = RNG.integers(0, 256, (height, width), np.uint8)
        picture = effect.apply(frame, Segmentation(mask))
        assert picture.shape == frame.shape
        assert picture.dtype == np.uint8


def test_blend_is_the_weighted_mean() -> None:
    over, under = FRAME, 255 - FRAME
    mask = RNG.integers(0, 256, FRAME.shape[:2], np.uint8)
    exact = (over * (mask[..., None] / 255.0) + under * (1 - mask[..., None] / 255.0)).round()
    assert np.abs(Compositor().blend(over, under, mask) - exact).max() <= 1


def test_tighten_keeps_the_ends_and_order() -> None:
    curve = tighten(np.arange(256, dtype=np.uint8)[None])[0].astype(int)
    assert curve[0] == 0
    assert curve[255] == 255
    assert (np.diff(curve) >= 0).all()
    assert curve[60] == 0


def test_replace_by_image_and_by_video(tmp_path: Path, clip: Path) -> None:
    image = tmp_path / "beach.png"
    cv2.imwrite(str(image), np.full((10, 10, 3), (7, 8, 9), np.uint8))
    assert (apply("replace", background=str(image))[~INSIDE] == (7, 8, 9)).all()
    effect = make_effect("replace", spec=SPEC, background=str(clip))
    levels = [int(effect.apply(FRAME, ANSWER)[0, 0, 0]) for _ in range(22)]
    assert levels[:3] == pytest.approx([20, 30, 40], abs=4)
    assert levels[20:] == pytest.approx([20, 30], abs=4), "from the beginning again"


def test_cover_keeps_proportions() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 50:] = 255
    wide = cover(image, 80, 20)
    assert wide.shape == (20, 80, 3)
    assert wide[:, :38].max() == 0
    assert wide[:, 42:].min() == 255


def test_classes_are_coloured_with_a_legend() -> None:
    spec = ModelSpec(
        name="street",
        width=8,
        height=8,
        labels=("sky", "road"),
        palette=((1, 2, 3), (200, 100, 50)),
    )
    classes = np.zeros((240, 320), np.uint8)
    classes[120:] = 1
    answer = Segmentation(np.zeros_like(classes), classes=classes)
    frame = np.full((240, 320, 3), 80, np.uint8)
    picture = make_effect("mask", spec=spec).apply(frame, answer)
    assert (picture[0, 0] == (3, 2, 1)).all()
    assert (picture[-1, -1] == (50, 100, 200)).all()
    overlay = make_effect("overlay", spec=spec).apply(frame, answer)
    assert (overlay[:40, :60] == 255).any(), "the legend's letters"
    mixed = np.array((50, 100, 200)) * 0.45 + 80 * 0.55
    assert np.abs(overlay[-1, -1] - mixed).max() <= 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sepia", {}, "none, mask, overlay, cutout, blur, replace"),
        ("blur", {"blur": 0}, "above 0"),
        ("blur", {"blur": float("nan")}, "above 0"),
        ("replace", {"background": "#12345"}, "#2e7d4f"),
        ("replace", {"background": "#12345g"}, "#2e7d4f"),
        ("replace", {"background": "no/such.jpg"}, "no/such.jpg"),
    ],
)
def test_bad_options_are_told(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply(name, **options)

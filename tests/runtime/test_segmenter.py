"""What a segmenter's options make of the network's answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseg.runtime.segmenter import Segmenter

RAMP = np.linspace(0.7, 0.9, 32, dtype=np.float32)


def sided(stored: np.ndarray) -> np.ndarray:
    """The brightness, more of it the farther right."""
    return stored[..., :1] / 255 * RAMP[:, np.newaxis]


@pytest.fixture
def make(fake_model, fake_interpreter, on_cpu):
    def write(*, labels: tuple[str, ...] = ("bright",), answer=sided, channels: int = 3, **options):
        fake = fake_interpreter(answer, classes=len(labels), channels=channels)
        on_cpu(fake)
        options = {"temporal": "none", "refine": False, "focus": False, **options}
        model = fake_model(labels=labels, previous_mask=channels == 4)
        return Segmenter(model, delegate="cpu", **options), fake

    return write


@pytest.fixture
def frame() -> np.ndarray:
    """White on the left three quarters, black on the right."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :24] = 255
    return picture


def test_flip_averages_with_the_answer_to_the_mirror_image(make, frame) -> None:
    once, fake = make()
    lit = np.arange(32) < 24
    np.testing.assert_allclose(once.segment(frame)[5], RAMP * lit, atol=1e-6)
    assert fake.calls == 1
    twice, fake = make(flip=True)
    # The mirror image's answer is larger on the left: at each column both add up to 1.6.
    np.testing.assert_allclose(twice.segment(frame)[5], 0.8 * lit, atol=1e-6)
    assert fake.calls == 2


def test_flip_turns_the_previous_mask_as_well(make, frame) -> None:
    def previous(stored: np.ndarray) -> np.ndarray:
        """Bright pixels at first, then what the mask before says."""
        before = stored[..., 3:]
        return before if before.any() else (stored[..., :1] > 127) * 0.9

    segmenter, _ = make(flip=True, channels=4, answer=previous)
    first = segmenter.segment(frame)
    np.testing.assert_allclose(first[5], 0.9 * (np.arange(32) < 24), atol=1e-6)
    np.testing.assert_allclose(segmenter.segment(frame), first, atol=1e-2)


def test_flip_is_not_for_classes_which_may_have_sides(make, frame) -> None:
    def sides(stored: np.ndarray) -> np.ndarray:
        left = (np.arange(32) < 16).astype(np.float32)
        return np.broadcast_to(np.stack([left, 1 - left], axis=-1), (1, 32, 32, 2))

    segmenter, fake = make(labels=("left", "right"), answer=sides, flip=True)
    _, classes = segmenter.segment_classes(frame)
    assert np.array_equal(classes[7], np.arange(32) >= 16)
    assert fake.calls == 1


@pytest.mark.parametrize(
    ("options", "sequential"), [({}, False), ({"cadence": 2}, True), ({"channels": 4}, True)]
)
def test_what_a_frame_needs_of_the_one_before(make, options, sequential: bool) -> None:
    segmenter, _ = make(**options)
    assert segmenter.sequential is sequential


def test_a_cadence_begins_anew_with_what_is_begun(make, frame) -> None:
    segmenter, fake = make(cadence=3, temporal="ema")

    def runs(count: int) -> list[int]:
        made = []
        for _ in range(count):
            before = fake.calls
            segmenter.segment(frame)
            made.append(fake.calls - before)
        return made

    assert runs(5) == [1, 0, 0, 1, 0]
    segmenter.reset()
    assert runs(5) == [1, 0, 0, 1, 0]

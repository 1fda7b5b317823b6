"""Blob removal and the guided filter, on masks whose right answer is known."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from edgeseg import InputError, ModelError, Segmenter, boxes
from edgeseg.runtime.refine import HIGH, LOW, SMALLEST, BlobFilter, guided, halved
from edgeseg.spec import flatbuffer, read_spec


def two_people(left: float, right: float) -> np.ndarray:
    mask = np.zeros((128, 128), np.float32)
    mask[30:110, 10:40] = left
    mask[30:110, 80:110] = right
    return mask


def test_two_people_both_stay_whoever_is_larger_or_surer() -> None:
    blobs = BlobFilter()
    rng = np.random.default_rng(0)
    for _ in range(20):
        left, right = rng.uniform(0.7, 1.0, 2)
        mask = two_people(left, right)
        mask[: rng.integers(30, 60), :64] = 0
        assert np.array_equal(blobs(mask), mask)


def test_weak_and_small_regions_go() -> None:
    mask = two_people(0.95, (LOW + HIGH) / 2)
    mask[5:8, 60:63] = 1.0
    cleaned = BlobFilter()(mask)
    assert np.array_equal(cleaned[:, :50], mask[:, :50])
    assert cleaned[:, 55:].max() == 0


def test_soft_rim_of_a_kept_region_stays() -> None:
    mask = cv2.GaussianBlur(two_people(1.0, 0.5), (9, 9), 0)
    cleaned = BlobFilter()(mask)
    rim = (mask > 0.1) & (mask < LOW) & (np.arange(128) < 50)
    assert rim.any()
    np.testing.assert_array_equal(cleaned[rim], mask[rim])


def test_a_region_around_the_limit_does_not_blink() -> None:
    side = int(np.sqrt(SMALLEST * 128 * 128)) + 1

    def speck(size: int) -> np.ndarray:
        mask = np.zeros((128, 128), np.float32)
        mask[40 : 40 + size, 40 : 40 + size] = 1
        return mask

    assert BlobFilter()(speck(side - 1)).max() == 0
    blobs = BlobFilter()
    assert all(blobs(speck(side - i % 2)).max() == 1 for i in range(10))
    blobs.reset()
    assert blobs(speck(side - 1)).max() == 0
    # What was away for a frame is new again.
    assert [blobs(speck(size)).max() for size in (side, 0, side - 1)] == [1, 0, 0]


def test_guided_filter_draws_the_edge_within_a_pixel_of_the_mask() -> None:
    # The frame's edge is in the middle of a pixel of the mask, which knows its share only.
    frame = np.full((256, 256, 3), 40, np.uint8)
    frame[:, 102:] = 210
    truth = np.zeros((128, 128), np.float32)
    truth[:, 51:] = 1
    mask = cv2.resize(truth, (64, 64), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(mask, (128, 128))
    sharp = guided(mask, halved(frame, mask))
    assert sharp.shape == (128, 128)
    assert sharp.min() >= 0
    assert sharp.max() <= 1
    assert np.abs(sharp - truth).mean() < 0.3 * np.abs(plain - truth).mean()


def test_guided_filter_takes_faint_steps_for_texture() -> None:
    """By hand: around a step of d greys the variance of three pixels is v = 2/9 d squared.

    Enlarged, the two pixels at the step are a quarter off it; the frame's detail takes
    them back by v / (v + 25) of that, for 5 greys are texture.
    """
    mask = np.zeros((32, 32), np.float32)
    mask[:, 16:] = 1
    for step in (3, 12, 120):
        picture = np.full((64, 64, 3), 100, np.uint8)
        picture[:, 32:] += step
        variance = 2 / 9 * step**2
        off = 0.25 - 0.25 * variance / (variance + 25)
        found = guided(mask, picture)[20, 31:33]
        np.testing.assert_allclose(found, [off, 1 - off], atol=1e-3)


def test_guided_filter_keeps_thin_parts() -> None:
    frame = np.full((256, 256, 3), 40, np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[:, 30:32] = 1
    frame[:, 120:128] = 210
    sharp = guided(mask, halved(frame, mask)) > 0.5
    assert sharp[:, 60:64].all()
    assert not sharp[:, :58].any()
    assert not sharp[:, 66:].any()


def test_guided_filter_leaves_a_flat_frame_alone() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[16:48, 16:48] = 1
    frame = np.full((128, 128, 3), 90, np.uint8)
    result = guided(mask, halved(frame, mask))
    assert result[28:36, 28:36].min() > 0.99
    assert result[:4].max() < 0.01


def test_segment_gives_the_frames_size_and_range(sample_frames) -> None:
    frame = sample_frames[0]
    with Segmenter(delegate="cpu", threads=1) as segmenter:
        mask = segmenter.segment(frame)
    assert mask.shape == frame.shape[:2]
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    # The face of the photograph's person is person, the flag's corner is not.
    assert mask[60:100, 110:130].mean() > 0.7
    assert mask[5:25, 200:215].mean() < 0.2


def test_a_file_without_a_spec_works_with_one_that_is_given(person_model, tmp_path) -> None:
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(flatbuffer(person_model))
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    with pytest.raises(ModelError, match="without edgeseg.json"):
        Segmenter(bare, delegate="cpu")
    with Segmenter(bare, delegate="cpu", spec=read_spec(person_model)) as segmenter:
        mask = segmenter.segment(frame)
    with Segmenter(delegate="cpu") as bundled:
        np.testing.assert_array_equal(mask, bundled.segment(frame))


def test_bad_frames_are_told() -> None:
    with Segmenter(delegate="cpu") as segmenter:
        for bad in (
            np.zeros((4, 4, 3), np.float32),
            np.zeros((4, 4), np.uint8),
            np.zeros((0, 4, 3), np.uint8),
            "photo.jpg",
        ):
            with pytest.raises(ValueError, match="expected"):
                segmenter.segment(bad)


def test_a_models_temperature_is_taken_back(fake_model, fake_interpreter, on_cpu) -> None:
    on_cpu(fake_interpreter(lambda stored: np.full((1, 32, 32, 1), 0.8)))
    with Segmenter(fake_model(temperature=2.0), delegate="cpu") as segmenter:
        mask = segmenter.segment(np.zeros((40, 60, 3), np.uint8))
    # Twice the logits: log odds of 4 become those of 16.
    np.testing.assert_allclose(mask, 16 / 17, atol=0.01)


def test_a_mask_without_borders_is_refused(fake_model, fake_interpreter, on_cpu) -> None:
    network = fake_interpreter(lambda stored: np.zeros((1, 20, 20, 1)))
    network.outputs[0] = dataclasses.replace(network.outputs[0], shape=(1, 20, 20, 1))
    on_cpu(network)
    with pytest.raises(ModelError, match="output of 20x20 for an input of 32x32, without its bord"):
        Segmenter(fake_model(), delegate="cpu")


def test_classes_have_scores_and_labels(fake_model, fake_interpreter, on_cpu) -> None:
    def three(stored: np.ndarray) -> np.ndarray:
        level = stored[..., 0] / 255
        return np.stack([1 - level, level * 0.75, level * 0.25], axis=-1)

    on_cpu(fake_interpreter(three, classes=3))
    segmenter = Segmenter(fake_model(labels=("sky", "road", "car")), delegate="cpu")
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, 30:] = 255
    scores, labels = segmenter.segment_classes(frame)
    assert scores.shape == (40, 60, 3)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels[:, :25])) == {0}
    assert set(np.unique(labels[:, 35:])) == {1}
    foreground = segmenter.segment(frame)
    assert foreground[:, :25].max() < 0.01
    assert foreground[:, 35:].min() > 0.99


def test_boxes() -> None:
    mask = np.zeros((20, 30), np.float32)
    mask[2:6, 3:9] = 0.9
    mask[10:12, 20:22] = 0.8
    mask[15, 5] = 0.3
    found = boxes(mask)
    assert [(b.left, b.top, b.width, b.height, b.area) for b in found] == [
        (3, 2, 6, 4, 24),
        (20, 10, 2, 2, 4),
    ]
    assert boxes((mask * 255).astype(np.uint8)) == found
    assert boxes(mask > 0.5) == found
    assert len(boxes(mask, smallest=5)) == 1
    assert boxes(np.zeros((5, 5))) == []
    with pytest.raises(InputError, match="expected bool, float or uint8"):
        boxes(np.zeros((5, 5, 3)))

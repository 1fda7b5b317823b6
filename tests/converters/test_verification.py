"""The figures of a verification, on masks whose answer is known."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from edgeseg.converters.checks import integer_reasons
from edgeseg.converters.cli import split_arguments
from edgeseg.converters.flatgraph import Graph, Node, Tensor
from edgeseg.converters.gate import Limits, judge
from edgeseg.converters.pictures import Picture, plain, read_clip, read_pictures
from edgeseg.converters.reference import closed_loop, make_reference
from edgeseg.converters.verification import (
    Verification,
    VideoVerification,
    expected_iou,
    verify,
)

from edgeseg.errors import InputError, ModelError
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("test", 8, 8)
VIDEO_SPEC = ModelSpec("test", 8, 8, previous_mask=True)


def column(width: int) -> np.ndarray:
    """(1, 8, 8, 1) with the left `width` columns at 0.9, the rest at 0.1."""
    output = np.full((1, 8, 8, 1), 0.1, np.float32)
    output[:, :, :width] = 0.9
    return output


def picture(truth_width: int | None = None) -> Picture:
    frame = np.tile(np.arange(0, 256, 32, dtype=np.uint8)[:, None, None], (1, 8, 3))
    truth = None
    if truth_width is not None:
        truth = np.zeros((8, 8), bool)
        truth[:, :truth_width] = True
    return Picture(Path("x"), frame, truth)


def test_drop_is_measured_against_known_masks():
    reference = make_reference(lambda _: column(4), SPEC, [picture(4), picture(4)])
    found = verify(lambda _: column(3), reference)
    assert found.iou == pytest.approx(3 / 4)
    assert found.max_iou_drop == pytest.approx(1 / 4)
    assert found.mean_abs == pytest.approx(0.8 / 8)
    assert found.max_abs == pytest.approx(0.8)
    assert (found.pictures, found.known_masks) == (2, 2)


def test_a_better_mask_has_a_negative_drop():
    reference = make_reference(lambda _: column(3), SPEC, [picture(4)])
    assert verify(lambda _: column(4), reference).max_iou_drop == pytest.approx(-1 / 4)


def test_empty_masks_do_not_decide():
    reference = make_reference(lambda _: column(0), SPEC, [picture(0), picture(4)])
    assert verify(lambda _: column(1), reference).known_masks == 1


def test_unknown_masks_are_what_the_float_model_believes():
    reference = make_reference(lambda _: column(4), SPEC, [picture()])
    # inside 32 * 0.9, area 32, outside 32 * 0.1 against 24 * 0.9, 24, 8 * 0.9 + 32 * 0.1
    drop = 28.8 / (32 + 3.2) - 21.6 / (24 + 7.2 + 3.2)
    assert verify(lambda _: column(3), reference).max_iou_drop == pytest.approx(drop)


def test_a_network_without_borders_is_compared_with_the_float_model_alone():
    spec = ModelSpec("unet", 12, 12)
    reference = make_reference(lambda _: column(4), spec, [picture(4)], [picture(4)])
    (doubt,) = reference.doubts()
    assert "output of 8x8 leaves out the borders of its input of 12x12" in doubt
    found = verify(lambda _: column(3), reference)
    assert found.known_masks == 0
    unknown = make_reference(lambda _: column(4), spec, [picture()], [picture()])
    assert found == verify(lambda _: column(3), unknown)
    assert make_reference(lambda _: column(4), SPEC, [picture(4)]).doubts() == []


def test_undecided_pixels_cost_nothing():
    believed = column(4)
    believed[:, :, 4] = 0.5
    wider = column(5)
    cost = expected_iou([believed[0]], [believed[0]]) - expected_iou([wider[0]], [believed[0]])
    assert abs(cost) < 0.05
    assert expected_iou([column(8)[0]], [believed[0]]) < 0.65


def test_classes_are_compared_one_by_one():
    spec = ModelSpec("c", 8, 8, labels=("a", "b"), palette=((0, 0, 0), (1, 1, 1)))
    both = np.concatenate([column(4), 1 - column(4)], axis=-1)
    other = np.concatenate([column(2), 1 - column(2)], axis=-1)
    reference = make_reference(lambda _: both, spec, [picture(4)])
    found = verify(lambda _: other, reference)
    assert found.iou == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert found.known_masks == 0


def test_classes_that_are_nowhere_do_not_count():
    spec = ModelSpec("c", 8, 8, labels=("a", "b", "c"), palette=((0, 0, 0),) * 3)

    def answer(width):
        return np.concatenate([column(width), 1 - column(width), np.zeros((1, 8, 8, 1))], axis=-1)

    done = []
    reference = make_reference(lambda _: answer(4), spec, [picture(), picture()])
    found = verify(lambda _: answer(2), reference, progress=lambda: done.append(1))
    assert found.iou == pytest.approx((2 / 4 + 4 / 6) / 2)
    # Both classes that are: inside, area and outside as for one, of scores of 0.9 and 0.1.
    believed = (28.8 / (32 + 3.2) + 28.8 / (32 + 3.2)) / 2
    narrow, wide = 14.4 / (16 + 14.4 + 3.2), (28.8 + 1.6) / (48 + 1.6)
    assert found.max_iou_drop == pytest.approx(believed - (narrow + wide) / 2)
    assert len(done) == 2


def test_a_clip_is_compared_with_what_the_float_model_believes_where_masks_are_missing():
    """The float model flickers as well: by a column of four that are still in no frame."""
    wanted = [column(4), column(4), column(6), column(4)]
    got = [column(4), column(4), column(8), column(4)]
    answers = iter(wanted), iter(got)
    clip = [picture(4), picture(), picture(4)]
    reference = make_reference(lambda _: next(answers[0]), SPEC, [picture(4)], clip)
    found = verify(lambda _: next(answers[1]), reference)
    # Still for the float model are the columns but 5 and 6; of those six, 7 and 8 flip twice.
    assert found.video.flicker == pytest.approx(1000 * 2 / 6)
    assert found.video.flicker_rise == pytest.approx(1000 * 2 / 6)
    inside, area, outside = 28.8 + 43.2 + 28.8 + 1.6, 128, 3.2 + 3.2
    right = (28.8 + 43.2 + 28.8) / (32 + 48 + 32 + 3.2 + 1.6 + 3.2)
    assert found.video.iou == pytest.approx(inside / (area + outside))
    assert found.video.iou_drop == pytest.approx(right - inside / (area + outside))


def test_the_rise_of_flicker_is_beyond_the_float_models():
    answers = (
        iter([column(4), column(4), column(5), column(4)]),
        iter([column(4), column(4), column(7), column(4)]),
    )
    reference = make_reference(lambda _: next(answers[0]), SPEC, [picture(4)], [picture(4)] * 3)
    found = verify(lambda _: next(answers[1]), reference)
    assert found.video.flicker == pytest.approx(1000 * 3 / 8)
    assert found.video.flicker_rise == pytest.approx(1000 * 2 / 8)


def test_masks_are_fed_back_in_a_closed_loop():
    seen = []

    def predict(tensor):
        seen.append(float(tensor[0, ..., 3].mean()))
        return column(4)

    closed_loop(predict, [picture().frame] * 3, VIDEO_SPEC)
    assert seen == pytest.approx([0, 0.5, 0.5])


def test_masks_are_fed_back_as_they_were_before_a_temperature():
    seen = []

    def predict(tensor):
        seen.append(tensor[0, 0, :, 3])
        return column(2)

    soft = dataclasses.replace(VIDEO_SPEC, temperature=2.0)
    masks = closed_loop(predict, [picture().frame] * 2, soft)
    # 0.9 and 0.1 are what a temperature of 2 made of 81/82 and 1/82.
    np.testing.assert_allclose(seen[1], [81 / 82] * 2 + [1 / 82] * 6, rtol=1e-5)
    np.testing.assert_allclose(masks[1][0], [0.9] * 2 + [0.1] * 6, rtol=1e-5)


def test_flicker_of_a_clip_is_measured():
    answers = iter([column(4), column(4), column(4), column(6), column(4), column(6)])
    clip = [picture(4)] * 3
    reference = make_reference(lambda _: column(4), SPEC, [picture(4)], clip)
    next(answers), next(answers)
    found = verify(lambda _: next(answers), reference)
    assert found.video.flicker == pytest.approx(1000 * 2 / 8)
    assert found.video.flicker_rise == pytest.approx(1000 * 2 / 8)
    assert found.video.iou == pytest.approx((4 / 6 + 1 + 4 / 6) / 3)
    assert found.max_iou_drop == pytest.approx(1 - found.video.iou)


def test_empty_masks_of_a_clip_do_not_decide():
    clip = [picture(4), picture(0)]
    wanted, got = iter([column(4), column(4), column(0)]), iter([column(4), column(4), column(1)])
    reference = make_reference(lambda _: next(wanted), SPEC, [picture(4)], clip)
    found = verify(lambda _: next(got), reference)
    assert found.video.iou == 1
    assert found.max_iou_drop == 0


def test_a_clip_of_nothing_but_empty_masks_is_compared_with_the_float_model():
    reference = make_reference(lambda _: column(4), SPEC, [picture(4)], [picture(0)] * 2)
    found = verify(lambda _: column(4), reference)
    # Inside 0.9 of a half, the other half believed at 0.1.
    assert found.video.iou == pytest.approx(28.8 / (32 + 3.2))
    assert found.video.iou_drop == 0


def test_gate_tells_what_failed():
    found = Verification(0.9, 0.01, 0.02, 0.5, 10, 10, None)
    assert judge(found, Limits(0.02)).passed
    refused = judge(found, Limits(0.005), other=["placement is bad"])
    assert not refused.passed
    assert refused.reasons[0] == "placement is bad"
    assert "IoU drop 0.0100 over 10 images, allowed 0.0050" in refused.reasons[1]
    assert judge(found, Limits(0.01)).passed, "what is allowed is no more than it"
    broken = Verification(0.9, float("nan"), 0.02, 0.5, 10, 10, None)
    assert not judge(broken, Limits(1)).passed
    # A mask of nothing but NaN is empty like a false one.
    silent = Verification(1.0, 0.0, float("nan"), float("nan"), 10, 10, None)
    assert judge(silent, Limits(1)).reasons == (
        "answers that are no finite numbers, on the images to verify on",
    )


def test_gate_looks_at_the_flicker_where_it_is_limited():
    still = Verification(0.9, 0.0, 0.02, 0.5, 10, 10, None)
    video = VideoVerification(iou=0.9, flicker=2.5, iou_drop=0.0, flicker_rise=0.5)
    moving = dataclasses.replace(still, video=video)
    for found, rise in ((moving, None), (moving, 0.5), (still, 0.0)):
        assert judge(found, Limits(0.01, rise)).passed
    refused = judge(moving, Limits(0.01, 0.4))
    assert refused.reasons == ("flicker rises by 0.50 per mille to 2.50, allowed 0.40",)
    unknown = dataclasses.replace(video, flicker_rise=float("nan"))
    assert not judge(dataclasses.replace(still, video=unknown), Limits(0.01, 9)).passed


def test_a_float_model_that_answers_nan_is_refused():
    hole = column(4)
    hole[0, 3, 3] = np.nan
    with pytest.raises(ModelError, match="got NaN or infinite answers to x"):
        make_reference(lambda tensor: hole, SPEC, [picture()])
    with pytest.raises(ModelError, match="got NaN or infinite answers to x"):
        make_reference(lambda tensor: np.full((1, 8, 8, 1), np.nan), SPEC, [picture()])


def test_a_float_model_that_answers_nan_within_a_clip_is_refused():
    answers = iter([column(4), column(4), np.full((1, 8, 8, 1), np.nan, np.float32)])
    with pytest.raises(ModelError, match="got NaN or infinite answers to x"):
        make_reference(lambda _: next(answers), SPEC, [picture()], [picture(), picture()])


def test_logits_are_no_probabilities():
    logits = np.linspace(-8, 3, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    with pytest.raises(ModelError, match='from -8 to 3 to x, expected .* "activation": "sigmoid"'):
        make_reference(lambda _: logits, SPEC, [picture()])
    own = dataclasses.replace(SPEC, activation="sigmoid")
    reference = make_reference(lambda _: logits, own, [picture()])
    np.testing.assert_allclose(reference.outputs[0], 1 / (1 + np.exp(-logits[0])), rtol=1e-5)
    # What was trained to be 0 and 1 without a last activation passes.
    make_reference(lambda _: np.clip(logits, -0.2, 1.2), SPEC, [picture()])


def test_scores_are_compared_as_the_files_spec_reads_them():
    labels = {"labels": ("a", "b"), "palette": ((0, 0, 0), (9, 9, 9))}
    spec = ModelSpec("two", 8, 8, **labels)
    scores = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    shares = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    reference = make_reference(lambda tensor: shares, spec, [picture()])
    own = dataclasses.replace(spec, activation="softmax")
    found = verify(lambda tensor: scores, reference, spec=own)
    assert found.iou == 1
    assert found.max_abs < 1e-6


def test_pictures_come_with_the_masks_beside_them(photos):
    pictures = read_pictures(photos / "images", limit=4)
    assert len(pictures) == 4
    assert all(p.truth[: p.truth.shape[0] // 2].all() for p in pictures)
    others = read_pictures(photos, limit=20, avoid={p.path for p in pictures})
    assert len(others) == 8
    assert not {p.path for p in others} & {p.path for p in pictures}
    assert [p.path.name for p in read_clip(photos, limit=3)] == [
        "00000.png",
        "00001.png",
        "00002.png",
    ]


def test_unreadable_pictures_are_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.jpg: got something that is no image"):
        read_pictures(tmp_path, limit=1)
    with pytest.raises(InputError, match="got no such folder"):
        read_pictures(tmp_path / "nowhere", limit=1)


def test_masks_in_colours_are_refused(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.full((16, 16, 3), (0, 0, 255), np.uint8))
    with pytest.raises(InputError, match=r"0\.png: got a mask in colours"):
        read_pictures(tmp_path, limit=1)


@pytest.mark.parametrize("place", [".", ".."])
def test_masks_of_classes_are_not_compared_with(tmp_path, place):
    for name in ("images", "masks"):
        (tmp_path / "train" / name).mkdir(parents=True)
        pixels = np.full((16, 16, 3), (0, 0, 255), np.uint8)
        cv2.imwrite(str(tmp_path / "train" / name / "0.png"), pixels)
    (tmp_path / "train" / place / "labels.txt").write_text("ground 0 0 0\ndog 255 0 0\n")
    [picture] = read_pictures(tmp_path / "train", limit=1)
    assert picture.truth is None


def test_masks_of_zero_and_one_and_clips_of_several_sizes_are_refused(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        for index, side in enumerate((16, 24)):
            image = np.zeros((side, side), np.uint8)
            image[4:] = 1 if name == "masks" else 200
            cv2.imwrite(str(tmp_path / name / f"{index}.png"), image)
    with pytest.raises(InputError, match=r"0\.png: got a mask of 0 and 1"):
        read_pictures(tmp_path, limit=1)
    shutil.rmtree(tmp_path / "masks")
    with pytest.raises(InputError, match=r"1\.png: got a frame of 24x24, expected 16x16"):
        read_clip(tmp_path, limit=2)


def test_plain_pictures_are_recognised(frames):
    assert plain([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 200, np.uint8)])
    assert not plain([np.zeros((8, 8, 3), np.uint8), frames[0]])


def test_large_clips_are_scaled_down_with_their_masks(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    image = np.zeros((100, 1280), np.uint8)
    image[:, :640] = 255
    for name in ("images", "masks"):
        for number in range(2):
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), image)
    clip = read_clip(tmp_path, limit=5)
    assert len(clip) == 2
    for scaled in clip:
        assert scaled.frame.shape == (50, 640, 3)
        assert scaled.truth[:, :320].all()
        assert not scaled.truth[:, 321:].any()


def test_a_clip_of_one_frame_is_refused_as_nothing_flickers_in_it(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="got a clip of one frame, expected 2 or more"):
        read_clip(tmp_path, limit=5)


def test_targets_are_told_from_the_model():
    model, names = split_arguments(("m.keras", "gpu", "edgetpu,float32"), ("int8",))
    assert (str(model), names) == ("m.keras", ["float32", "int8", "gpu", "edgetpu"])
    assert split_arguments(("gpu", "m.keras"), ("int8",))[1] == ["int8", "gpu"]
    with pytest.raises(InputError, match="expected one model"):
        split_arguments(("m.keras", "int9"), ("int8",))


def tensor(index, kind="INT8", *, scale=(0.1,), data=None, shape=(1, 4, 4, 2)):
    return Tensor(index, f"t{index}", shape, False, kind, data, scale, (0,), 0)


def test_requantizing_between_layers_is_found():
    a, b, c = tensor(0), tensor(1), tensor(2)
    middle = tensor(3, "FLOAT32", scale=())
    nodes = (
        Node(0, "LOGISTIC", "", 1, {}, (a,), (b,)),
        Node(1, "DEQUANTIZE", "", 1, {}, (b,), (middle,)),
        Node(2, "QUANTIZE", "", 1, {}, (middle,), (tensor(4),)),
        Node(3, "LOGISTIC", "", 1, {}, (tensor(4),), (c,)),
    )
    reasons = integer_reasons(Graph(nodes, (a,), (c,), 1, ""))
    assert reasons == [
        "computes in floating point: 1 DEQUANTIZE",
        "requantizes between layers: 1 DEQUANTIZE, 1 QUANTIZE",
    ]


def test_weights_with_one_scale_are_found():
    data = np.zeros(4 * 2, np.uint8)
    shared = tensor(1, scale=(0.1,), data=data, shape=(4, 1, 1, 2))
    node = Node(0, "CONV_2D", "", 1, {}, (tensor(0), shared, None), (tensor(2),))
    (reason,) = integer_reasons(Graph((node,), (tensor(0),), (tensor(2),), 1, ""))
    assert reason == "one scale for all channels of the weights: 1 CONV_2D"

"""Losses by values that were worked out by hand or by numpy."""

import dataclasses

import cv2
import keras
import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.training.binary_losses import binary_distillation, binary_focal, binary_loss
from edgeseg.training.class_losses import (
    class_loss,
    cross_entropy,
    distillation,
    focal,
    region_overlap,
)
from edgeseg.training.losses import LossConfig, boundary_weight, divergence, log_odds

ops = keras.ops
ALL = LossConfig(dice=1.0, focal=1.0, distillation=1.0)


def arrays(*values):
    return [np.asarray(value, np.float32) for value in values]


def test_binary_parts_by_hand():
    logits, truth, weight = arrays(np.zeros((1, 2, 2, 1)), [[[[1], [1]], [[0], [0]]]], [3.0])
    parts = binary_loss(ops, logits, truth, weight, LossConfig(dice=2.0, focal=1.0))
    assert float(parts["cross_entropy"]) == pytest.approx(np.log(2))
    # Half of every pixel: intersection 1, union 3, sum 4; the floor is 0.04 pixels.
    assert float(parts["jaccard"]) == pytest.approx(1 - 1.04 / 3.04)
    assert float(parts["dice"]) == pytest.approx(1 - 2.04 / 4.04)
    assert float(parts["focal"]) == pytest.approx(0.25 * np.log(2))
    expected = np.log(2) + 0.5 * float(parts["jaccard"]) + 2 * float(parts["dice"])
    assert float(parts["loss"]) == pytest.approx(expected + 0.25 * np.log(2), rel=1e-5)


def test_overlap_is_of_each_image_by_itself():
    """All of a mask found with probability 3/4, and none of a smaller one with 1/4."""
    logits = np.stack([np.full((2, 2, 1), np.log(3)), np.full((2, 2, 1), -np.log(3))])
    truth = np.ones((2, 2, 2, 1))
    truth[1, 0] = 0
    parts = binary_loss(ops, *arrays(logits, truth, [3, 1]), LossConfig(dice=1.0))
    # Intersections 3 and 0.5, unions 4 and 2.5, sums 7 and 3; the floor is 0.04 pixels.
    jaccard = 1 - 3.04 / 4.04, 1 - 0.54 / 2.54
    dice = 1 - 6.04 / 7.04, 1 - 1.04 / 3.04
    assert float(parts["jaccard"]) == pytest.approx(0.75 * jaccard[0] + 0.25 * jaccard[1])
    assert float(parts["dice"]) == pytest.approx(0.75 * dice[0] + 0.25 * dice[1])


@pytest.mark.parametrize("boundary", [0.0, 3.0])
def test_borders_weigh_more_in_the_cross_entropy(boundary):
    truth = np.zeros((1, 1, 8, 1), np.float32)
    truth[..., 4:, :] = 1
    config = LossConfig(boundary=boundary, boundary_radius=1)
    # ln 2 for each of eight pixels, and `boundary` times as much again for two of them.
    expected = (8 + 2 * boundary) / 8 * np.log(2)
    part = binary_loss(ops, np.zeros_like(truth), truth, np.float32([1]), config)
    assert float(part["cross_entropy"]) == pytest.approx(expected)
    # The first of three classes is nowhere, and has no border.
    labels = np.repeat(1 + truth[..., 0].astype(np.int32), 3, axis=1)
    ones, logits = np.ones((1, 3, 8), np.float32), np.zeros((1, 3, 8, 3), np.float32)
    part = class_loss(ops, logits, labels, ones, config)
    assert float(part["cross_entropy"]) == pytest.approx(expected / np.log(2) * np.log(3))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_gradients_are_finite_where_the_network_is_sure(gamma):
    import tensorflow as tf

    logits = tf.Variable(np.float32([-200, -5, 5, 200]).reshape(1, 2, 2, 1))
    with tf.GradientTape(persistent=True) as tape:
        one = ops.sum(binary_focal(ops, logits, np.ones((1, 2, 2, 1), np.float32), gamma))
        pair = ops.concatenate([logits, -logits], axis=-1)
        truth = np.stack([np.ones((1, 2, 2)), np.zeros((1, 2, 2))], -1).astype(np.float32)
        several = ops.sum(focal(ops, pair, truth, gamma))
    for loss in (one, several):
        assert np.isfinite(tape.gradient(loss, logits).numpy()).all()
    p = 1 / (1 + np.exp(-np.float64([-200, -5, 5, 200])))
    cross_entropy = np.logaddexp(0, -np.float64([-200, -5, 5, 200]))
    expected = np.sum((1 - p) ** gamma * cross_entropy)
    assert float(one) == pytest.approx(expected, rel=1e-5)
    # The softmax of a logit and its opposite is the sigmoid of twice the logit.
    p = 1 / (1 + np.exp(-2 * np.float64([-200, -5, 5, 200])))
    cross_entropy = np.logaddexp(0, -2 * np.float64([-200, -5, 5, 200]))
    expected = np.sum((1 - p) ** gamma * cross_entropy)
    assert float(several) == pytest.approx(expected, rel=1e-5)


def test_focal_losses_by_hand():
    """A quarter and four fifths for the truth: their cross-entropies by (1 - p) squared."""
    p = np.array([0.25, 0.8])
    expected = (1 - p) ** 2 * -np.log(p)
    odds = np.float32(np.log(p / (1 - p))).reshape(1, 1, 2, 1)
    truth = np.ones_like(odds)
    found = np.asarray(binary_focal(ops, odds, truth, 2.0)).ravel()
    assert found == pytest.approx(expected, rel=1e-5)
    found = np.asarray(binary_focal(ops, -odds, 1 - truth, 2.0)).ravel()
    assert found == pytest.approx(expected, rel=1e-5)
    scores = np.log(np.float32([[[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]]))
    one_hot = np.eye(3, dtype=np.float32)[[[[1, 2]]]]
    assert np.asarray(focal(ops, scores, one_hot, 2.0)).ravel() == pytest.approx(expected, rel=1e-5)


def test_distillation_by_hand():
    """At a temperature of 2, odds become their square roots, and the loss four times as much."""
    config = LossConfig(distillation=1.0, temperature=2.0)
    # The teacher's odds of 4 become 2, the student's of 9 become 3.
    expected = -4 * (2 / 3 * np.log(3 / 4) + 1 / 3 * np.log(1 / 4))
    logits = np.full((1, 2, 2, 1), np.log(9), np.float32)
    parts = binary_loss(
        ops, logits, np.ones_like(logits), np.float32([1]), config, np.full_like(logits, 0.8)
    )
    assert float(parts["distillation"]) == pytest.approx(expected, rel=1e-5)
    # The teacher's 16 : 4 : 1 become 4 : 2 : 1, the student's 1 : 1 : 4 become 1 : 1 : 2.
    expected = -4 * (6 / 7 * np.log(1 / 4) + 1 / 7 * np.log(1 / 2))
    logits = np.log(np.full((1, 2, 2, 3), (1, 1, 4), np.float32))
    teacher = np.full_like(logits, np.array([16, 4, 1]) / 21)
    truth, weight = np.zeros((1, 2, 2), np.int32), np.ones((1, 2, 2), np.float32)
    parts = class_loss(ops, logits, truth, weight, config, teacher)
    assert float(parts["distillation"]) == pytest.approx(expected, rel=1e-5)


def test_image_weights():
    logits, truth = arrays(np.stack([np.full((2, 2, 1), 20.0), np.full((2, 2, 1), -20.0)]), 0)
    truth = np.ones((2, 2, 2, 1), np.float32)
    parts = binary_loss(ops, logits, truth, np.float32([3, 1]), LossConfig())
    assert float(parts["cross_entropy"]) == pytest.approx(20 / 4, rel=1e-4)


def test_enlarged_logits_are_those_of_opencv():
    rng = np.random.default_rng(1)
    logits, teacher = arrays(rng.normal(size=(2, 3, 5, 1)), rng.uniform(size=(2, 6, 10, 1)))
    truth, weight = arrays(rng.uniform(size=(2, 6, 10, 1)), [1.0, 2.0])

    def large(values):
        return np.stack([cv2.resize(value, (10, 6))[..., np.newaxis] for value in values])

    parts = binary_loss(
        ops, logits, truth, weight, dataclasses.replace(ALL, enlarge=2, boundary=1.0), teacher
    )
    expected = binary_loss(
        ops, large(logits), truth, weight, dataclasses.replace(ALL, boundary=1.0), teacher
    )
    for name in expected:
        assert float(parts[name]) == pytest.approx(float(expected[name]), rel=1e-5), name


def test_an_enlarged_loss_sees_where_the_border_falls_between_pixels():
    truth = np.zeros((1, 2, 16, 1), np.float32)
    truth[:, :, 7:] = 1  # the middle of the mask's pixels 3 and 4 is at 8
    weight, config = np.float32([1]), LossConfig(jaccard=0.0, enlarge=2)
    steps = np.repeat([[-9.0] * 3 + [0.0] + [9.0] * 4], 1, axis=0)[np.newaxis, ..., np.newaxis]
    shifts = (-2.0, 0.0, 2.0)
    losses = []
    for shift in shifts:
        logits = steps.copy()
        logits[0, 0, 3] += shift
        part = binary_loss(ops, logits.astype(np.float32), truth, weight, config)
        losses.append(float(part["loss"]))
    assert losses[1] < min(losses[0], losses[2])


def test_ignored_pixels_change_nothing():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    truth = rng.integers(0, 3, (2, 4, 4)).astype(np.int32)
    weight = np.ones((2, 4, 4), np.float32)
    weight[:, 0] = 0
    teacher = np.full((2, 4, 4, 3), 1 / 3, np.float32)
    first = class_loss(ops, logits, truth, weight, ALL, teacher)
    truth[:, 0] = 255
    logits[:, 0] += 9
    second = class_loss(ops, logits, truth, weight, ALL, teacher)
    assert set(first) == {"loss", "cross_entropy", "jaccard", "dice", "focal", "distillation"}
    for name in first:
        assert float(first[name]) == pytest.approx(float(second[name]), rel=1e-5), name


def test_pixel_and_class_weights_by_numpy():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 3, 3, 4)).astype(np.float32)
    truth = rng.integers(0, 4, (2, 3, 3)).astype(np.int32)
    weight = rng.uniform(0.1, 2, (2, 3, 3)).astype(np.float32)
    per_class = (1.0, 2.0, 0.5, 3.0)
    config = LossConfig(jaccard=0, class_weights=per_class)
    got = float(class_loss(ops, logits, truth, weight, config)["loss"])
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    chosen = np.take_along_axis(probability, truth[..., None], -1)[..., 0]
    expected = -(np.log(chosen) * weight * np.take(per_class, truth)).sum() / weight.sum()
    assert got == pytest.approx(expected, rel=1e-5)


def test_region_overlap_counts_only_classes_that_are_there():
    truth = np.zeros((1, 4, 4, 3), np.float32)
    truth[0, :2, :, 0] = 1
    truth[0, 2:, :, 1] = 1
    sure = np.where(truth > 0, 30.0, -30.0).astype(np.float32)
    ones = np.ones((1, 4, 4), np.float32)
    assert float(region_overlap(ops, sure, truth, ones, jaccard=True)[0]) == pytest.approx(0)
    wrong = sure[..., [1, 0, 2]]
    # No overlap: (0 + 1) / (8 + 8 + 1) for both classes.
    got = float(region_overlap(ops, wrong, truth, ones, jaccard=True)[0])
    assert got == pytest.approx(1 - 1 / 17)
    # Undecided: half of the 8 pixels of each class, of 12 in either and 16 in sum, with a third
    # class out of the question.
    undecided = np.zeros((1, 4, 4, 3), np.float32)
    undecided[..., 2] = -30
    for jaccard, expected in ((True, 1 - 5 / 13), (False, 1 - 9 / 17)):
        got = float(region_overlap(ops, undecided, truth, ones, jaccard=jaccard)[0])
        assert got == pytest.approx(expected)


def test_class_overlap_is_weighted_by_images():
    """The weight of an image is that of its pixels."""
    truth = np.zeros((2, 4, 4), np.int32)
    truth[:, 2:] = 1
    sure = np.where(np.eye(2)[truth] > 0, 30.0, -30.0).astype(np.float32)
    sure[1] *= -1
    weight = np.ones((2, 4, 4), np.float32)
    weight[0] = 3
    parts = class_loss(ops, sure, truth, weight, LossConfig(dice=1.0))
    assert float(parts["jaccard"]) == pytest.approx((1 - 1 / 17) / 4)
    assert float(parts["dice"]) == pytest.approx((1 - 1 / 17) / 4)


def test_boundary_weight_marks_the_border():
    truth = np.zeros((1, 1, 8, 1), np.float32)
    truth[..., 4:, :] = 1
    weight = boundary_weight(ops, truth, LossConfig(boundary=3.0, boundary_radius=1))
    np.testing.assert_allclose(np.asarray(weight)[0, 0, :, 0], [1, 1, 1, 4, 4, 1, 1, 1])


def test_log_odds_are_finite():
    found = np.asarray(log_odds(ops, np.float32([0, 0.5, 0.8, 1])))
    # 1 - 1e-6 is the nearest float32.
    assert found == pytest.approx([np.log(1e-6), 0, np.log(4), -np.log(1e-6)], abs=0.02)


def test_divergence_by_hand():
    wanted = np.log(np.float32([[[0.5, 0.5], [0.1, 0.9]]])) + 3
    found = np.log(np.float32([[[0.25, 0.75], [0.1, 0.9]]])) - 2
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    np.testing.assert_allclose(divergence(ops, wanted, found), [[expected, 0]], atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_is_above_zero(temperature):
    with pytest.raises(InputError, match="temperature"):
        LossConfig(temperature=temperature)


def test_a_student_like_its_teacher_is_at_the_minimum():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(1, 2, 2, 3)).astype(np.float32)
    teacher = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    noise = rng.normal(size=3).astype(np.float32)
    for temperature in (1.0, 4.0):
        same = np.asarray(distillation(ops, scores, teacher, temperature)).sum()
        other = np.asarray(distillation(ops, scores + noise, teacher, temperature))
        assert same < other.sum()
    np.testing.assert_allclose(
        np.asarray(distillation(ops, scores, teacher)),
        np.asarray(cross_entropy(ops, scores, teacher)),
        rtol=1e-5,
    )
    logit = np.float32(rng.normal(size=(1, 2, 2, 1)))
    mask = 1 / (1 + np.exp(-logit))
    gradient_free = [
        float(np.asarray(binary_distillation(ops, logit + np.float32(step), mask, 2.0)).sum())
        for step in (-0.1, 0.0, 0.1)
    ]
    assert gradient_free[1] == min(gradient_free)

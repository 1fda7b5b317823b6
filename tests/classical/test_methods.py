"""The classical methods on pictures whose answer is known, and on bad ones."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from edgeseg.classical import METHODS
from edgeseg.classical.grabcut import segment as grabcut
from edgeseg.classical.kmeans import POSITION_WEIGHT, cluster
from edgeseg.classical.spectral import affinity, superpixels
from edgeseg.classical.watershed import BACKGROUND, FOREGROUND, edges, markers
from edgeseg.data.folder import read_pairs
from edgeseg.errors import InputError, MissingExtra
from edgeseg.metrics import iou

NAMES = list(METHODS)


@pytest.fixture(autouse=True)
def _extra():
    pytest.importorskip("sklearn", reason="needs the extra benchmark")
    pytest.importorskip("skimage", reason="needs the extra benchmark")


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_of_another_colour_is_found(name, figure):
    image, truth = figure
    answer = METHODS[name].segment(image)
    assert answer.dtype == bool
    assert answer.shape == truth.shape
    assert iou(answer, truth) > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_the_same_picture_gives_the_same_answer(name, figure):
    image, _ = figure
    before = image.copy()
    answers = [METHODS[name].segment(image) for _ in range(2)]
    assert (answers[0] == answers[1]).all()
    assert (image == before).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 200), (300, 7), (400, 500)])
def test_the_answer_has_the_size_of_the_picture(name, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    answer = METHODS[name].segment(image)
    assert answer.shape == shape
    assert answer.dtype == bool


@pytest.mark.parametrize("name", NAMES)
def test_one_colour_everywhere(name):
    answer = METHODS[name].segment(np.full((60, 80, 3), 90, np.uint8))
    assert answer.shape == (60, 80)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)]
)
def test_bad_pictures_are_refused(name, image):
    with pytest.raises(InputError, match="frame: got"):
        METHODS[name].segment(image)


def test_known_failure_without_contrast(figure):
    """A figure of the wall's own colour: no method can find it."""
    image, truth = figure
    camouflaged = np.random.default_rng(1).normal(100, 6, image.shape).clip(0, 255).astype(np.uint8)
    assert max(iou(METHODS[name].segment(camouflaged), truth) for name in NAMES) < 0.75


def test_known_failure_of_grabcut_outside_its_box(figure):
    image, truth = figure
    shifted = np.roll(image, 50, axis=1), np.roll(truth, 50, axis=1)
    assert iou(grabcut(shifted[0]), shifted[1]) < 0.7
    assert iou(grabcut(shifted[0], box=(0.6, 0.1, 1.0, 1.0)), shifted[1]) > iou(
        grabcut(shifted[0]), shifted[1]
    )


def test_clusters_against_those_of_scikit_learn():
    from skimage.data import astronaut
    from sklearn.cluster import KMeans

    small = cv2.resize(astronaut()[..., ::-1], (80, 80), interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[:80, :80] / 80 * POSITION_WEIGHT
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    points = np.dstack([lab, rows, columns]).reshape(-1, 5)
    labels = cluster(small).ravel()
    means = np.stack([points[labels == label].mean(axis=0) for label in range(6)])
    squares = ((points[:, None] - means) ** 2).sum(axis=-1)

    # A local optimum, where nearly every point is with its nearest mean; starts differ.
    assert np.mean(squares.argmin(axis=1) == labels) > 0.98
    theirs = KMeans(6, n_init=5, random_state=0).fit(points).inertia_
    assert squares[np.arange(len(points)), labels].sum() < 1.1 * theirs


def test_edges_are_where_the_colour_changes():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = 200
    strength = edges(image)
    assert strength[:, 9:11].min() == 255
    assert strength[:, :6].max() == strength[:, 14:].max() == 0


def test_markers_leave_the_lower_edge_open():
    seeds = markers(100, 80)
    assert seeds[60, 40] == FOREGROUND
    assert (seeds[:4] == BACKGROUND).all()
    assert (seeds[:, :4] == BACKGROUND).all()
    assert seeds[99, 40] == 0


def test_affinity_of_superpixels(figure):
    image, truth = figure
    labels = superpixels(image, count=40)
    values = affinity(image, labels)
    assert values.shape == (labels.max() + 1,) * 2
    np.testing.assert_allclose(values, values.T)
    np.testing.assert_allclose(np.diag(values), 1)
    wall, body = labels[5, 5], labels[120, 60]
    assert values[wall, labels[5, 110]] > 100 * values[wall, body]


def test_a_missing_extra_is_named(monkeypatch, figure):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtra, match=r'pip install "edgeseg\[benchmark\]"'):
        METHODS["spectral"].segment(figure[0])


def test_on_real_photos(data_root):
    """Street fashion stands in the middle: found better than the box that GrabCut starts from."""
    samples = [s for s in read_pairs(data_root / "person" / "val") if s.family == "ccp"][::25]
    scores = [iou(grabcut(s.read_image()), s.read_mask() > 127) for s in samples]
    boxes = []
    for sample in samples:
        truth = sample.read_mask() > 127
        height, width = truth.shape
        box = np.zeros_like(truth)
        box[round(0.05 * height) :, round(0.15 * width) : round(0.85 * width)] = True
        boxes.append(iou(box, truth))
    assert np.mean(scores) > np.mean(boxes) + 0.15

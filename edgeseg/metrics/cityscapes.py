"""Cityscapes' instance-weighted IoU: a far, small car counts as much as a near, large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .region import check_same_shape

# A pixel of Cityscapes' `instanceIds` is class * 1000 + number for classes with instances.
INSTANCE_FACTOR = 1000


def instance_sizes(instances: Sequence[np.ndarray]) -> dict[int, float]:
    """Class -> mean pixels of an instance over a set of `instanceIds` maps, int (H, W)."""
    sizes: dict[int, list[int]] = {}
    for image in instances:
        for number, pixels in zip(*np.unique(image, return_counts=True)):
            if number >= INSTANCE_FACTOR:
                sizes.setdefault(int(number) // INSTANCE_FACTOR, []).append(int(pixels))
    return {label: float(np.mean(found)) for label, found in sizes.items()}


def instance_iou(
    predictions: Sequence[np.ndarray],
    instances: Sequence[np.ndarray],
    *,
    sizes: Mapping[int, float] | None = None,
    ignore: Sequence[int] = (),
) -> dict[int, float]:
    """iIoU of each class that has instances, over a set (Cordts et al. 2016, section 4.1).

    iTP / (iTP + FP + iFN): true positives and false negatives are weighted by the
    class's mean instance size over the size of their instance; false positives belong
    to no instance and count plainly. As in Cityscapes' evaluation, a pixel of an
    instance group, which has the bare class number, is no false positive of its class
    and is not counted as found or missed.

    predictions: int (H, W) class numbers. instances: int (H, W), class * 1000 + number,
    or the bare class number. sizes: of `instance_sizes`, from this set where None.
    ignore: true classes whose pixels do not count. NaN for a class with nothing to
    divide by.
    """
    sizes = instance_sizes(instances) if sizes is None else sizes
    totals = {label: np.zeros(3) for label in sizes}
    for prediction, image in zip(predictions, instances, strict=True):
        check_same_shape(prediction, image)
        truth = np.where(image >= INSTANCE_FACTOR, image // INSTANCE_FACTOR, image)
        counted = ~np.isin(truth, ignore)
        for label, total in totals.items():
            total += _of_image(prediction == label, truth == label, image, counted, sizes[label])
    return {
        label: float(found / (found + false + missed)) if found + false + missed else float("nan")
        for label, (found, false, missed) in totals.items()
    }


def _of_image(
    called: np.ndarray, true: np.ndarray, image: np.ndarray, counted: np.ndarray, mean_size: float
) -> np.ndarray:
    """Weighted true positives, false positives and weighted false negatives of one class."""
    found = missed = 0.0
    for number in np.unique(image[true & (image >= INSTANCE_FACTOR)]):
        instance = image == number
        pixels = np.count_nonzero(instance)
        hit = np.count_nonzero(called & instance)
        found += hit * mean_size / pixels
        missed += (pixels - hit) * mean_size / pixels
    return np.array([found, np.count_nonzero(called & ~true & counted), missed])

"""What a run learns: one soft mask, or several classes; the rest of the training is common."""

from __future__ import annotations

from pathlib import Path

from ..data.feature_maps import FeatureMaps
from .binary_task import BinaryTask
from .class_task import ClassTask
from .config import TrainConfig
from .task import Task


def make_task(config: TrainConfig, root: Path, *, skip_bad: bool = False) -> Task:
    """The task of a configuration whose paths are relative to `root`.

    skip_bad: leave samples without a mask out instead of raising InputError.
    """
    if config.data.reader:
        return ClassTask(config, root / config.data.root)
    features = None
    if config.features.folder:
        folder = root / config.features.folder
        features = FeatureMaps.load(folder, root=root / config.data.root)
        if config.features.classes:
            features.last_layer()  # before anything starts, not at the first step
    return BinaryTask(
        config, root / config.data.root, labels=root, skip_bad=skip_bad, features=features
    )

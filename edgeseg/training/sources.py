"""From a training configuration to samples, input pipeline and network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ..data.folder import Sample, read_backgrounds, read_pairs
from ..data.pipeline import Group, Pipeline
from ..errors import InputError
from ..models.hourglass import hourglass
from ..models.weights import set_weights
from ..spec import ModelSpec
from .config import GroupConfig, StageConfig, TrainConfig


def read_groups(config: TrainConfig, root: Path) -> tuple[Group, ...]:
    """The groups of the configuration with their samples."""
    return tuple(_group(group, root) for group in config.data.groups)


def _group(config: GroupConfig, root: Path) -> Group:
    folder = root / config.folder
    samples = read_pairs(folder) if config.masks else read_backgrounds(folder)
    if config.families:
        samples = [sample for sample in samples if sample.family in config.families]
    if not samples:
        raise InputError(f"{folder}: got no samples of the families {config.families}")
    name = "+".join(config.families) or config.folder
    return Group(name, tuple(samples), config.share, config.weight, config.crop)


def read_validation(config: TrainConfig, root: Path) -> list[Sample]:
    """Samples that choose between models and are never trained on."""
    return read_pairs(root / config.data.validation)


def make_spec(config: TrainConfig, size: tuple[int, int]) -> ModelSpec:
    """The spec of the network at `size` (height, width)."""
    return ModelSpec(
        name=config.name,
        height=size[0],
        width=size[1],
        previous_mask=config.model.previous_mask,
    )


def make_pipeline(
    config: TrainConfig, stage: StageConfig, groups: tuple[Group, ...], root: Path, cache: dict
) -> Pipeline:
    """The input pipeline of one stage; `cache` is shared between stages."""
    data = config.data
    backgrounds = tuple(read_backgrounds(root / data.backgrounds)) if data.backgrounds else ()
    return Pipeline(
        groups=groups,
        backgrounds=backgrounds,
        spec=make_spec(config, stage.size),
        output_stride=config.model.output_stride,
        augment=dataclasses.replace(data.augment, crop=stage.crop, composite=stage.composite),
        previous=data.previous_mask,
        seed=config.seed,
        cache=data.cache,
        _cache=cache,
    )


def make_network(keras: Any, config: TrainConfig, size: tuple[int, int]) -> Any:
    """The network for an input of `size` (height, width), with random weights."""
    model = config.model
    return hourglass(
        keras=keras,
        input_shape=(*size, 3 + int(model.previous_mask)),
        width=model.width,
        decoder_channels=model.decoder_channels,
        output_stride=model.output_stride,
    )


def initialise(model: Any, path: Path) -> list[str]:
    """Fill what fits from an .npz by layer names; returns the names of the filled variables.

    A kernel with one input channel less, as when a network gets a previous-mask
    channel, is filled up with zeros.
    """
    with np.load(path) as archive:
        values = dict(archive)
    stem = values.get("stem/kernel")
    channels = model.inputs[0].shape[-1]
    if stem is not None and stem.shape[2] == channels - 1:
        values["stem/kernel"] = np.pad(stem, ((0, 0), (0, 0), (0, 1), (0, 0)))
    fitted = set_weights(model, values)
    if not fitted:
        raise InputError(f"{path}: got no weights that fit {model.name}, by name and shape")
    return fitted

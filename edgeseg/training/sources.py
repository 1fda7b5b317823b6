"""From a training configuration to samples, input pipeline and network."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from .. import models
from ..data.dataset import Colour
from ..data.folder import Group, Problem, Sample, read_backgrounds, read_pairs
from ..errors import InputError
from ..models.overlap_tile import stride_of
from ..spec import ModelSpec
from .config import TrainConfig
from .data_config import GroupConfig


def read_groups(
    config: TrainConfig,
    root: Path,
    problems: list[Problem] | None = None,
    *,
    labels: Path | None = None,
) -> tuple[Group, ...]:
    """The groups of the configuration with their samples.

    labels: folder that a group's `labels` are relative to, by default `root`.
    problems: takes images without a mask; without it the first is an InputError.
    """
    groups = []
    for group in config.data.groups:
        masks = (labels or root) / group.labels if group.labels else None
        samples = read_group(
            group, root, masks=masks, leave_out=config.data.leave_out, problems=problems
        )
        name = "+".join(group.families) or group.folder
        if group.emptiest_of < 1:
            raise InputError(f"{name}: emptiest_of: got {group.emptiest_of}, expected 1 or more")
        groups.append(
            Group(
                name,
                tuple(samples),
                share=group.share,
                weight=group.weight,
                crop=group.crop,
                emptiest_of=group.emptiest_of,
                taught=group.taught,
                shift=group.shift,
            )
        )
    return tuple(groups)


def read_group(
    group: GroupConfig,
    root: Path,
    *,
    masks: Path | None = None,
    leave_out: Collection[str] = (),
    problems: list[Problem] | None = None,
) -> list[Sample]:
    """The samples of one group, without those whose names are in `leave_out`.

    masks: folder of masks instead of the group's own.
    """
    folder = root / group.folder
    if masks is not None and not masks.is_dir():
        raise InputError(f"{masks}: got no such folder; write it with edgeseg.training.relabel")
    if group.masks:
        samples = read_pairs(
            folder, masks=masks, families=group.families, leave_out=leave_out, problems=problems
        )
    else:
        samples = read_backgrounds(folder, leave_out=leave_out)
        if group.families:
            samples = [sample for sample in samples if sample.is_of(group.families)]
    if not samples:
        wanted = f"of the families {', '.join(group.families)}" if group.families else "with a mask"
        raise InputError(
            f"{folder}: got no images {wanted}, expected some; `edgeseg dataset verify {folder}` "
            "says what is there"
        )
    return samples


def read_cutouts(config: TrainConfig, root: Path, problems: list[Problem] | None) -> list[Sample]:
    """The photos of things, none where the configuration names no folder.

    root: what the folder is relative to. problems: as for `read_groups`.
    """
    if not config.data.cutouts:
        return []
    folder = root / config.data.cutouts
    if not folder.is_dir():
        raise InputError(f"{folder}: got no such folder; write it with edgeseg.training.cutouts")
    return read_pairs(folder, negatives=(), problems=problems)


def read_validation(
    config: TrainConfig, root: Path, problems: list[Problem] | None = None
) -> list[Sample]:
    """Samples that choose between models and are never trained on."""
    return read_pairs(root / config.data.validation, problems=problems)


def make_spec(
    config: TrainConfig,
    size: tuple[int, int],
    *,
    labels: tuple[str, ...] = ("person",),
    palette: tuple[Colour, ...] = ((64, 200, 120),),
) -> ModelSpec:
    """The spec of the network at `size` (height, width)."""
    channels = 1 if config.model.colour == "GRAY" else 3
    return ModelSpec(
        name=config.name,
        height=size[0],
        width=size[1],
        colour=config.model.colour,
        scale=(1 / 127.5,) * channels,
        offset=(-1.0,) * channels,
        previous_mask=config.model.previous_mask,
        labels=labels,
        palette=palette,
    )


def make_network(keras: Any, config: TrainConfig, size: tuple[int, int]) -> Any:
    """The network for an input of `size` (height, width), with random weights."""
    model = config.model
    channels = (1 if model.colour == "GRAY" else 3) + int(model.previous_mask)
    options: dict[str, Any] = dict(model.options)
    if model.name == "hourglass":
        own = {
            "width": model.width,
            "decoder_channels": model.decoder_channels,
            "output_stride": model.output_stride,
            "head_blocks": model.head_blocks,
        }
        if twice := sorted(set(own) & set(options)):
            raise InputError(f"model.options: got {twice}, expected them in [model] itself")
        options |= own
    return models.build(
        model.name,
        keras=keras,
        input_shape=(*size, channels),
        classes=model.classes,
        **{name: tuple(v) if isinstance(v, list) else v for name, v in options.items()},
    )


def output_geometry(model: Any) -> tuple[int, tuple[int, int]]:
    """Stride of a network's output, and the margin that valid padding takes off each side."""
    size, output = model.input_shape[1:3], model.output_shape[1:3]
    if stride := stride_of(size, output):
        return stride, (0, 0)
    return 1, ((size[0] - output[0]) // 2, (size[1] - output[1]) // 2)

"""What a run learns from beside its labels: features, hints, and opinions of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config_ranges import check_least


@dataclass(frozen=True)
class FeaturesConfig:
    """A published network's features as a second target; no `folder`, no such target.

    folder: of the maps that `python -m edgeseg.training.features` writes, relative to
        the config's folder. weight: in the loss, of the share of their variance that is not
        answered. classes: in the loss, of how far the classes that the published network reads
        from its features are from those that it would read from the answer: of all that
        the features say, what a thing is. layers: of the network, from the largest to the
        smallest, that a head for training alone answers from; channels: inside that head.
    """

    folder: str = ""
    weight: float = 1.0
    classes: float = 0.0
    layers: tuple[str, ...] = ("block12_add", "block16_depthwise_relu6")
    channels: int = 128

    def __post_init__(self) -> None:
        check_least(self, 0, "weight", "classes")
        check_least(self, 1, "channels")


@dataclass(frozen=True)
class HintsConfig:
    """A trained network's inner answers as a further target; no `weights`, no such target.

    weights: of the trained network, relative to the config's folder. options: of the
        architecture, where it differs from the network that learns, such as its `encoder`.
    layers: whose answers are compared; they have one shape in both. weight: in the loss, of
        the share of the answers' variance that is left, summed over the layers.
    """

    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = (
        "decoder4_skip",
        "decoder8_skip",
        "block06_expand",
        "block10_expand",
        "decoder16_skip",
        "block13_expand",
        "decoder32_reduce",
        "logits",
    )
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_least(self, 0, "weight")


@dataclass(frozen=True)
class SecondOpinionConfig:
    """Networks that are heard beside a .tflite teacher, for binary masks.

    Of .tflite files, relative to the configuration's folder, with their spec inside them or beside
    them in FILE.json.

    everywhere: that are averaged with the teacher. everywhere_share: of their mean log odds.
    models: that are heard where both, they and the teacher with `everywhere`, find people.
    share: of their mean log odds there.
    shift: added to the log odds there; below 0 where the teacher's masks are too large.
    reach: of such a place's neighbourhood, a standard deviation as a share of the longer side.
    sure: mean probability of the neighbourhood from which on the share is whole.
    """

    everywhere: tuple[str, ...] = ()
    everywhere_share: float = 0.4
    models: tuple[str, ...] = ()
    share: float = 0.4
    shift: float = 0.0
    reach: float = 0.055
    sure: float = 0.4

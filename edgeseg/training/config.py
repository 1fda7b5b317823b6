"""Training configuration: frozen dataclasses; `config_file` reads them from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..config_ranges import check_above, check_least, check_range, check_share
from ..errors import InputError
from .data_config import DataConfig
from .losses import LossConfig
from .target_config import FeaturesConfig, HintsConfig, SecondOpinionConfig

# NumPy takes seeds of 32 bits.
SEEDS = 2**32


@dataclass(frozen=True)
class ModelConfig:
    """The network: a name of `edgeseg models` and the options that it is built with.

    classes: 1 for a binary mask; data with classes fill in their number.
    colour: "RGB" or "GRAY".
    width, output_stride, decoder_channels, head_blocks: the hourglass's. options: any others of
        the architecture, such as `channels` of unet.
    init: weights to start from, relative to the config's folder; empty for random
        ones. See `edgeseg.models.initialise`. init_others: weights that fill what those of
        `init` have not, a decoder for an encoder say, each what those before it have not;
        relative to the same folder.
    """

    name: str = "hourglass"
    classes: int = 1
    colour: str = "RGB"
    options: Mapping[str, Any] = field(default_factory=dict)
    width: float = 0.5
    previous_mask: bool = False
    output_stride: int = 2
    decoder_channels: tuple[int, ...] = (64, 48, 32, 24, 16)
    head_blocks: int = 0
    init: str = ""
    init_others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_above(self, 0, "width")
        check_least(self, 1, "classes", "output_stride", "decoder_channels")
        check_least(self, 0, "head_blocks")


@dataclass(frozen=True)
class StageConfig:
    """A stretch of the schedule at one input size; the rate falls from start to end by a cosine.

    size: input height and width in pixels. crop: crop range while it lasts.
    """

    steps: int
    size: tuple[int, int] = (256, 256)
    batch: int = 24
    rate: tuple[float, float] = (2e-3, 1e-5)
    crop: tuple[float, float] = (0.35, 1.3)
    composite: float = 0.25

    def __post_init__(self) -> None:
        check_least(self, 1, "steps", "size", "batch")
        check_least(self, 0, "rate")
        check_range(self, "crop")
        check_share(self, "composite")


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights follow their gradients.

    name: adam, muon for the kernels that mix channels and adam for the rest, at the same
        rates, or sgd, stochastic gradient descent.
    momentum: sgd's, the share of a step that the next one keeps; not Nesterov's. U-Net's 0.99
        makes steps a hundred times as long in the end.
    encoder_scale: multiplies the rate of the layers that `init` filled.
    slow: beginnings of layers' names; of those that `init` filled, only these are slowed.
        Empty for all.
    frozen: beginnings of the names of layers whose weights stay as `init` gave them.
        Frozen first layers make a step much cheaper: nothing flows back through the
        largest feature maps.
    """

    name: Literal["adam", "muon", "sgd"] = "adam"
    momentum: float = 0.0
    warmup: int = 300
    encoder_scale: float = 0.2
    slow: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    clip_norm: float = 5.0
    average: float = 0.999

    def __post_init__(self) -> None:
        check_least(self, 0, "warmup", "encoder_scale", "clip_norm")
        check_share(self, "average", "momentum")
        if self.momentum and self.name != "sgd":
            raise InputError(
                f'momentum: got {self.momentum:g} with {self.name}, expected name = "sgd", or 0'
            )


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tuning after the float training: quantization-aware, or pruning.

    steps and batch as in a stage, at the last stage's size and crop; rate falls by a
    cosine. frames: training images from which activation ranges are calibrated.
    sparsity: share of the weights that pruning sets to zero; pruning_share: share of
    the steps in which it is reached.
    """

    steps: int = 200
    batch: int = 16
    rate: tuple[float, float] = (1e-5, 1e-6)
    frames: int = 100
    sparsity: float = 0.5
    pruning_share: float = 0.6

    def __post_init__(self) -> None:
        check_least(self, 1, "steps", "batch", "frames")
        check_least(self, 0, "rate")
        check_share(self, "sparsity", "pruning_share")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run.

    teacher: a run's folder, a Keras file or a .tflite whose soft masks the loss part
        `distillation` learns, relative to the config's folder.
    second_opinion: further networks that it learns beside a .tflite teacher.
    patience: validations without a better mean IoU after which training stops; 0
        for never. mixed_precision: compute in bfloat16. tensorboard: write scalars
        and pictures of predictions.
    """

    name: str
    data: DataConfig
    stages: tuple[StageConfig, ...]
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    features: FeaturesConfig = FeaturesConfig()
    hints: HintsConfig = HintsConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    seed: int = 1
    finetune: FinetuneConfig = FinetuneConfig()
    teacher: str = ""
    second_opinion: SecondOpinionConfig = SecondOpinionConfig()
    patience: int = 0
    mixed_precision: bool = False
    tensorboard: bool = True
    validate_every: int = 1000
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        check_least(self, 1, "validate_every", "checkpoint_every")
        check_least(self, 0, "patience")
        if self.name in ("", ".", "..") or set(self.name) & set("/\\"):
            raise InputError(
                f"name: got {self.name!r}, expected the name of a folder in runs/; a run's folder "
                "elsewhere is given as --output"
            )
        own = self.data.previous_mask.own
        if own and not self.model.previous_mask:
            raise InputError(
                f"data.previous_mask.own: got {own:g} for a network that is given no mask, "
                "expected 0, or model.previous_mask = true"
            )
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"seed: got {self.seed}, expected 0 to {SEEDS - 1}")

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

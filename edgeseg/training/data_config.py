"""What a run is trained on: folders, groups of samples, and how batches are made of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..config_ranges import check_least, check_range, check_share
from ..data.augment import AugmentConfig
from ..data.class_pipeline import BorderConfig
from ..data.previous_mask import PreviousMaskConfig


@dataclass(frozen=True)
class GroupConfig:
    """A share of the training draws: the samples of `folder` with these families.

    folder: holds images/ and masks/, or only images with `masks = false`; with a
        `reader` it is the split that the reader takes.
    families: file name prefixes up to the first underscore, photos for all names without one;
        empty means all.
    labels: folder, relative to the config's, of masks that take the place of those in
        masks/, as `edgeseg.training.relabel` writes them.
    share: weight of the draw. weight: weight in the loss. crop: own crop range.
    emptiest_of: of so many crops drawn, the one that shows least of what the mask holds is
        taken: a photo of people teaches what stands around them.
    taught: share of a teacher's answer in what `loss.distillation` asks for; the rest is the
        masks', which are followed more closely the lower it is.
    shift: added to the log odds that a teacher answers, for masks that are drawn wider than the
        teacher's, or tighter below 0.
    """

    folder: str
    families: tuple[str, ...] = ()
    masks: bool = True
    labels: str = ""
    share: float = 1.0
    weight: float = 1.0
    crop: tuple[float, float] | None = None
    emptiest_of: int = 1
    taught: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        check_least(self, 0, "share", "weight")
        check_share(self, "taught")
        check_range(self, "crop")


@dataclass(frozen=True)
class DataConfig:
    """Where the data lies. Folders are relative to `root`, `root` to the config's folder.

    reader: a name of `data.readers.READERS` for data with classes; empty for binary
        masks in plain folders. classes: a subset of the classes, COCO alone.
    validation: folder (or split) that chooses between models.
    cutouts: folder, relative to the config's, of photos with masks of things, as
        `edgeseg.training.cutouts` writes them, for `augment.cutouts`.
    leave_out: names without suffix of images that are never trained on, such as copies of
        what validates.
    holdout: last share of each split that is kept out of training and, where
        validation names the same split, is what validation sees.
    tile: validate by overlapping tiles at the images' own size, for networks that
        are trained on crops of it, instead of resizing whole images.
    workers: that make the batches, ahead of their use. processes: whether they are
        processes instead of threads, which pays where a GPU takes more than a
        thousand images a second; each keeps its own `cache` of decoded images.
    resident: side in pixels of the squares that all photos are kept in on the device, which then
        makes the batches itself (`data.resident`); 0 for batches made on the CPU.
    """

    root: str
    groups: tuple[GroupConfig, ...]
    validation: str
    reader: str = ""
    classes: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    holdout: float = 0.0
    tile: bool = False
    border: BorderConfig = BorderConfig()
    backgrounds: str = ""
    cutouts: str = ""
    augment: AugmentConfig = AugmentConfig()
    previous_mask: PreviousMaskConfig = PreviousMaskConfig()
    workers: int = 2
    processes: bool = False
    resident: int = 0
    cache: bool = True

    def __post_init__(self) -> None:
        check_least(self, 1, "workers")
        check_least(self, 0, "resident")
        check_share(self, "holdout")

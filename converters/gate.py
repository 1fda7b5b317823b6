"""The decision: is a converted file good enough to be handed over?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .verification import Verification


@dataclass(frozen=True)
class Limits:
    """max_iou_drop: of mean IoU, 0 to 1. max_flicker_rise: per mille, None for no limit."""

    max_iou_drop: float = 0.005
    max_flicker_rise: float | None = None


@dataclass(frozen=True)
class Gate:
    """passed, and the reasons where it did not; each is something to act on."""

    passed: bool
    reasons: tuple[str, ...] = ()


def judge(found: Verification, limits: Limits, *, other: Iterable[str] = ()) -> Gate:
    """Compare with the limits. other: reasons found elsewhere, such as the placement."""
    reasons = [*other, *_measured(found, limits)]
    return Gate(not reasons, tuple(reasons))


def _measured(found: Verification, limits: Limits) -> Iterable[str]:
    if not math.isfinite(found.mean_abs) or not math.isfinite(found.max_abs):
        yield "answers that are no finite numbers, on the images to verify on"
        return
    # Not "drop > limit": an IoU that is not a number must fail as well.
    if not found.max_iou_drop <= limits.max_iou_drop:
        yield (
            f"IoU drop {found.max_iou_drop:.4f} over {found.pictures} images, "
            f"allowed {limits.max_iou_drop:.4f} (mean difference {found.mean_abs:.3f}, "
            f"largest {found.max_abs:.2f})"
        )
    rise = limits.max_flicker_rise
    if found.video and rise is not None and not found.video.flicker_rise <= rise:
        yield (
            f"flicker rises by {found.video.flicker_rise:.2f} per mille to "
            f"{found.video.flicker:.2f}, allowed {rise:.2f}"
        )

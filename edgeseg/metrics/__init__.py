"""Measures of accuracy and stability: numpy arrays in, numbers out."""

from .bootstrap import interval
from .boundary import boundary_f, outline
from .region import false_positive_area, iou
from .video import dtssd, flicker, lag, video_consistency

__all__ = [
    "boundary_f",
    "dtssd",
    "false_positive_area",
    "flicker",
    "interval",
    "iou",
    "lag",
    "outline",
    "video_consistency",
]

"""Measures of accuracy and stability: numpy arrays in, numbers out."""

from .bootstrap import interval
from .boundary import boundary_f, outline
from .cityscapes import instance_iou, instance_sizes
from .classes import Counts, count
from .detection import AveragePrecision, Segment, average_precision, segments
from .region import false_positive_area, iou
from .video import dtssd, flicker, lag, video_consistency

__all__ = [
    "AveragePrecision",
    "Counts",
    "Segment",
    "average_precision",
    "boundary_f",
    "count",
    "dtssd",
    "false_positive_area",
    "flicker",
    "instance_iou",
    "instance_sizes",
    "interval",
    "iou",
    "lag",
    "outline",
    "segments",
    "video_consistency",
]

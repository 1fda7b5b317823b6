"""MediaPipe's own API as a peer: its ImageSegmenter task on the selfie model."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from .subjects import THRESHOLD, Subject


def api_subjects(model: Path) -> list[Subject]:
    """One peer, or none where the installed mediapipe is missing or cannot open the model.

    model: path of a selfie .tflite, opened by the task as it is.
    """
    if importlib.util.find_spec("mediapipe") is None:
        return []
    # Its native part logs every start to stderr.
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        segment, close = image_segmenter(model)
    # The package fails in many ways where its native library or numpy does not fit.
    except Exception as error:
        reason = " ".join(str(error).split())
        logging.getLogger(__name__).warning("mediapipe's API is left out: %s", reason)
        return []
    version = importlib.metadata.version("mediapipe")
    note = f"ImageSegmenter task of mediapipe {version}, its own preprocessing and threads"
    return [Subject("mediapipe-selfie-api", "peer", segment=segment, close=close, note=note)]


def image_segmenter(
    model: Path,
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[], None]]:
    """uint8 (H, W, 3) BGR -> bool (H, W), by MediaPipe's ImageSegmenter in image mode; its close.

    Left to the interpreter's end it fails with a traceback: its threads are gone by then.
    """
    mediapipe = importlib.import_module("mediapipe")
    tasks = importlib.import_module("mediapipe.tasks.python")
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    options = vision.ImageSegmenterOptions(
        base_options=tasks.BaseOptions(model_asset_path=str(model)),
        output_confidence_masks=True,
        output_category_mask=False,
    )
    segmenter = vision.ImageSegmenter.create_from_options(options)

    def segment(frame: np.ndarray) -> np.ndarray:
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        confidence = segmenter.segment(image).confidence_masks[-1].numpy_view()
        return confidence.reshape(frame.shape[:2]) > THRESHOLD

    return segment, segmenter.close

"""Frame to tensor and tensor to mask: the only place where colour is swapped.

Training, conversion, benchmarks and the runtime all come through here, so a
frame gives the same tensor everywhere. Nothing depends on a frame's content.
"""

from __future__ import annotations

import cv2
import numpy as np

from .errors import InputError, ModelError
from .spec import ModelSpec

# Of a mask's pixels in pixels of the input; finer ones than the input's are a stride of 1.
STRIDES = (1, 2, 4, 8, 16, 32, 64)


def check_frame(frame: np.ndarray) -> None:
    """Raise InputError unless `frame` is uint8 (H, W, 3) with at least one pixel."""
    if not isinstance(frame, np.ndarray):
        raise InputError(f"frame: got {type(frame).__name__}, expected a numpy array")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise InputError(
            f"frame: got {frame.dtype} {frame.shape}, expected uint8 (height, width, 3) BGR"
        )


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize (H, W) or (H, W, C) to (height, width): area downwards, bilinear upwards.

    From twice the size on, the area is taken of a bilinear picture of just twice the
    size: at 1280x720 to 256x256 that differs from the exact area by 0.3 of 255 on
    average and takes a quarter of its time.
    """
    if image.shape[1] == width and image.shape[0] == height:
        return image
    if width > image.shape[1] or height > image.shape[0]:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    # Beyond four times, bilinear would skip pixels: whole halves first.
    while image.shape[1] >= 4 * width and image.shape[0] >= 4 * height:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    if image.shape[1] >= 2 * width or image.shape[0] >= 2 * height:
        image = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def sample_corners(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """A frame at the model's size: `resize` where both sides shrink, else as MediaPipe samples.

    There pixel x is taken at x * W / width, without the half pixel that `resize`
    centres by: at most half a frame's pixel aside. The masks of MediaPipe's models agree
    with those that its own API gets (IoU 0.97 became 0.99); a model whose training had
    images and masks on one another loses by it.
    """
    h, w = frame.shape[:2]
    if w >= width and h >= height:
        return resize(frame, width, height)
    stretch = np.array([[width / w, 0, 0], [0, height / h, 0]])
    return cv2.warpAffine(
        frame, stretch, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def model_pixels(frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """BGR frame -> uint8 (height, width, colour channels) in the model's size and order."""
    check_frame(frame)
    fit = sample_corners if spec.sampling == "corners" else resize
    small = fit(frame, spec.width, spec.height)
    if spec.colour == "RGB":
        return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
    if spec.colour == "GRAY":
        return cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)[..., np.newaxis]
    return small


def normalise(pixels: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """uint8 (..., colour channels) in the model's order -> float32, pixel * scale + offset."""
    if len(set(spec.scale)) == len(set(spec.offset)) == 1:
        # One factor for all channels: in place, at a fifth of the time of broadcasting.
        values = pixels.astype(np.float32)
        values *= np.float32(spec.scale[0])
        values += np.float32(spec.offset[0])
        return values
    return pixels * np.asarray(spec.scale, np.float32) + np.asarray(spec.offset, np.float32)


def to_tensor(frame: np.ndarray, spec: ModelSpec, previous: np.ndarray | None = None) -> np.ndarray:
    """Frame -> float32 (1, height, width, channels).

    frame: uint8 (H, W, 3), BGR.
    previous: float32 (h, w) in [0, 1], the previous mask at any size, or None for
        the empty mask; used only where the spec has a previous-mask channel.
    """
    tensor = normalise(model_pixels(frame, spec), spec)
    if spec.previous_mask:
        channel = np.zeros((spec.height, spec.width), np.float32)
        if previous is not None:
            channel = resize(np.asarray(previous, np.float32), spec.width, spec.height)
        tensor = np.concatenate([tensor, channel[..., np.newaxis]], axis=-1)
    return tensor[np.newaxis]


def to_scores(output: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Float output (1, h, w, classes) -> float32 (h, w, classes), probabilities in [0, 1].

    As the model gives them, which is how they are enlarged best; see `ModelSpec.temperature`.
    """
    scores = np.asarray(output, np.float32)[0]
    if spec.activation == "sigmoid":
        return 1 / (1 + np.exp(-scores))
    if spec.activation == "softmax":
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)
    return scores


def sharpened(scores: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Probabilities, any shape, as they were before their logits went through a temperature."""
    if spec.temperature == 1:
        return scores
    inside = scores**spec.temperature
    return inside / (inside + (1 - scores) ** spec.temperature)


def covers_input(size: tuple[int, int], output: tuple[int, int]) -> bool:
    """Whether an output shows the whole input of `size`, as all but tiles are taken.

    Both are (height, width). The output's sides are then the input's divided by a power of two,
    rounded either way, or larger. A network with valid padding, such as the first U-Net, leaves
    the borders out: 572 to 388.
    """
    if all(side >= whole for side, whole in zip(output, size)):
        return True
    return any(
        all(abs(side - whole / stride) < 1 for side, whole in zip(output, size))
        for stride in STRIDES
    )


def check_covers_input(spec: ModelSpec, output: tuple[int, int]) -> None:
    """Raise ModelError for a network whose mask would be stretched over what it did not see."""
    if not covers_input((spec.height, spec.width), output):
        raise ModelError(
            f"model {spec.name!r}: got an output of {output[0]}x{output[1]} for an input of "
            f"{spec.height}x{spec.width}, without its borders, expected the whole mask; train with "
            'padding = "same". `edgeseg evaluate --tile` takes it as it is'
        )


def to_mask(scores: np.ndarray, width: int, height: int) -> np.ndarray:
    """float32 (h, w) or (h, w, classes) -> the same at (height, width), bilinear."""
    return cv2.resize(scores, (width, height), interpolation=cv2.INTER_LINEAR)

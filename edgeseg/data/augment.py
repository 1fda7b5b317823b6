"""Augmentation of image and mask together; every function draws from the generator it is given.

Images are uint8 (H, W, 3) BGR, masks uint8 (H, W) with 0 background and 255
foreground. Geometry is one affine warp, colour one lookup table: on a small CPU
the augmentation must not cost more than the training step.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..config_ranges import check_least, check_range, check_share


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges and probabilities. Angles in degrees, crops as shares of the photo's side.

    spin: share of photos that are turned by any angle, for people who are not upright;
    mosaic: share of images that are four photos at half the size, for small people and
        for things beside them (Bochkovskiy et al. 2020, YOLOv4);
    mixup: share of images, mosaics apart, through which another photo shines, at up to half
        (Zhang et al. 2018, "mixup"): pictures that no network knows by heart, of which a teacher
        says what they show (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient
        and consistent");
    hue: share of photos with a mask whose hues are turned by any angle; hue_things: of
        photos without a person, behind composites too: a thing in the colours of skin is
        still none. Some of the others should be, or odd colours alone would say "nobody";
    things: share of the composites whose background is a training photo without a person
        instead of one of `backgrounds`;
    cutouts: share of images that have one to three things of `data.cutouts` pasted before or
        behind whoever they show (Ghiasi et al. 2021, "Simple copy-paste"): what stands out from
        its surroundings need not be somebody. Their hues are turned as `hue_things` says;
    cutouts_before: share of these things that are before whoever they meet, unless they would
        hide too much of them; the others are behind;
    cutouts_crop: crop of the picture of such a thing: below 0.5 it is large and cut by the frame;
    elastic: standard deviation of the deformation in pixels, 0 for none;
    elastic_grid: pixels; along a side of n of them n // elastic_grid + 2 points are moved, so
        that U-Net's 3 by 3 over 572x572 is an elastic_grid of 300.

    Samples with a mask take no `elastic`, those with classes neither hues, things, cut-outs,
    mosaics nor mixtures; a pipeline refuses them. `composite` and `paste` are for masks as well.
    """

    crop: tuple[float, float] = (0.35, 1.3)
    aspect: float = 1.3
    rotation: float = 12.0
    flip: float = 0.5
    flip_vertical: float = 0.0
    quarter_turns: bool = False
    spin: float = 0.0
    elastic: float = 0.0
    elastic_grid: int = 64
    brightness: float = 0.2
    contrast: float = 0.2
    gamma: float = 0.25
    colour: float = 0.12
    hue: float = 0.0
    hue_things: float = 0.0
    saturation: float = 0.3
    low_light: float = 0.06
    noise: float = 0.12
    blur: float = 0.08
    jpeg: float = 0.08
    grey: float = 0.02
    composite: float = 0.25
    things: float = 0.0
    cutouts: float = 0.0
    cutouts_before: float = 0.5
    cutouts_crop: tuple[float, float] = (0.6, 1.8)
    paste: float = 0.1
    mosaic: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        check_range(self, "crop", "cutouts_crop")
        check_least(self, 1, "aspect", "elastic_grid")
        check_least(self, 0, "rotation", "elastic", "brightness", "gamma")
        check_share(self, "flip", "flip_vertical", "spin", "hue", "hue_things", "low_light")
        check_share(self, "noise", "blur", "jpeg", "grey", "contrast", "colour", "saturation")
        check_share(self, "composite", "things", "cutouts", "cutouts_before")
        check_share(self, "paste", "mosaic", "mixup")


def warp_matrix(
    rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int], config: AugmentConfig
) -> np.ndarray:
    """Affine 2x3 from a photo of `shape` (height, width) to `size` (width, height).

    A crop of 1.0 maps the whole photo onto the output, as inference does.
    """
    height, width = shape
    crop = np.exp(rng.uniform(*np.log(config.crop)))
    aspect = np.exp(rng.uniform(-1, 1) * np.log(config.aspect) / 2)
    scale_x = size[0] / (width * crop * aspect)
    scale_y = size[1] / (height * crop / aspect)
    if rng.random() < config.flip:
        scale_x = -scale_x
    # Only drawn where asked for: other configurations keep their sequence of numbers.
    if config.flip_vertical and rng.random() < config.flip_vertical:
        scale_y = -scale_y
    angle = np.deg2rad(rng.normal(0, config.rotation / 2))
    if config.quarter_turns:
        angle += np.pi / 2 * rng.integers(4)
    if config.spin and rng.random() < config.spin:
        angle = rng.uniform(-np.pi, np.pi)
    # Rotate in the photo's own pixels, then scale: otherwise the rotation would shear.
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = np.diag([scale_x, scale_y]) @ rotation
    slack = max(0.0, 1 - crop) / 2 + 0.08
    centre = np.array([width, height]) * (0.5 + rng.uniform(-slack, slack, 2))
    return np.column_stack([linear, np.array(size) / 2 - linear @ centre])


def warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Apply `warp_matrix`; what lies outside the photo is its mirror image."""
    return cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def warp_labels(labels: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`warp` for class ids, which must not be mixed: the nearest pixel's."""
    return cv2.warpAffine(
        labels, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )


def elastic_maps(
    rng: np.random.Generator, size: tuple[int, int], config: AugmentConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth random deformation for cv2.remap, as U-Net's authors use it for microscopy.

    Displacements of a coarse grid are drawn from a normal distribution and
    interpolated bicubically (Ronneberger et al. 2015, section 3.1).
    size: (width, height). Returns x and y, float32 (height, width).
    """
    width, height = size
    shape = (height // config.elastic_grid + 2, width // config.elastic_grid + 2)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height))
    maps = []
    for base in (columns, rows):
        coarse = rng.normal(0, config.elastic, shape).astype(np.float32)
        maps.append(
            base.astype(np.float32) + cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
        )
    return maps[0], maps[1]


def deform(image: np.ndarray, maps: tuple[np.ndarray, np.ndarray], *, labels: bool) -> np.ndarray:
    """Apply `elastic_maps` to an image, or to class ids by the nearest pixel."""
    interpolation = cv2.INTER_NEAREST if labels else cv2.INTER_LINEAR
    return cv2.remap(image, *maps, interpolation, borderMode=cv2.BORDER_REFLECT_101)


def colour_table(rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """uint8 (256, 1, 3): brightness, contrast, gamma and white balance in one table."""
    x = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.uniform(-1, 1) * config.gamma)
    if rng.random() < config.low_light:
        gamma *= rng.uniform(1.5, 2.5)
    contrast = 1 + rng.uniform(-1, 1) * config.contrast
    brightness = rng.uniform(-1, 1) * config.brightness / 2
    balance = 1 + rng.uniform(-1, 1, 3) * config.colour
    table = ((x**gamma - 0.5) * contrast + 0.5 + brightness) * balance
    return np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8)[:, None, :]


def photometric(rng: np.random.Generator, image: np.ndarray, config: AugmentConfig) -> np.ndarray:
    """Colour, then now and then greyness, blur, noise and JPEG artefacts."""
    image = cv2.LUT(image, colour_table(rng, config))
    amount = rng.uniform(-1, 1) * config.saturation
    if rng.random() < config.grey:
        amount = -1.0
    if abs(amount) > 0.08:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = cv2.addWeighted(image, 1 + amount, grey, -amount, 0)
    if rng.random() < config.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < config.noise:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(3, 16)))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.random() < config.jpeg:
        quality = int(rng.integers(20, 70))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return image


def turn_hue(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """All hues turned by one random angle; lightness and saturation stay (HLS)."""
    hls = cv2.cvtColor(image, cv2.COLOR_BGR2HLS_FULL)
    # Of eight bits the full circle: the sum wraps around as the hue does.
    hls[..., 0] += np.uint8(rng.integers(256))
    return cv2.cvtColor(hls, cv2.COLOR_HLS2BGR_FULL)


def blend(image: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """image where alpha is 255, background where it is 0; all of one size, uint8."""
    # Not cv2.blendLinear, which needs float images: two multiplications in 8 bit are enough here.
    alpha3 = cv2.merge([alpha] * 3)
    front = cv2.multiply(image, alpha3, scale=1 / 255)
    return cv2.add(front, cv2.multiply(background, cv2.bitwise_not(alpha3), scale=1 / 255))

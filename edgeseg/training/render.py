"""Batches made on the device that trains, from photos that lie there and a plan of numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data.batch import channel_scale
from ..data.pipeline import Pipeline
from ..data.resident import Plan, Store
from ..errors import InputError

NOISE = 512  # side of the tile that noise is taken from, a power of two
GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as OpenCV's
REACH = 4  # of a blur, in pixels: two and a half standard deviations of the widest

Render = Callable[[Plan], tuple[Any, Any, Any]]


def make_renderer(keras: Any, store: Store, pipeline: Pipeline) -> Render:
    """A function of a plan: tensor, truth and weight on the device, as a training step takes them.

    tensor: float32 (N, height, width, 3). truth: float32 (N, height', width', 1) in [0, 1].
    weight: float32 (N,). Raises InputError for a backend other than tensorflow and jax.
    """
    ops, spec, stride = keras.ops, pipeline.spec, pipeline.output_stride
    scale, offset = channel_scale(spec)
    # Four bytes a pixel, read as one number: a gather of single bytes takes four times as many.
    packed = np.ascontiguousarray(store.pixels).view("<i4")
    arrays = (packed.reshape(-1), store.sizes, _noise())

    def render(photos, sizes, noise, plan):
        view = (spec.height, spec.width, store.pixels.shape[1])
        (rows, inverses, moved, places, places_inverses, lit, colours) = plan
        x, y = _grid(ops, view)
        x, y = x[None] - moved[:, :1, None], y[None] - moved[:, 1:, None]
        x, y = ops.mod(x, float(spec.width)), ops.mod(y, float(spec.height))
        chosen, inverse = _quarters(ops, x, y, rows, inverses, view)
        made = _sampled(ops, photos, sizes, chosen, _mapped(inverse, x, y), view)
        image, mask = made[..., :3], made[..., 3:] / 255
        if count := places.shape[0]:
            x, y = (axis[None] for axis in _grid(ops, view))
            inverse = [places_inverses[:, i, j, None, None] for i in range(2) for j in range(3)]
            row = places[:, None, None]
            behind = _sampled(ops, photos, sizes, row, _mapped(inverse, x, y), view)[..., :3]
            front = coloured(ops, image[:count], lit, noise)
            put = front * mask[:count] + behind * (1 - mask[:count])
            image = ops.concatenate([put, image[count:]], axis=0)
        image = coloured(ops, image, colours, noise)
        truth = ops.average_pool(mask, stride, strides=stride) if stride > 1 else mask
        return image * scale + offset, truth

    compiled = _compiled(keras, render, arrays)

    def made(plan: Plan) -> tuple[Any, Any, Any]:
        tensor, truth = compiled(_numbers(plan))
        return tensor, truth, plan.weight

    return made


def coloured(ops: Any, image: Any, colours: tuple[Any, ...], noise: Any) -> Any:
    """`augment.photometric` of images on the device: float32 (N, h, w, 3) in [0, 255], RGB.

    colours: the fields of `data.resident.Colours`. noise: float32 (side, side, 3), a tile.
    """
    gamma, contrast, brightness, balance, saturation, blur, amount, at = colours

    def by_image(values):
        return ops.reshape(values, (-1, 1, 1, 1))

    x = (ops.clip(image, 0, 255) / 255 + 1e-6) ** by_image(gamma)
    x = (x - 0.5) * by_image(contrast) + 0.5 + by_image(brightness)
    x = ops.clip(x * ops.reshape(balance, (-1, 1, 1, 3)) * 255, 0, 255)
    grey = x[..., :1] * GREY[0] + x[..., 1:2] * GREY[1] + x[..., 2:] * GREY[2]
    x = ops.clip(x + by_image(saturation) * (x - grey), 0, 255)
    x = _blurred(ops, _blurred(ops, x, by_image(blur), axis=1), by_image(blur), axis=2)
    height, width = image.shape[1:3]
    rows = (at[:, :1] + ops.arange(height, dtype="int32")) % NOISE
    columns = (at[:, 1:] + ops.arange(width, dtype="int32")) % NOISE
    places = rows[:, :, None] * NOISE + columns[:, None, :]
    added = ops.take(ops.reshape(noise, (-1, 3)), places, axis=0)
    return ops.clip(x + by_image(amount) * added, 0, 255)


def _blurred(ops: Any, x: Any, deviation: Any, *, axis: int) -> Any:
    """Gaussian along an axis, borders mirrored, each image with its own standard deviation."""
    spread = 2 * ops.maximum(deviation, 0.05) ** 2
    weights = [ops.exp(-(reach**2) / spread) for reach in range(REACH + 1)]
    pads = [(0, 0)] * 4
    pads[axis] = (REACH, REACH)
    wide, length = ops.pad(x, pads, mode="reflect"), x.shape[axis]

    def part(begin):
        index: list[Any] = [slice(None)] * 4
        index[axis] = slice(begin, begin + length)
        return wide[tuple(index)]

    total = x * weights[0]
    for reach in range(1, REACH + 1):
        total = total + weights[reach] * (part(REACH - reach) + part(REACH + reach))
    return total / (weights[0] + 2 * sum(weights[1:]))


def _grid(ops: Any, view: tuple[int, int, int]) -> tuple[Any, Any]:
    """x and y of every pixel, float32 (height, width)."""
    height, width, _ = view
    x, y = ops.meshgrid(ops.arange(width, dtype="float32"), ops.arange(height, dtype="float32"))
    return x, y


def _quarters(ops, x, y, rows, inverses, view):
    """Row of the store and the six numbers of an inverse, for every pixel of every image."""
    height, width, _ = view
    right, below = x >= width / 2, y >= height / 2

    def chosen(values):
        first, second, third, fourth = (values[:, i, None, None] for i in range(4))
        return ops.where(below, ops.where(right, fourth, third), ops.where(right, second, first))

    return chosen(rows), [chosen(inverses[:, :, i, j]) for i in range(2) for j in range(3)]


def _mapped(inverse, x, y):
    """Where pixels (x, y) of an image come from in its photo."""
    a, b, c, d, e, f = inverse
    return a * x + b * y + c, d * x + e * y + f


def _sampled(ops, photos, sizes, row, places, view):
    """Photos at places (x, y), bilinear, mirrored beyond their borders: float32 (N, h, w, 4)."""
    side = view[2]
    x, y = places
    shape = ops.take(sizes, row, axis=0)
    height, width = shape[..., 0], shape[..., 1]
    x0, x1, right = _neighbours(ops, x, width)
    y0, y1, below = _neighbours(ops, y, height)

    def at(across, down):
        packed = ops.take(photos, (row * side + down) * side + across)
        channels = [ops.bitwise_and(ops.right_shift(packed, 8 * i), 255) for i in range(4)]
        return ops.cast(ops.stack(channels, axis=-1), "float32")

    right, below = right[..., None], below[..., None]
    upper = at(x0, y0) * (1 - right) + at(x1, y0) * right
    lower = at(x0, y1) * (1 - right) + at(x1, y1) * right
    return upper * (1 - below) + lower * below


def _neighbours(ops, place, length):
    """The two pixels about a place along an axis, mirrored at its ends, and the second's share."""
    last = ops.cast(length - 1, "float32")
    period = ops.maximum(2 * last, 1.0)
    place = ops.mod(place, period)
    place = ops.minimum(ops.minimum(place, ops.abs(period - place)), last)
    first = ops.floor(place)
    low = ops.cast(first, "int32")
    return low, ops.minimum(low + 1, length - 1), place - first


def _noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (NOISE, NOISE, 3)).astype(np.float32)


def _numbers(plan: Plan) -> tuple[Any, ...]:
    """The arrays of a plan that a renderer takes."""
    lit, colours = (
        tuple(getattr(c, field.name) for field in dataclasses.fields(c))
        for c in (plan.lit, plan.colours)
    )
    return (
        plan.photos,
        plan.inverses,
        plan.moved.astype(np.float32),
        plan.places,
        plan.places_inverses,
        lit,
        colours,
    )


def _compiled(keras: Any, render: Callable[..., Any], arrays: tuple[Any, ...]) -> Any:
    """`render` with the `arrays` put on the device, as a function of a plan's numbers."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        there = jax.device_put(arrays)
        made = jax.jit(render)
        return lambda numbers: made(*there, numbers)
    if backend == "tensorflow":
        import tensorflow as tf

        there = tuple(tf.constant(array) for array in arrays)
        made = tf.function(render)
        return lambda numbers: made(*there, tf.nest.map_structure(tf.constant, numbers))
    raise InputError(f"KERAS_BACKEND: got {backend!r}, expected tensorflow or jax")

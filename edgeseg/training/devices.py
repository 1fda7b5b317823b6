"""Data parallel training: each device takes its slice of every batch.

On JAX with Keras's own distribution API, under TensorFlow with
tf.distribute.MirroredStrategy. GPUs are taken before CPUs. TensorFlow's one CPU is
split into as many devices as there are replicas, a core for each (JAX:
XLA_FLAGS=--xla_force_host_platform_device_count=N).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.batch import Batch, channel_scale
from ..errors import InputError


@dataclass(frozen=True)
class Devices:
    """Where a model's replicas live; the defaults mean one device, Keras's own choice.

    strategy: a tf.distribute strategy. distribution: a keras.distribution.DataParallel.
    """

    count: int = 1
    strategy: Any = None
    distribution: Any = None

    def scope(self) -> Any:
        """Context in which model and optimizer are built."""
        if self.strategy is not None:
            return self.strategy.scope()
        if self.distribution is not None:
            return self.distribution.scope()
        return contextlib.nullcontext()

    def shard(self, array: Any) -> Any:
        """An array of a batch, its first axis spread over the devices; JAX only."""
        if self.distribution is None:
            return array
        import keras

        layout = self.distribution.get_data_layout(array.shape)
        return keras.distribution.distribute_tensor(array, layout)

    def place(self, keras: Any, batch: Batch) -> tuple[Any, ...]:
        """What a step takes of a batch: tensor, truth, weight, and features where it has them.

        On JAX the arrays lie on the device, where their eight bits have become floats;
        otherwise they are NumPy's.
        """
        if keras.backend.backend() != "jax" or self.distribution is not None:
            arrays = (batch.tensor, batch.truth, batch.weight)
            return arrays if batch.features is None else (*arrays, batch.features)
        import jax

        pixels, labels, weight, *features = jax.device_put(
            [a for a in (batch.pixels, batch.labels, batch.weight, batch.features) if a is not None]
        )
        scale, offset = channel_scale(batch.spec)
        truth = labels / np.float32(255) if labels.dtype == np.uint8 else labels
        return pixels * scale + offset, truth, weight, *features

    def check_batch(self, batch: int) -> None:
        """Raise InputError where a batch does not split evenly."""
        if batch % self.count:
            raise InputError(
                f"batch: got {batch} for {self.count} devices, expected a multiple of {self.count}"
            )


def make_devices(keras: Any, count: int) -> Devices:
    """The first `count` devices of the backend in use.

    Raises InputError where there are fewer, or for a backend that has no such thing.
    """
    if count < 1:
        raise InputError(f"devices: got {count}, expected at least 1")
    if count == 1:
        return Devices()
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return Devices(count, strategy=_mirrored(count))
    if backend == "jax":
        available = keras.distribution.list_devices()
        _check_count(count, available)
        return Devices(
            count, distribution=keras.distribution.DataParallel(devices=available[:count])
        )
    raise InputError(
        f"devices: got {count} with the backend {backend!r}, expected tensorflow or jax"
    )


def _mirrored(count: int) -> Any:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        _one_core_each(count)
    available = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    _check_count(count, available)
    return tf.distribute.MirroredStrategy([device.name for device in available[:count]])


def _one_core_each(count: int) -> None:
    """Let each replica have one core: small layers on their own core beat layers split over two.

    With fewer cores than replicas the CPU stays whole, and `_check_count` says so.
    """
    import tensorflow as tf

    if count > (os.cpu_count() or 1):
        return
    # TensorFlow takes these settings before its first use only; later they stay as they are.
    with contextlib.suppress(RuntimeError):
        simulate_cpus(count)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(count)


def _check_count(count: int, available: list[Any]) -> None:
    if len(available) < count:
        names = ", ".join(getattr(device, "name", str(device)) for device in available)
        raise InputError(f"devices: got {count}, expected at most {len(available)} ({names})")


def simulate_cpus(count: int) -> None:
    """Split TensorFlow's CPU into `count` logical devices; before TensorFlow is first used."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    )

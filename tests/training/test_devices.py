"""Two simulated CPU devices give the loss curve of one on the same global batch."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import pytest

# In a process of its own, for all optimizers: devices are split before a backend is first used,
# whose import takes longer than the curves.
SCRIPT = """
import json, sys
import numpy as np
if {backend!r} == "tensorflow":
    from edgeseg.training.devices import simulate_cpus
    simulate_cpus(2)
import keras
from edgeseg.models import build
from edgeseg.training.config import OptimizerConfig
from edgeseg.training.devices import make_devices
from edgeseg.training.class_losses import class_loss
from edgeseg.training.losses import LossConfig
from edgeseg.training.optimizer import make_optimizer
from edgeseg.training.step import make_step

def curve(count, name):
    keras.utils.set_random_seed(0)
    devices = make_devices(keras, count)
    with devices.scope():
        model = build("unet", keras=keras, input_shape=(16, 16, 3), classes=3, channels=4, depth=1,
                      padding="same", dropout=0.0)
        logits = keras.Model(model.inputs, model.get_layer("logits").output)
        options = OptimizerConfig(name=name, clip_norm=0.5)
        optimizer = make_optimizer(keras, options, logits, slow=set())
        config = LossConfig(jaccard=0.5, dice=0.5)
        loss = lambda o, *t: class_loss(keras.ops, o, *t, config)
        step = make_step(keras, logits, optimizer, loss, devices)
    optimizer.learning_rate = 0.01
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(12):
        tensor = rng.normal(size=(6, 16, 16, 3)).astype(np.float32)
        truth = (tensor[..., 0] > 0).astype(np.int32) + (tensor[..., 1] > 0)
        # Very different weights, so that a plain mean over the devices would be wrong.
        weight = np.ones((6, 16, 16), np.float32)
        weight[:2] = 0
        weight[5] = 4
        parts = step(tensor, truth.astype(np.int32), weight)
        losses.append(dict(zip(parts, map(float, parts.values()))))
    return losses

curves = {{name: [curve(count, name) for count in (1, 2)] for name in ("adam", "muon")}}
print("CURVES" + json.dumps(curves))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_are_as_one(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; it is an optional backend")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(backend=backend)))
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
    }
    run = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    curves = json.loads(run.stdout.split("CURVES")[1])
    assert list(curves) == ["adam", "muon"]
    for optimizer, (one, two) in curves.items():
        assert one[-1]["loss"] < 0.95 * one[0]["loss"]
        for alone, shared in zip(one, two, strict=True):
            for name, value in alone.items():
                assert shared[name] == pytest.approx(value, abs=1e-3), (optimizer, name)


def test_too_many_devices_is_one_clear_error():
    import keras

    from edgeseg.errors import InputError
    from edgeseg.training.devices import Devices, make_devices

    with pytest.raises(InputError, match="devices: got 99, expected at most"):
        make_devices(keras, 99)
    with pytest.raises(InputError, match="batch: got 5 for 2 devices"):
        Devices(2).check_batch(5)

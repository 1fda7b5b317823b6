"""Steps of the optimizers on kernels whose next value is known."""

import keras
import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.training.config import OptimizerConfig
from edgeseg.training.config_file import load_config
from edgeseg.training.optimizer import make_optimizer, takes_muon

RATE = 0.01


@pytest.fixture
def model():
    keras.utils.set_random_seed(3)
    tensor = keras.Input((8, 8, 4))
    answer = keras.layers.Conv2D(6, 3, name="dense")(tensor)
    answer = keras.layers.DepthwiseConv2D(3, name="depthwise")(answer)
    answer = keras.layers.Conv2D(24, 1, name="wide")(answer)
    return keras.Model(tensor, keras.layers.Conv2D(1, 1, name="logits")(answer))


def steps_of(model, gradients, *, name, slow=frozenset(), steps=1, momentum=0.0):
    """What `steps` steps with the same gradients change, by path."""
    config = OptimizerConfig(name=name, momentum=momentum)
    optimizer = make_optimizer(keras, config, model, slow=set(slow))
    optimizer.build(model.trainable_variables)
    optimizer.learning_rate.assign(RATE)
    before = [variable.numpy() for variable in model.trainable_variables]
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients])
    return {
        variable.path: variable.numpy() - old
        for variable, old in zip(model.trainable_variables, before, strict=True)
    }


@pytest.fixture
def gradients(model):
    rng = np.random.default_rng(1)
    return [
        (rng.normal(size=v.shape) * rng.uniform(0.1, 3.0, v.shape[-1:])).astype(np.float32)
        for v in model.trainable_variables
    ]


def test_muon_is_for_kernels_that_mix_channels(model):
    taken = [variable.path for variable in model.trainable_variables if takes_muon(variable)]
    assert taken == ["dense/kernel", "wide/kernel"]


@pytest.mark.parametrize("path", ["dense/kernel", "wide/kernel"])
def test_muon_steps_against_the_gradient_alike_in_every_direction(model, gradients, path):
    gradient = gradients[[v.path for v in model.trainable_variables].index(path)]
    change = steps_of(model, gradients, name="muon")[path]
    matrix = change.reshape(-1, change.shape[-1])
    left, size, right = np.linalg.svd(gradient.reshape(matrix.shape), full_matrices=False)
    assert size[0] > 2 * size[-1]
    # The nearest matrix with equal singular values; Newton-Schulz leaves them within 0.7 and 1.2.
    whole = RATE * 0.2 * np.sqrt(max(matrix.shape))
    shares = -np.einsum("ij,ik,kj->j", left, matrix, right.T) / whole
    assert shares.min() > 0.6
    assert shares.max() < 1.3
    np.testing.assert_allclose(matrix, -(left * shares) @ right * whole, atol=2e-5)


def test_muon_leaves_the_rest_to_adam(model, gradients):
    values = [variable.numpy() for variable in model.trainable_variables]
    muon = steps_of(model, gradients, name="muon", steps=3)
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    adam = steps_of(model, gradients, name="adam", steps=3)
    for variable in model.trainable_variables:
        if not takes_muon(variable):
            np.testing.assert_allclose(muon[variable.path], adam[variable.path], atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("largest", [1.0, 0.05])
def test_gradient_descent_by_values(model, gradients, momentum, largest):
    """Clipped at the norm of all gradients together, a kernel's step at a share of the rate."""
    gradients = [largest * gradient for gradient in gradients]
    config = OptimizerConfig()
    norm = np.sqrt(sum(float((g**2).sum()) for g in gradients))
    assert (norm > config.clip_norm) == (largest == 1.0)
    change = steps_of(
        model, gradients, name="sgd", slow={"dense/kernel"}, steps=3, momentum=momentum
    )
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        rate = RATE * (config.encoder_scale if variable.path == "dense/kernel" else 1.0)
        velocity, expected = 0.0, 0.0
        for _ in range(3):
            velocity = momentum * velocity - rate * gradient * min(1.0, config.clip_norm / norm)
            expected = expected + velocity
        np.testing.assert_allclose(change[variable.path], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["adam", "muon"])
def test_momentum_is_for_gradient_descent_alone(name):
    with pytest.raises(InputError, match=f'momentum: got 0.9 with {name}, expected name = "sgd"'):
        OptimizerConfig(name=name, momentum=0.9)


@pytest.mark.parametrize("name", ["adam", "muon", "sgd"])
def test_slow_variables_take_a_share_of_the_step(model, gradients, name):
    values = [variable.numpy() for variable in model.trainable_variables]
    whole = steps_of(model, gradients, name=name)
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    slowed = steps_of(model, gradients, name=name, slow={"dense/kernel", "dense/bias"})
    share = OptimizerConfig().encoder_scale
    for path, change in whole.items():
        expected = change * (share if path.startswith("dense") else 1.0)
        np.testing.assert_allclose(slowed[path], expected, atol=1e-6)


def test_an_unknown_optimizer_is_named(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(
        'name = "a"\nstages = [{steps = 1}]\n'
        '[data]\nroot = "."\ngroups = []\nvalidation = "val"\n[optimizer]\nname = "lion"\n'
    )
    with pytest.raises(
        InputError, match="optimizer: name: got 'lion', expected one of adam, muon, sgd"
    ):
        load_config(path)

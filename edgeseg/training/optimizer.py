"""The optimizer: Adam, Muon for the kernels and Adam for the rest, or plain gradient descent."""

from __future__ import annotations

import math
from typing import Any

from .config import OptimizerConfig


def make_optimizer(keras: Any, config: OptimizerConfig, model: Any, *, slow: set[str]) -> Any:
    """An optimizer whose rate is multiplied by `encoder_scale` for the variables in `slow`.

    slow: the variables' paths. The rate is set before every step by assigning `learning_rate`;
    one rate suits Adam and Muon, whose updates are scaled to the size of Adam's.
    """
    scales = [
        config.encoder_scale if variable.path in slow else 1.0
        for variable in model.trainable_variables
    ]
    base: Any = keras.optimizers.Adam
    own = {}
    if config.name == "muon":
        base = _muon(keras)
    elif config.name == "sgd":
        base, own = keras.optimizers.SGD, {"momentum": config.momentum}

    class Layerwise(base):
        def update_step(self, gradient, variable, learning_rate):
            # Backends hand over their own variables, which have no path: the index is common.
            scale = scales[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * scale)

    return Layerwise(learning_rate=0.0, global_clipnorm=config.clip_norm, **own)


def takes_muon(variable: Any) -> bool:
    """Whether a variable is a kernel that mixes channels: of a convolution, not a depthwise one.

    Kernels with one output, as that of a mask's logits, are vectors and left to Adam, too.
    """
    return len(variable.shape) == 4 and min(variable.shape[2:]) > 1


def _muon(keras: Any) -> Any:
    """Keras's Muon, which steps matrices only, for the kernels of convolutions.

    Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of
    a matrix by the nearest one whose singular values are all alike, so that rare directions are
    learned as fast as common ones. A kernel of (height, width, inputs, outputs) is taken as
    the matrix of (height * width * inputs, outputs). Updates have 0.2 as root mean square
    (Liu et al. 2025, arXiv:2502.16982), about that of Adam's.
    """

    class ConvolutionMuon(keras.optimizers.Muon):
        def __init__(self, *, learning_rate, global_clipnorm):
            super().__init__(
                learning_rate=learning_rate,
                global_clipnorm=global_clipnorm,
                weight_decay=None,
                adam_weight_decay=None,
            )

        def _should_use_adamw(self, variable):
            return not takes_muon(variable)

        def zeropower_via_newtonschulz5(self, x, steps):
            matrix = keras.ops.reshape(x, (-1, x.shape[-1]))
            return keras.ops.reshape(super().zeropower_via_newtonschulz5(matrix, steps), x.shape)

        def lr_adjust(self, x):
            longest = max(math.prod(x.shape[:-1]), x.shape[-1])
            return x * (self.rms_rate * math.sqrt(longest))

    return ConvolutionMuon

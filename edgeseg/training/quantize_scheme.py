"""tensorflow-model-optimization's 8 bit scheme, with the weights quantized while training.

The stock scheme leaves a convolution that is followed by a separate ReLU layer
alone, its weights included: training would not see their rounding at all. Here
such weights are rounded per output channel, depthwise ones too, as TFLite does.
For the conversion the stock scheme is right, as the converter then rounds the
weights itself, with the very same scales.
"""

from __future__ import annotations

from typing import Any

from ..errors import InputError, require

# What to do about a layer that cannot be quantized, by its type.
MENDS = {
    "BatchNormalization": "put it straight after a convolution without bias, or fold it",
    "Multiply": "use Add or Concatenate, or a backbone without squeeze-and-excitation",
    "Subtract": "use Add, with the sign in the weights before it",
    "Rescaling": "leave it out: scaling belongs to ModelSpec",
    "Resizing": "use UpSampling2D with a fixed factor",
    "PReLU": "use ReLU(max_value=6)",
    "Conv2DTranspose": "use UpSampling2D and a convolution",
}
ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax", "tanh", "swish")
CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "Dense", "SeparableConv2D")


def check_quantizable(model: Any) -> None:
    """Raise InputError naming every layer of a tf_keras model that cannot be quantized, and why."""
    tfmot = require("tensorflow_model_optimization", extra="train")
    del tfmot  # its registry is not part of its public module
    registry_module = require(
        "tensorflow_model_optimization.python.core.quantization.keras.default_8bit."
        "default_8bit_quantize_registry",
        extra="train",
    )
    registry = registry_module.Default8BitQuantizeRegistry()
    problems = [text for layer in model.layers if (text := _problem(layer, registry))]
    if problems:
        raise InputError(
            f"{model.name}: got {len(problems)} layers that cannot be quantized: "
            + "; ".join(problems[:6])
        )


def _problem(layer: Any, registry: Any) -> str:
    kind = type(layer).__name__
    if kind == "InputLayer":
        return ""
    if kind == "Activation":
        name = layer.activation.__name__
        if name not in ACTIVATIONS:
            return f"{layer.name} ({name}): use ReLU(max_value=6) or sigmoid"
        return ""
    if kind == "BatchNormalization":
        before = layer.input._keras_history.layer
        if type(before).__name__ in CONVOLUTIONS:
            return ""
    elif registry.supports(layer):
        return ""
    mend = MENDS.get(kind, "replace it by convolution, ReLU, Add, Concatenate or UpSampling2D")
    return f"{layer.name} ({kind}): {mend}"


def quantize(model: Any, *, weights: bool) -> Any:
    """A quantization-aware copy of a tf_keras model.

    weights: round the weights of convolutions before ReLU layers, too; for training.
        False gives the stock scheme, for conversion.
    Raises InputError for a model with layers that cannot be quantized.
    """
    check_quantizable(model)
    tfmot = require("tensorflow_model_optimization", extra="train")
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    if not weights:
        return tfmot.quantization.keras.quantize_apply(annotated)
    return tfmot.quantization.keras.quantize_apply(annotated, scheme=_training_scheme(tfmot))


def _training_scheme(tfmot: Any) -> Any:
    base = "tensorflow_model_optimization.python.core.quantization.keras.default_8bit."
    transforms: Any = require(base + "default_8bit_transforms", extra="train")
    layout: Any = require(base + "default_8bit_quantize_layout_transform", extra="train")
    channel_weights = _channel_weights(tfmot)

    class ReLUAfterQuantizedWeights(transforms.LayerReLUQuantize):
        """Nothing between a convolution and its ReLU, but the weights are rounded."""

        def replacement(self, match_layer):
            before = match_layer.input_layers[0]
            super().replacement(match_layer)
            kernel = {"Conv2D": "kernel", "DepthwiseConv2D": "depthwise_kernel"}.get(
                before.layer["class_name"]
            )
            if kernel:
                before.metadata["quantize_config"] = channel_weights(kernel)
            return match_layer

    class Layout(layout.Default8BitQuantizeLayoutTransform):
        """The stock transforms, with ours in the place of theirs for ReLU."""

        def apply(self, model, layer_quantize_map):
            stock = transforms.LayerReLUQuantize
            transforms.LayerReLUQuantize = ReLUAfterQuantizedWeights
            try:
                return super().apply(model, layer_quantize_map)
            finally:
                transforms.LayerReLUQuantize = stock

    class Scheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):
        def get_layout_transformer(self):
            return Layout()

    return Scheme()


def _channel_weights(tfmot: Any) -> Any:
    """A QuantizeConfig class that rounds one kernel and no activation."""
    tf = require("tensorflow", extra="train")
    quantizers: Any = tfmot.quantization.keras.quantizers

    class ChannelQuantizer(quantizers.Quantizer):
        """Symmetric 8 bit per output channel, gradients straight through."""

        def __init__(self, axes):
            self.axes = axes

        def build(self, tensor_shape, name, layer):
            return {}

        def __call__(self, inputs, training, weights, **kwargs):
            scale = tf.reduce_max(tf.abs(inputs), axis=self.axes, keepdims=True) / 127
            scale = tf.maximum(scale, 1e-12)
            return inputs + tf.stop_gradient(tf.round(inputs / scale) * scale - inputs)

        def get_config(self):
            return {"axes": self.axes}

    class ChannelWeights(tfmot.quantization.keras.QuantizeConfig):
        def __init__(self, kernel):
            self.kernel = kernel

        def get_weights_and_quantizers(self, layer):
            # A depthwise kernel is (height, width, channels, 1), others end with the outputs.
            axes = (0, 1, 3) if self.kernel == "depthwise_kernel" else (0, 1, 2)
            return [(getattr(layer, self.kernel), ChannelQuantizer(axes))]

        def set_quantize_weights(self, layer, quantize_weights):
            setattr(layer, self.kernel, quantize_weights[0])

        def get_activations_and_quantizers(self, layer):
            return []

        def set_quantize_activations(self, layer, quantize_activations):
            pass

        def get_output_quantizers(self, layer):
            return []

        def get_config(self):
            return {"kernel": self.kernel}

    return ChannelWeights

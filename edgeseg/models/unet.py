"""U-Net to the letter (Ronneberger, Fischer and Brox, 2015, figure 1).

Valid 3x3 convolutions, copy-and-crop, 2x2 up-convolutions that halve the
channels: 572x572x1 becomes 388x388x2. `padding="same"` with `dropout=0.5` is
the popular variant whose output has the input's size.
"""

from __future__ import annotations

from ..preprocess import covers_input
from .blocks import Keras, Tensor
from .classic import class_scores, conv_relu

# Layers -----------------------------------------------------------------------


def double_convolution(
    keras: Keras, x: Tensor, channels: int, *, name: str, padding: str
) -> Tensor:
    """Two 3x3 convolutions with ReLU: each takes 2 pixels off the sides if padding is valid."""
    for index in (1, 2):
        x = conv_relu(keras, x, channels, name=f"{name}_conv{index}", padding=padding)
    return x


def crop_to(keras: Keras, x: Tensor, height: int, width: int, *, name: str) -> Tensor:
    """The centre of x: float (N, H, W, C) -> (N, height, width, C)."""
    rows, columns = x.shape[1] - height, x.shape[2] - width
    if rows == 0 and columns == 0:
        return x
    crop = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
    return keras.layers.Cropping2D(crop, name=name)(x)


def up_convolution(keras: Keras, x: Tensor, skip: Tensor, *, name: str, transposed: bool) -> Tensor:
    """Twice the size, half the channels, beside the cropped copy from the way down."""
    channels = x.shape[-1] // 2
    if transposed:
        # Every output pixel sees each input channel once: He's deviation is sqrt(2 / inputs). Keras
        # takes a transposed kernel's 2 * 2 * inputs for its fan out, and its outputs for what
        # comes in, by which "he_normal" starts at 0.707 of it.
        start = keras.initializers.VarianceScaling(scale=2 * 2 * 2.0, mode="fan_out")
        x = keras.layers.Conv2DTranspose(
            channels, 2, strides=2, kernel_initializer=start, name=f"{name}_upconv"
        )(x)
        x = keras.layers.ReLU(name=f"{name}_upconv_relu")(x)
    else:
        x = keras.layers.UpSampling2D(2, name=f"{name}_upsample")(x)
        x = conv_relu(keras, x, channels, 2, name=f"{name}_upconv")
    copy = crop_to(keras, skip, x.shape[1], x.shape[2], name=f"{name}_crop")
    return keras.layers.Concatenate(name=f"{name}_concat")([copy, x])


# Functional model -------------------------------------------------------------


def unet(
    *,
    keras: Keras,
    input_shape: tuple[int, int, int] = (572, 572, 1),
    classes: int = 2,
    channels: int = 64,
    depth: int = 4,
    padding: str = "valid",
    dropout: float = 0.5,
    transposed: bool = True,
) -> Tensor:
    """Build U-Net.

    input_shape: (height, width, channels) in pixels.
    classes: 1 gives one sigmoid mask, more a softmax over the classes.
    channels: of the first level, doubled at each of the `depth` poolings; 64 and
        4 are the paper's.
    padding: "valid" as in the paper, or "same".
    dropout: share at the end of the contracting path (the paper gives no number).
    transposed: the up-convolution is a transposed one, as in the authors' network;
        False enlarges by nearest neighbour and convolves 2x2, which every
        quantizer and accelerator takes.

    Returns a Keras model, float32 (N, H, W, C) -> float32 (N, H', W', classes) of
    probabilities; H' is H with "same" padding. The layer before the activation is
    called "logits".
    Raises ValueError for a depth below 1, a size at which a pooling would meet an odd number, and
    one at which valid padding leaves out so much that the rest looks like a smaller mask of it.
    """
    if padding not in ("valid", "same"):
        raise ValueError(f"unet padding: got {padding!r}, expected valid or same")
    if depth < 1:
        raise ValueError(f"unet depth: got {depth}, expected 1 or more")
    inputs = x = keras.Input(shape=tuple(input_shape), name="image")
    skips = []
    for level in range(depth):
        x = double_convolution(keras, x, channels << level, name=f"down{level}", padding=padding)
        if level == depth - 1 and dropout:
            skips.append(keras.layers.Dropout(dropout, name=f"down{level}_dropout")(x))
        else:
            skips.append(x)
        _check_even(skips[-1], input_shape, level)
        x = keras.layers.MaxPooling2D(2, name=f"down{level}_pool")(skips[-1])
    x = double_convolution(keras, x, channels << depth, name="bottom", padding=padding)
    if dropout:
        x = keras.layers.Dropout(dropout, name="bottom_dropout")(x)
    for level in reversed(range(depth)):
        x = up_convolution(keras, x, skips[level], name=f"up{level}", transposed=transposed)
        x = double_convolution(keras, x, channels << level, name=f"up{level}", padding=padding)
    if padding == "valid" and covers_input(input_shape[:2], x.shape[1:3]):
        raise ValueError(
            f"unet input size: got {input_shape[0]}x{input_shape[1]} with valid padding, whose "
            f"output of {x.shape[1]}x{x.shape[2]} would be taken for a mask of the whole, expected "
            f"another size, such as {input_shape[0] + 2**depth}x{input_shape[1] + 2**depth}"
        )
    return keras.Model(inputs, class_scores(keras, x, classes), name="unet")


def _check_even(x: Tensor, input_shape: tuple[int, int, int], level: int) -> None:
    height, width = x.shape[1], x.shape[2]
    if height < 2 or width < 2 or height % 2 or width % 2:
        raise ValueError(
            f"unet input size: got {input_shape[0]}x{input_shape[1]}, with which pooling "
            f"{level + 1} would meet {height}x{width}, expected an even size at every pooling "
            "(188, 316, 572 with valid padding and depth 4; multiples of 2 ** depth with same)"
        )

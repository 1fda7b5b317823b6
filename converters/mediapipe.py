"""Target `mediapipe`: TFLite Metadata inside, for MediaPipe's ImageSegmenter and ML Kit.

The metadata's classes come from the `mediapipe` package. Its ready-made writer
does not import since version 1 (it wants a native module that is no longer in
the wheel), so the buffer is put into the file here.
Weights are float16: those runtimes compute in floating point.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from edgeseg.errors import InputError, require
from edgeseg.spec import ModelSpec, embed

from .flatwrite import with_metadata
from .float16 import flat_float16
from .job import Job

METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"
SEGMENTER_NAME = "SEGMENTER_METADATA"
SEGMENTER_IDENTIFIER = b"V001"
# Parsers from this version on know normalization, labels and custom metadata.
PARSER_VERSION = "1.5.0"
LABELS_ENTRY = "labels.txt"
ACTIVATIONS = {"none": 0, "sigmoid": 1, "softmax": 2}


def check(spec: ModelSpec) -> None:
    """InputError for a model that MediaPipe cannot feed; MissingExtra without the package."""
    _schemas()
    if spec.colour != "RGB" or spec.previous_mask:
        raise InputError(
            f"mediapipe: got {spec.colour} input{' with a previous mask' * spec.previous_mask}, "
            "expected plain RGB: ImageSegmenter feeds nothing but the image"
        )


def convert(job: Job) -> bytes:
    """The float16 model with TFLite Metadata, labels, spec and golden frame."""
    check(job.spec)
    model = with_metadata(flat_float16(job), METADATA_NAME, metadata(job.spec))
    labels = "\n".join(job.spec.labels) + "\n"
    return job.finish(embed(model, {LABELS_ENTRY: labels.encode()}))


def _schemas() -> tuple[ModuleType, ModuleType]:
    base = "mediapipe.tasks.metadata"
    return (
        require(f"{base}.metadata_schema_py_generated", extra="mediapipe"),
        require(f"{base}.image_segmenter_metadata_schema_py_generated", extra="mediapipe"),
    )


def metadata(spec: ModelSpec) -> bytes:
    """The metadata flatbuffer: normalization, image content, labels, activation."""
    schema, segmenter = _schemas()
    subgraph = schema.SubGraphMetadataT()
    subgraph.inputTensorMetadata = [_input(schema, spec)]
    subgraph.outputTensorMetadata = [_output(schema)]
    subgraph.customMetadata = [_activation(schema, segmenter, spec)]
    root = schema.ModelMetadataT()
    root.name, root.description = spec.name, spec.description or f"segmentation of {spec.name}"
    root.minParserVersion = PARSER_VERSION
    root.subgraphMetadata = [subgraph]
    return _pack(root, METADATA_IDENTIFIER)


def _input(schema: Any, spec: ModelSpec) -> Any:
    # Ours is pixel * scale + offset, theirs (pixel - mean) / std.
    options = schema.NormalizationOptionsT()
    options.mean = [-offset / scale for scale, offset in zip(spec.scale, spec.offset)]
    options.std = [1 / scale for scale in spec.scale]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, options
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = "image", "The image to segment."
    tensor.processUnits = [unit]
    tensor.content = _content(schema, schema.ContentProperties.ImageProperties, image)
    statistics = schema.StatsT()
    statistics.min = list(spec.offset)
    statistics.max = [255 * scale + offset for scale, offset in zip(spec.scale, spec.offset)]
    tensor.stats = statistics
    return tensor


def _output(schema: Any) -> Any:
    labels = schema.AssociatedFileT()
    labels.name, labels.description = LABELS_ENTRY, "Names of the classes."
    labels.type = schema.AssociatedFileType.TENSOR_AXIS_LABELS
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.GRAYSCALE
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.description = "segmentation_masks", "Masks over the image."
    tensor.content = _content(schema, schema.ContentProperties.ImageProperties, image)
    tensor.associatedFiles = [labels]
    return tensor


def _content(schema: Any, kind: int, properties: Any) -> Any:
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = kind, properties
    return content


def _activation(schema: Any, segmenter: Any, spec: ModelSpec) -> Any:
    options = segmenter.ImageSegmenterOptionsT()
    options.activation = ACTIVATIONS[spec.activation]
    custom = schema.CustomMetadataT()
    custom.name = SEGMENTER_NAME
    custom.data = list(_pack(options, SEGMENTER_IDENTIFIER))
    return custom


def _pack(root: Any, identifier: bytes) -> bytes:
    flatbuffers = require("flatbuffers", extra="mediapipe")
    builder = flatbuffers.Builder(0)
    builder.Finish(root.Pack(builder), identifier)
    return bytes(builder.Output())

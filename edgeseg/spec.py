"""ModelSpec: what a model expects and gives, embedded in its .tflite file.

The spec travels as `edgeseg.json`, an entry of a zip archive appended to the
flatbuffer, which TFLite interpreters ignore and which TFLite Metadata uses in
the same way. Next to it may lie a golden frame, `golden.png` with
`golden_mask.png`: a small input and the float model's answer, by which a
runtime checks its delegate on the device itself.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ModelError
from .spec_types import plain, wrong_types

SPEC_ENTRY = "edgeseg.json"
SPEC_VERSION = 1
TFLITE_MAGIC = b"TFL3"
# Zip stores a date for every entry: a fixed one keeps conversions byte-identical.
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelSpec:
    """The contract between a model file and whoever runs it.

    name: what the model is called, such as "person".
    width, height: input size in pixels.
    colour: channel order of the input, "RGB", "BGR" or "GRAY".
    scale, offset: per colour channel; tensor = pixel * scale + offset, pixel 0..255.
    previous_mask: the last input channel is the previous mask in [0, 1], all
        zero for the first frame.
    labels: one name per output channel; a single name is a binary mask.
    palette: one (red, green, blue) per label, 0..255.
    activation: what maps the output to probabilities: "none" (they are), "sigmoid"
        or "softmax".
    temperature: what a mask's logits were divided by before they became its probabilities
        (Guo et al. 2017). Enlarged bilinearly, soft probabilities put the border nearer to
        where the logits have it. The runtime takes it back: `preprocess.sharpened`.
    sampling: of frames smaller than the input: "centres" has the pixels' centres lie on one
        another, as in training; "corners" has pixel x at x * W / width, as MediaPipe's graph does.
    description: one line for people.
    """

    name: str
    width: int
    height: int
    colour: str = "RGB"
    scale: tuple[float, ...] = (1 / 127.5,) * 3
    offset: tuple[float, ...] = (-1.0,) * 3
    previous_mask: bool = False
    labels: tuple[str, ...] = ("person",)
    palette: tuple[tuple[int, int, int], ...] = ((64, 200, 120),)
    activation: str = "none"
    temperature: float = 1.0
    sampling: str = "centres"
    description: str = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))
        # What the others say of a field takes its type for granted.
        problems = list(wrong_types(self)) or list(self._problems())
        if problems:
            raise ModelError(f"model spec {self.name!r}: " + "; ".join(problems))

    def _problems(self) -> Iterator[str]:
        if self.width < 1 or self.height < 1:
            yield f"size: got {self.width}x{self.height}, expected positive numbers"
        if self.colour not in ("RGB", "BGR", "GRAY"):
            yield f"colour: got {self.colour!r}, expected RGB, BGR or GRAY"
        for field in ("scale", "offset"):
            if len(getattr(self, field)) != self.colour_channels:
                yield f"{field}: got {getattr(self, field)}, expected one number per colour channel"
        if not self.labels:
            yield "labels: got none, expected at least one"
        if len(self.palette) != len(self.labels):
            yield f"palette: got {len(self.palette)} colours, expected {len(self.labels)}"
        if self.activation not in ("none", "sigmoid", "softmax"):
            yield f"activation: got {self.activation!r}, expected none, sigmoid or softmax"
        if self.sampling not in ("centres", "corners"):
            yield f"sampling: got {self.sampling!r}, expected centres or corners"
        if not self.temperature > 0 or (self.temperature != 1 and not self.binary):
            yield (
                f"temperature: got {self.temperature} for {len(self.labels)} labels, expected a "
                "positive number, and 1 for several"
            )

    @property
    def colour_channels(self) -> int:
        """Colour channels of the input: 1 for GRAY, otherwise 3."""
        return 1 if self.colour == "GRAY" else 3

    @property
    def channels(self) -> int:
        """All input channels, the previous mask included."""
        return self.colour_channels + int(self.previous_mask)

    @property
    def binary(self) -> bool:
        """True where the output is one mask and no class scores."""
        return len(self.labels) == 1

    def to_json(self) -> str:
        """JSON text with sorted keys, the same for equal specs."""
        return json.dumps(
            {"spec_version": SPEC_VERSION, **dataclasses.asdict(self)}, indent=1, sort_keys=True
        )

    @classmethod
    def from_json(cls, text: str, *, origin: str = "spec") -> ModelSpec:
        """Read `to_json`'s text. ModelError names what is missing or unknown."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ModelError(
                f"{origin}: got invalid JSON ({error}), expected a model spec"
            ) from None
        if not isinstance(values, dict):
            raise ModelError(f"{origin}: got {type(values).__name__}, expected a JSON object")
        return cls._from_mapping(values, origin=origin)

    @classmethod
    def from_file(cls, path: str | Path) -> ModelSpec:
        """Read a file of `to_json`'s text. ModelError where it cannot be read or is no spec."""
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
            raise ModelError(
                f"{path}: got no readable spec ({reason}), expected JSON as in the spec.json that "
                "training writes"
            ) from None
        return cls.from_json(text, origin=str(path))

    @classmethod
    def _from_mapping(cls, values: Mapping[str, Any], *, origin: str) -> ModelSpec:
        version = values.get("spec_version", SPEC_VERSION)
        if version != SPEC_VERSION:
            raise ModelError(f"{origin}: got spec_version {version}, expected {SPEC_VERSION}")
        values = {key: value for key, value in values.items() if key != "spec_version"}
        fields = {field.name: field for field in dataclasses.fields(cls)}
        missing = [name for name in ("name", "width", "height") if name not in values]
        unknown = sorted(set(values) - set(fields))
        if missing:
            raise ModelError(f"{origin}: missing fields {missing}, expected a spec with them")
        if unknown:
            raise ModelError(f"{origin}: unknown fields {unknown}, expected some of {[*fields]}")
        try:
            return cls(**values)
        except ModelError as error:
            raise ModelError(f"{origin}: {error}") from None


def check_flatbuffer(data: bytes, *, origin: str) -> None:
    """Raise ModelError unless `data` begins like a TFLite flatbuffer."""
    if not data:
        raise ModelError(f"{origin}: got an empty file, expected a TFLite model")
    if data[4:8] != TFLITE_MAGIC:
        raise ModelError(f"{origin}: got no TFLite model (no {TFLITE_MAGIC.decode()} at byte 4)")


def embed(model: bytes, entries: Mapping[str, bytes]) -> bytes:
    """Append `entries` (name -> content) to a .tflite as zip entries.

    An entry that is there already is replaced; others, TFLite Metadata's label
    files for example, stay. Equal arguments give equal bytes.
    """
    check_flatbuffer(model, origin="model")
    kept = {name: data for name, data in read_entries(model).items() if name not in entries}
    buffer = io.BytesIO()
    buffer.write(flatbuffer(model))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in {**kept, **entries}.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)
    return buffer.getvalue()


def read_entries(model: bytes) -> dict[str, bytes]:
    """The zip entries appended to a .tflite, name -> content; empty where there are none."""
    stream = io.BytesIO(model)
    if not zipfile.is_zipfile(stream):
        return {}
    try:
        with zipfile.ZipFile(stream) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        return {}


def flatbuffer(model: bytes) -> bytes:
    """The bytes of a .tflite before the zip archive appended to it."""
    stream = io.BytesIO(model)
    if not zipfile.is_zipfile(stream):
        return model
    try:
        with zipfile.ZipFile(stream) as archive:
            starts = [entry.header_offset for entry in archive.infolist()]
    except zipfile.BadZipFile:
        return model
    return model[: min(starts)] if starts else model


def read_spec(model: bytes, *, origin: str = "model") -> ModelSpec:
    """The spec embedded in a .tflite's bytes; ModelError where there is none."""
    check_flatbuffer(model, origin=origin)
    entries = read_entries(model)
    if SPEC_ENTRY not in entries:
        raise ModelError(
            f"{origin}: got a TFLite model without {SPEC_ENTRY}, which holds input size, colour "
            "order, scale and offset, labels: convert it with `edgeseg convert`, pass a spec, "
            "or put one beside it, in a file of its name that ends with .json"
        )
    return ModelSpec.from_json(entries[SPEC_ENTRY].decode("utf-8", "replace"), origin=origin)


def load_model(path: str | Path, *, spec: ModelSpec | None = None) -> tuple[bytes, ModelSpec]:
    """Read a .tflite and its spec: the given one, else the one inside, else FILE.json beside it.

    Raises ModelError for a file that is missing, unreadable, empty, no TFLite
    model, or without a spec.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: got no readable file ({error.strerror})") from None
    check_flatbuffer(data, origin=str(path))
    beside = Path(path).with_suffix(".json")
    # Asked for first, so that a model as usual has its entries read once.
    if spec is None and beside.is_file() and SPEC_ENTRY not in read_entries(data):
        spec = ModelSpec.from_file(beside)
    return data, spec or read_spec(data, origin=str(path))

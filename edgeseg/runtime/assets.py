"""The models that come with the package, and the path behind a model's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent / "assets"
# Files beside NAME.tflite that hold the same network for one device: NAME_gpu.tflite has
# float16 weights, NAME_edgetpu.tflite is what the Edge TPU compiler made of NAME.tflite.
DEVICES = ("gpu", "edgetpu")


def bundled() -> list[str]:
    """Names of the models in the package, sorted; a model's files for one device are not listed."""
    names = (path.stem for path in FOLDER.glob("*.tflite"))
    return sorted(name for name in names if not name.endswith(tuple(f"_{d}" for d in DEVICES)))


def variants(path: Path) -> Mapping[str, bytes]:
    """The files beside a model that are for one device, by device."""
    beside = {device: path.with_name(f"{path.stem}_{device}.tflite") for device in DEVICES}
    return {device: file.read_bytes() for device, file in beside.items() if file.is_file()}


def resolve(model: str | Path) -> Path:
    """A bundled name or a path -> the path of a .tflite that exists.

    Raises ModelError that lists the bundled names where there is neither.
    """
    path = Path(model)
    if path.is_file():
        return path
    inside = FOLDER / f"{model}.tflite"
    if path.name == str(model) and inside.is_file():
        return inside
    names = ", ".join(bundled()) or "none"
    got = "a folder" if path.is_dir() else "no such file"
    raise ModelError(f"{model}: got {got}, expected a .tflite or a bundled model ({names})")

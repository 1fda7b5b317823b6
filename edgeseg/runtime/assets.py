"""The models that come with the package, and the path behind a model's name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent / "assets"
# Files beside NAME.tflite that hold the same network for one device, the first that is there:
# float16 weights for the GPU, and what the Edge TPU compiler made of NAME.tflite.
DEVICES = {"gpu": ("gpu",), "edgetpu": ("edgetpu_compiled", "edgetpu")}
# What `edgeseg convert` calls NAME.tflite.
CONVERTED = "_int8"


def bundled() -> list[str]:
    """Names of the models in the package, sorted; a model's files for one device are not listed."""
    names = (path.stem for path in FOLDER.glob("*.tflite"))
    endings = tuple(f"_{ending}" for device in DEVICES.values() for ending in device)
    return sorted(name for name in names if not name.endswith(endings))


def variants(path: Path) -> Mapping[str, bytes]:
    """The files beside a model that are for one device, by device.

    Of NAME.tflite, and of NAME_int8.tflite as `edgeseg convert` writes it.
    """
    name, found = path.stem.removesuffix(CONVERTED), {}
    for device, endings in DEVICES.items():
        beside = (path.with_name(f"{name}_{ending}.tflite") for ending in endings)
        file = next((file for file in beside if file.is_file()), None)
        if file is not None:
            found[device] = file.read_bytes()
    return found


def resolve(model: str | Path) -> Path:
    """A bundled name or a path -> the path of a .tflite that exists.

    Raises ModelError that lists the bundled names where there is neither.
    """
    if not isinstance(model, str | os.PathLike):
        raise ModelError(f"model: got {model!r}, expected a bundled name or a path")
    path = Path(model)
    if path.is_file():
        return path
    inside = FOLDER / f"{model}.tflite"
    if path.name == str(model) and inside.is_file():
        return inside
    names = ", ".join(bundled()) or "none"
    got = "a folder" if path.is_dir() else "no such file"
    if not str(model):
        model, got = "model", "an empty name"
    raise ModelError(f"{model}: got {got}, expected a .tflite or a bundled model ({names})")

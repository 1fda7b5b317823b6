"""The models that come with the package, and the path behind a model's name."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError

FOLDER = Path(__file__).resolve().parent.parent / "assets"


def bundled() -> list[str]:
    """Names of the models in the package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.tflite"))


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

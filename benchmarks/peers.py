"""Models of others to compare with: MediaPipe's selfie models, or any .tflite with a spec.

    python -m edgeseg.benchmarks.peers DIR

puts MediaPipe's two there with their specs beside them, to be opened as any other model.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import typer

from edgeseg.errors import InputError
from edgeseg.runtime.console import exit_code_of
from edgeseg.spec import ModelSpec, load_model

from .entry import write_bytes, write_text
from .mediapipe_api import api_subjects
from .subjects import Subject

WHEEL_VARIABLE = "EDGESEG_MEDIAPIPE_WHEEL"
INSIDE = "mediapipe/modules/selfie_segmentation"
# The last release with the models inside; only the files are read, so any platform's wheel does.
DOWNLOAD = (
    "download",
    "mediapipe==0.10.21",
    "--no-deps",
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.11",
)
SELFIE_FILES = {
    "mediapipe-selfie": ("selfie_segmentation.tflite", 256, 256),
    "mediapipe-selfie-landscape": ("selfie_segmentation_landscape.tflite", 256, 144),
}


def peer_subjects(peers: Sequence[str]) -> list[Subject]:
    """Subjects of what `--peer` names.

    "mediapipe", "mediapipe=WHEEL", "FILE.tflite" (spec inside it or in FILE.json)
    or "FILE.tflite=SPEC.json". Raises InputError for anything else.
    """
    found: list[Subject] = []
    for peer in peers:
        name, _, extra = peer.partition("=")
        if name == "mediapipe":
            found += mediapipe_subjects(Path(extra) if extra else None)
        elif name.endswith(".tflite"):
            found.append(_file_subject(Path(name), Path(extra) if extra else None))
        else:
            raise InputError(
                f"peer: got {peer!r}, expected mediapipe, mediapipe=WHEEL, FILE.tflite or "
                "FILE.tflite=SPEC.json"
            )
    return found


def _file_subject(path: Path, spec_path: Path | None) -> Subject:
    spec = None if spec_path is None else ModelSpec.from_file(spec_path)
    return Subject(path.stem, "peer", path, load_model(path, spec=spec)[1])


def mediapipe_subjects(wheel: Path | None = None) -> list[Subject]:
    """MediaPipe's two selfie models in plain LiteRT; the first through its own API where installed.

    Looked for in the given wheel, the one in EDGESEG_MEDIAPIPE_WHEEL, the installed
    package and the cache folder; else pip downloads the wheel into the cache.
    """
    paths = {name: _selfie_path(file, wheel) for name, (file, _, _) in SELFIE_FILES.items()}
    found = [
        Subject(name, "peer", paths[name], selfie_spec(name, width, height), note=selfie_note(file))
        for name, (file, width, height) in SELFIE_FILES.items()
    ]
    return found + api_subjects(next(iter(paths.values())))


def write_selfies(folder: Path, wheel: Path | None = None) -> list[Path]:
    """MediaPipe's two selfie models as .tflite files in a folder, with FILE.json beside each."""
    written = []
    for name, (file, width, height) in SELFIE_FILES.items():
        target = folder / f"{name}.tflite"
        write_text(target.with_suffix(".json"), selfie_spec(name, width, height).to_json())
        write_bytes(target, _selfie_path(file, wheel).read_bytes())
        written.append(target)
    return written


def selfie_note(file: str) -> str:
    """Where a selfie model comes from, for the report."""
    return f"{file} of mediapipe 0.10.21 in plain LiteRT"


def selfie_spec(name: str, width: int, height: int) -> ModelSpec:
    """RGB in 0..1 in, sampled as MediaPipe's graph does; one channel in 0..1 out."""
    return ModelSpec(
        name, width, height, scale=(1 / 255,) * 3, offset=(0.0,) * 3, sampling="corners"
    )


def cache_folder() -> Path:
    """Where downloaded wheels and the files taken out of them are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "edgeseg" / "peers"


def _selfie_path(file: str, wheel: Path | None) -> Path:
    """A path of the model: in the installed package, or taken out of a wheel."""
    named = wheel or (Path(os.environ[WHEEL_VARIABLE]) if WHEEL_VARIABLE in os.environ else None)
    if named is None:
        installed = _installed(file)
        if installed is not None:
            return installed
    kept = cache_folder() / file
    if named is not None or not kept.is_file():
        _extract(named or _cached_wheel() or _download(), file, kept)
    return kept


def _installed(file: str) -> Path | None:
    package = importlib.util.find_spec("mediapipe")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent.parent / INSIDE / file
    return path if path.is_file() else None


def _cached_wheel() -> Path | None:
    return next(iter(sorted(cache_folder().glob("mediapipe-0.10.21-*.whl"))), None)


def _extract(wheel: Path, file: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"{INSIDE}/{file}")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel}: got no wheel with {INSIDE}/{file} ({error}), expected mediapipe 0.10.21's"
        ) from None
    write_bytes(target, data)


def _download() -> Path:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "--quiet", *DOWNLOAD, "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = _cached_wheel()
    if done.returncode or wheel is None:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(
            f"peer mediapipe: got no wheel ({reason}), expected one from "
            f"`pip {' '.join(DOWNLOAD)}`; name it with --peer mediapipe=WHEEL or {WHEEL_VARIABLE}"
        )
    return wheel


def _command(
    folder: Path = typer.Argument(..., help="Where the two .tflite files and their specs go."),  # noqa: B008
    wheel: Path | None = typer.Option(  # noqa: B008
        None, help="mediapipe 0.10.21's; by default what is installed or kept, or a download."
    ),
) -> None:
    def run() -> int:
        for path in write_selfies(folder, wheel):
            print(path)
        return 0

    raise typer.Exit(exit_code_of(run))


if __name__ == "__main__":
    typer.run(_command)

"""Names of other bytes than UTF-8, which would crash OpenCV, are read or told in one line."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeseg.data.folder import Sample, read_values
from edgeseg.errors import InputError, SinkError
from edgeseg.file_names import opencv_name
from edgeseg.image_files import read_image
from edgeseg.runtime.sinks import open_sink, write_image
from edgeseg.runtime.sources import open_source

PICTURE = np.full((48, 64, 3), 120, np.uint8)
TOLD = "got a name that is no UTF-8, which OpenCV cannot open; rename it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Linux alone has such names, on most of its file systems."""
    if sys.platform != "linux":
        pytest.skip("names are text here")
    path = tmp_path / os.fsdecode(b"b\xe4d")
    try:
        path.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    return path


def test_names_in_any_alphabet_are_text() -> None:
    for name in ("photo.jpg", "f\u00fc\u00df.png", "\u5199\u771f 1\n.png"):
        assert opencv_name(Path(name)) == name


def test_photos_are_read_and_written(folder: Path) -> None:
    write_image(folder / "a.png", PICTURE)
    assert np.array_equal(read_image(folder / "a.png"), PICTURE)
    assert np.array_equal(Sample(folder / "a.png", None).read_image(), PICTURE)
    assert np.array_equal(read_values(folder / "a.png"), PICTURE[..., 0])
    open_sink(f"{folder}/").write(PICTURE)
    assert (folder / "00000.png").read_bytes() == (folder / "a.png").read_bytes()
    with pytest.raises(SinkError, match="expected .png, .jpg or .webp"):
        write_image(folder / os.fsdecode(b"a.p\xe4g"), PICTURE)


def test_what_opencv_has_to_open_itself_is_told(folder: Path, monkeypatch) -> None:
    (folder / "a.avi").write_bytes(b"RIFF")
    monkeypatch.setenv("PATH", "")
    for call in (
        lambda: open_source(str(folder / "a.avi")),
        lambda: open_sink(str(folder / "b.mp4"), fps=25),
    ):
        with pytest.raises(InputError, match=TOLD):
            call()
    assert sorted(path.name for path in folder.iterdir()) == ["a.avi"]

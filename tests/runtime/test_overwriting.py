"""What is refused before it would be written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg import InputError
from edgeseg.runtime.overwriting import refuse_numbering_over, refuse_overwriting


def test_an_output_is_no_input_by_whatever_name(tmp_path: Path, monkeypatch) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"frames")
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "hard.mp4").hardlink_to(clip)
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "link.mp4", "hard.mp4", "./clip.mp4", str(clip)):
        with pytest.raises(InputError, match="stats: got .*, the source itself"):
            refuse_overwriting({"stats": Path(name)}, {"source": clip})
    refuse_overwriting({"stats": Path("other.json")}, {"source": clip})


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    outputs = {"sink": tmp_path / "out.mp4", "stats": tmp_path / "." / "out.mp4"}
    with pytest.raises(InputError, match="stats: got .*, the sink itself"):
        refuse_overwriting(outputs, {})


@pytest.mark.parametrize(("name", "refused"), [("00007.png", True), ("a.png", False)])
def test_numbered_pictures_among_the_inputs(tmp_path: Path, name: str, refused: bool) -> None:
    path = tmp_path / name
    path.write_bytes(b"pixels")
    if refused:
        with pytest.raises(InputError, match="sink: got .*, the folder of the source"):
            refuse_numbering_over(tmp_path, {"source": path})
    else:
        refuse_numbering_over(tmp_path, {"source": path})
    refuse_numbering_over(tmp_path / "other", {"source": path})


def test_numbered_pictures_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    frame = tmp_path / "frames" / "00003.png"
    frame.write_bytes(b"pixels")
    link = tmp_path / "background.png"
    link.symlink_to(frame)
    with pytest.raises(InputError, match="the folder of the background"):
        refuse_numbering_over(tmp_path / "frames", {"background": link})
    frame.rename(tmp_path / "photo.png")
    frame.symlink_to(tmp_path / "photo.png")
    with pytest.raises(InputError, match="the folder of the background"):
        refuse_numbering_over(tmp_path / "frames", {"background": frame})

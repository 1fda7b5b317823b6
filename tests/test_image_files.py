"""Images are listed by their names and read whole, or told in one line."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from edgeseg.errors import SourceError
from edgeseg.image_files import image_paths, read_image, read_stored


def test_hidden_files_and_folders_are_no_images(tmp_path) -> None:
    for name in ("b.jpg", "._b.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "c.jpg").mkdir()
    assert image_paths(tmp_path) == [tmp_path / "b.jpg"]


def test_photos_that_cannot_be_read_are_listed_and_told(tmp_path) -> None:
    """One of a phone that was left out of a training set in silence would be missed late."""
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    (path,) = image_paths(str(tmp_path))
    for read in (read_image, read_stored):
        with pytest.raises(SourceError, match=r"IMG_0001.HEIC: got something that is no image"):
            read(path)


def test_values_are_read_as_they_are_stored(tmp_path) -> None:
    grey = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    clear = np.random.default_rng(0).integers(0, 256, (3, 4, 4), np.uint8)
    for pixels in (grey, clear, clear[..., :3], clear[..., 0]):
        cv2.imwrite(str(tmp_path / "a.png"), pixels)
        found = read_stored(tmp_path / "a.png")
        assert found.dtype == pixels.dtype
        assert np.array_equal(found, pixels)
    cv2.imwrite(str(tmp_path / "a.png"), clear)
    assert np.array_equal(read_image(tmp_path / "a.png"), clear[..., :3])


def test_an_image_that_is_larger_than_opencv_takes_is_an_error_of_ours(tmp_path, capfd) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 65000, 65000, 8, 0, 0, 0, 0))
    path = tmp_path / "large.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    with pytest.raises(SourceError, match=r"large\.png: got something that is no image"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_an_image_that_is_cut_off_is_told_in_one_line(tmp_path, capfd) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    for kind, suffix in (("JPEG", ".jpg"), ("PNG", ".png")):
        path = tmp_path / f"half{suffix}"
        data = cv2.imencode(suffix, noise)[1].tobytes()
        path.write_bytes(data + bytes(5000))
        assert read_image(path).shape == (40, 60, 3)
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(SourceError, match=rf"half\{suffix}: got a {kind} that is cut off"):
            read_image(path)
    assert capfd.readouterr().err == ""

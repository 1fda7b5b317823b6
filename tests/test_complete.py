"""What is appended to an image leaves it whole; one that ends within the image is cut off."""

import cv2
import numpy as np
import pytest

from edgeseg.complete import cut_off

NOISE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


def encoded(suffix: str, *options: int, picture: np.ndarray = NOISE) -> bytes:
    return cv2.imencode(suffix, picture, list(options))[1].tobytes()


def with_fillings(jpeg: bytes) -> bytes:
    """With what may stand between two segments: any number of 255, and a marker alone."""
    size = int.from_bytes(jpeg[4:6], "big")
    return jpeg[:2] + b"\xff\x01\xff\xff\xff" + jpeg[2 : 4 + size] + b"\xff\xff" + jpeg[4 + size :]


def with_thumbnail(jpeg: bytes) -> bytes:
    """A picture with an end of its own in the headers, as cameras write."""
    inside = b"Exif\0\0" + encoded(".jpg", picture=NOISE[:8, :8])
    size = (len(inside) + 2).to_bytes(2, "big")
    return jpeg[:2] + b"\xff\xe1" + size + inside + jpeg[2:]


KINDS = {
    "baseline": encoded(".jpg"),
    "progressive": encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encoded(".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "thumbnail": with_thumbnail(encoded(".jpg")),
    "fillings": with_fillings(encoded(".jpg")),
    "png": encoded(".png"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_whole_whatever_follows(kind: str) -> None:
    image = KINDS[kind]
    second, film = encoded(".jpg", picture=255 - NOISE), b"\0\0\0\x18ftypmp42" + bytes(4000)
    for behind in (b"", b"\0", film, second, second + film, second[:100]):
        assert cut_off(image + behind) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_an_image_is_cut_off(kind: str) -> None:
    image = KINDS[kind]
    name = "PNG" if kind == "png" else "JPEG"
    # A cut at the very end of the picture in the headers looks like the end of a whole file.
    thumbnail = image.index(b"\xff\xd9") + 2 if kind == "thumbnail" else 0
    cuts = [length for length in range(8, len(image)) if length != thumbnail]
    assert {cut_off(image[:length]) for length in cuts} == {name}
    # What a disk or a memory card appends to a file that it lost the rest of.
    for filling in (b"\0", b"\xff"):
        assert cut_off(image[: len(image) // 2] + filling * 1_000_000) == name


def test_other_files_are_not_judged() -> None:
    for data in (b"", b"\xff", b"no image", encoded(".bmp"), encoded(".webp")):
        assert cut_off(data) is None

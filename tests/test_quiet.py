"""OpenCV is kept from logging, and logs again afterwards."""

import types

import cv2
import pytest

from edgeseg.quiet import quiet_opencv


@pytest.mark.parametrize("place", ["cv2", "cv2.utils.logging"])
def test_opencv_is_quiet_wherever_it_has_its_level(monkeypatch, place: str) -> None:
    """Up to 4.12 its functions are in cv2 itself."""
    levels = [3]

    def set_level(level: int) -> int:
        levels.append(level)
        return levels[-2]

    found = types.SimpleNamespace(getLogLevel=lambda: levels[-1], setLogLevel=set_level)
    if place == "cv2":
        monkeypatch.delattr(cv2.utils, "logging", raising=False)
        for name, function in vars(found).items():
            monkeypatch.setattr(cv2, name, function, raising=False)
    else:
        monkeypatch.setattr(cv2.utils, "logging", found, raising=False)
    with quiet_opencv():
        assert levels[-1] == 0
    assert levels == [3, 0, 3]


def test_two_threads_that_keep_opencv_quiet_leave_its_level() -> None:
    logging = getattr(cv2.utils, "logging", cv2)
    level = logging.getLogLevel()
    one, other = quiet_opencv(), quiet_opencv()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert logging.getLogLevel() == 0
    other.__exit__(None, None, None)
    assert logging.getLogLevel() == level

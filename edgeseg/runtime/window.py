"""A window with the picture, a status line and keys."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np

from ..errors import SinkError
from .sink import Sink

TITLE = "edgeseg"
# key -> what it does, as told to the user once.
KEYS = {
    "q": "quit",
    "e": "next effect",
    "t": "next temporal filter",
    "m": "mask on or off",
    "s": "screenshot",
}


class Window(Sink):
    """Shows pictures. on_key: called with a key of KEYS. status: gives the line to draw.

    Raises SinkError where there is no screen; the GUI library itself would abort.
    """

    live = True
    alpha = False
    main_thread = True

    def __init__(
        self, on_key: Callable[[str], None] | None, status: Callable[[], str] | None
    ) -> None:
        problem = screen_problem()
        if problem:
            raise SinkError(
                f"window: got {problem}, expected a screen; "
                "use --sink FILE.mp4, --sink mjpeg or --sink none"
            )
        self._on_key = on_key
        self._status = status
        # Qt would complain ten times that OpenCV brings no fonts; nothing here needs them.
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")
        # Without Qt's own tool bar, which makes the picture smaller.
        style = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        cv2.namedWindow(TITLE, style)
        self._sized = False
        self._gone = False
        keys = ", ".join(f"{key} {what}" for key, what in KEYS.items())
        print(f"edgeseg: keys in the window: {keys}", file=sys.stderr)

    def write(self, picture: np.ndarray) -> None:
        """See Sink. Once the window was closed, nothing is shown: it would open anew."""
        if self._gone:
            return
        if not self._sized:
            cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._sized = True
        shown = picture.copy()
        if self._status is not None:
            draw_status(shown, self._status())
        cv2.imshow(TITLE, shown)
        self.idle()

    def idle(self) -> None:
        """See Sink: keys are read here. Closing the window is the key q."""
        code = cv2.waitKey(1) & 0xFF
        key = chr(code) if code != 255 else ""
        if self._sized and not _is_open():
            self._gone, key = True, "q"
        if key in KEYS and self._on_key is not None:
            self._on_key(key)

    def close(self) -> None:
        """See Sink."""
        cv2.destroyAllWindows()


def _is_open() -> bool:
    """Whether the user has left the window open; OpenCV 5 raises where it is gone."""
    try:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:
        return False


def draw_status(picture: np.ndarray, text: str) -> None:
    """Write one line into the lower left corner, in place."""
    scale = max(0.5, picture.shape[0] / 1200)
    draw_text(picture, text, (8, picture.shape[0] - 10), scale)


def draw_text(picture: np.ndarray, text: str, where: tuple[int, int], scale: float) -> None:
    """Write white letters with a black rim, in place; `where` is their lower left corner."""
    white, black = (255, 255, 255), (0, 0, 0)
    # The rim is made of moved copies: thicker letters are wider in OpenCV 5 and would not fit.
    moves = [(x, y, black) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    for x, y, ink in [*moves, (0, 0, white)]:
        at = (where[0] + x, where[1] + y)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def screen_problem() -> str | None:
    """Why no window can be opened here, or None where one can."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return "no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    return _probe()


@functools.cache
def _probe() -> str | None:
    """Open a window in another process: a screen that refuses makes GUI libraries abort."""
    code = "import cv2; cv2.namedWindow('probe'); cv2.waitKey(1); cv2.destroyAllWindows()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return "a screen that does not answer"
    if done.returncode == 0:
        return None
    if b"not implemented" in done.stderr:
        return "an OpenCV without windows (opencv-python-headless)"
    return "a screen that no window can be opened on"

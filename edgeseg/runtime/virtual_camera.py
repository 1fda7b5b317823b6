"""A camera for other programs, through pyvirtualcam."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SinkError, require
from .sink import Sink


class VirtualCamera(Sink):
    """Opens at the first picture, whose size it keeps. device: None for the first one."""

    live = True
    alpha = False

    def __init__(self, *, fps: float, device: str | None) -> None:
        self._library = require("pyvirtualcam", extra="virtualcam")
        self._fps = fps
        self._device = device
        self._camera: Any = None

    def write(self, picture: np.ndarray) -> None:
        """See Sink."""
        if self._camera is None:
            self._open(picture.shape[1], picture.shape[0])
        self._camera.send(picture)

    def _open(self, width: int, height: int) -> None:
        try:
            self._camera = self._library.Camera(
                width=width,
                height=height,
                fps=self._fps,
                device=self._device,
                fmt=self._library.PixelFormat.BGR,
            )
        except RuntimeError as error:
            line = " ".join(str(error).split())
            raise SinkError(f"virtualcam: got no virtual camera device ({line})") from None

    def close(self) -> None:
        """See Sink."""
        if self._camera is not None:
            self._camera.close()

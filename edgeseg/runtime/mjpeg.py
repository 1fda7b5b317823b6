"""A page on this machine on which a browser watches the stream: for boards without a screen."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from ..errors import SinkError
from .sink import Sink

BOUNDARY = "edgesegframe"
PAGE = (
    "<!doctype html><title>edgeseg</title><body style='margin:0;background:#111'>"
    "<img src='stream' style='width:100%;height:100vh;object-fit:contain'>"
)
# A browser that takes longer for one picture is let go.
SEND_TIMEOUT_S = 10.0


class MjpegPage(Sink):
    """Serves the newest picture as Motion JPEG.

    The address has a random token, and only this machine can reach it unless
    `public`. port: 0 for any free one. A slow browser skips pictures; it never
    holds the stream up.
    """

    live = True
    alpha = False

    def __init__(self, *, port: int = 0, public: bool = False) -> None:
        self._newest: bytes | None = None
        self._number = 0
        self._changed = threading.Condition()
        self._closed = False
        token = secrets.token_urlsafe(16)
        host = "0.0.0.0" if public else "127.0.0.1"
        try:
            self._server = _Server((host, port), _handler(self, token))
        except OSError as error:
            raise SinkError(f"mjpeg: got {error.strerror} for {host}:{port}") from None
        self.port = int(self._server.server_address[1])
        name = socket.gethostname() if public else "127.0.0.1"
        self.url = f"http://{name}:{self.port}/{token}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="edgeseg-mjpeg", daemon=True
        )
        self._thread.start()
        print(f"edgeseg: watch at {self.url}", file=sys.stderr)

    def write(self, picture: np.ndarray) -> None:
        """See Sink."""
        if self._server.watchers == 0:
            # Nobody watches: no JPEG is made, and a picture that is old by then is not kept.
            self._newest = None
            return
        ok, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
        if ok:
            with self._changed:
                self._newest = data.tobytes()
                self._number += 1
                self._changed.notify_all()

    def wait_for(self, after: int) -> tuple[int, bytes | None]:
        """The newest picture with a number above `after`; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._newest is not None and self._number > after)
            )
            return self._number, None if self._closed else self._newest

    def close(self) -> None:
        """See Sink."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    watchers = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no event."""


def _handler(page: MjpegPage, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SEND_TIMEOUT_S

        def do_GET(self) -> None:
            """The page, the stream, or nothing for whoever does not know the token."""
            expected, path = f"/{token}/", self.path
            if not secrets.compare_digest(path[: len(expected)].encode(), expected.encode()):
                self.send_error(404)
            elif path == expected:
                self._send("text/html; charset=utf-8", PAGE.encode())
            elif path == expected + "stream":
                self._stream()
            else:
                self.send_error(404)

        def _send(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            with _watching(self.server):
                number = 0
                while True:
                    number, data = page.wait_for(number)
                    if data is None:
                        return
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                    head += f"Content-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged: the address holds the token."""

    return Handler


class _watching:
    """Counts a browser while it watches."""

    _lock = threading.Lock()

    def __init__(self, server: Any) -> None:
        self._server = server

    def __enter__(self) -> None:
        with self._lock:
            self._server.watchers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._server.watchers -= 1

"""The console's thread: uvicorn on a socket that is bound first, so that a taken port is an error
with words and not a thread that ends."""

from __future__ import annotations

import errno
import socket
import threading
from typing import Any

import uvicorn

from baotu.sdk import ConfigError

START_S = 30.0


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_UNSPEC
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = sorted(found, key=lambda row: row[0] != socket.AF_INET6)[0]
        return socket.create_server(place[:2], family=family, backlog=512)
    except OSError as error:
        hint = (
            "another program has this port: stop it or choose another"
            if error.errno == errno.EADDRINUSE
            else "is it an address of this machine?"
        )
        raise ConfigError(
            f"cannot listen on [{host}]:{port}: {error.strerror or error}", "[console] listen", hint
        ) from None


class WebThread:
    """Serves an ASGI app until it is stopped."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        self._socket = listening
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, ws_max_queue=64, timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def start(self) -> None:
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(START_S / 0.05)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.05)
        raise ConfigError("the console did not start; the log says why", "[console]")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(5)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

"""The edge's own status page: how devices fare and what tags say, with no hub and no script.

A small HTTP/1.1 server for reading only: `/`, `/tags`, `/status.json`, `/health`. It changes
nothing, so it knows no login; it listens on loopback unless the settings say otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import structlog

from baotu.sdk import ConfigError
from baotu.sdk.clock import Clock

from .pages import Status, overview_page, status_json, tags_page
from .waits import within

REQUEST_S, MOST_HEAD, MOST_CONNECTIONS = 5.0, 8_192, 32
_HEADERS = (
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'\r\n"
    "Connection: close\r\n"
)
_WORDS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Busy"}

log = structlog.get_logger("baotu.edge")


class StatusPage:
    """Serves until cancelled. `address` is known once it listens."""

    def __init__(self, status: Status, listen: str, clock: Clock) -> None:
        """listen: `[::1]:8081`. Raises ConfigError when that is no address."""
        self._status, self._clock = status, clock
        self._host, self._port = address_of(listen)
        self._open: set[asyncio.StreamWriter] = set()
        self.address = ""

    async def run(self) -> None:
        """An address in use is tried again, for ever: the edge goes on without its page."""
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, self._host, self._port, limit=MOST_HEAD
                )
            except OSError as error:
                log.warning("status page cannot listen", host=self._host, port=self._port,
                            why=str(error))  # fmt: skip
                await self._clock.sleep(30.0)
                continue
            port = server.sockets[0].getsockname()[1]
            shown = f"[{self._host}]" if ":" in self._host else self._host
            self.address = f"http://{shown}:{port}/"
            log.info("status page is up", address=self.address)
            try:
                await server.serve_forever()
            finally:
                server.close()
                for writer in self._open:
                    writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if len(self._open) > MOST_CONNECTIONS:
                _answer(writer, 503, "text/plain", "busy")
            else:
                head = await within(self._clock, REQUEST_S, reader.readuntil(b"\r\n\r\n"))
                _answer(writer, *self._respond(head))
            await within(self._clock, REQUEST_S, writer.drain())
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never said what
        finally:
            self._open.discard(writer)
            writer.close()

    def _respond(self, head: bytes) -> tuple[int, str, str]:
        try:
            method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            url = urlsplit(target)
        except ValueError:
            return 400, "text/plain", "this is not HTTP"
        if method != "GET":
            return 405, "text/plain", "this page is for reading"
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        return self._page(url.path, query)

    def _page(self, path: str, query: Mapping[str, str]) -> tuple[int, str, str]:
        match path:
            case "/":
                return 200, "text/html", overview_page(self._status)
            case "/tags":
                number = query.get("page", "1")
                page = int(number) if number.isdecimal() and len(number) < 8 else 1
                return 200, "text/html", tags_page(self._status, page, query.get("search", ""))
            case "/status.json":
                return 200, "application/json", json.dumps(status_json(self._status))
            case "/health":
                return 200, "application/json", json.dumps({"status": "ok"})
        return 404, "text/plain", "/ /tags /status.json /health"


def _answer(writer: asyncio.StreamWriter, code: int, kind: str, body: str) -> None:
    data = body.encode()
    head = (
        f"HTTP/1.1 {code} {_WORDS[code]}\r\nContent-Type: {kind}; charset=utf-8\r\n"
        f"Content-Length: {len(data)}\r\n{_HEADERS}\r\n"
    )
    writer.write(head.encode() + data)


def address_of(listen: str) -> tuple[str, int]:
    """
    >>> address_of("[::1]:8081")
    ('::1', 8081)
    """
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65_535 or not host:
        raise ConfigError(f"{listen!r} is no address", "edge: status", "write [::1]:8081")
    return host, int(port)

"""HTTP/1.1 of enrolment and status: one connection as a state machine without a socket.

Bytes go in, whole requests and bytes come out; h11 knows the grammar. A request is answered before
the next one is looked at. What is too long, too much or not HTTP is answered and the line closed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import h11

HEAD = 16_384  # bytes of request line and headers
BODY = 65_536
REQUESTS = 100  # on one connection; then the peer connects again
TEXT = "text/plain; charset=utf-8"
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """path: without the query. peer: certificate shown in TLS, DER, or nothing.

    binding: tls-unique of TLS 1.2 (RFC 5929), empty otherwise.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    place: str = ""
    peer: bytes = b""
    binding: bytes = b""

    def basic(self) -> tuple[str, str] | None:
        """Name and password (RFC 7617); None when there are none that can be read."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            text = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, colon, word = text.partition(":")
        return (name, word) if colon else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int = 200
    body: bytes = b""
    type: str = TEXT
    headers: Headers = ()
    close: bool = False


class Connection:
    """One connection of a client. `receive` gives at most one request; `answer` frees the next."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._served = 0
        self._bare = False  # the answer to HEAD has no body
        self.closing = False

    @property
    def idle(self) -> bool:
        """Nothing of a request has come."""
        return self._head is None and not self._h11.trailing_data[0]

    def receive(self, data: bytes | None) -> Iterator[Request | bytes]:
        """data: what came; empty when the peer has ended; None: only look what is there already."""
        if self.closing:
            return
        try:
            if data is not None:
                self._h11.receive_data(data)
            yield from self._events()
        except h11.RemoteProtocolError as error:
            yield from self._refuse(error.error_status_hint)

    def _events(self) -> Iterator[Request | bytes]:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    yield self._h11.send(go_on) or b""
                return
            if isinstance(event, h11.Request):
                self._head, self._body = event, bytearray()
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > BODY:
                    yield from self._refuse(413)
                    return
            elif isinstance(event, h11.EndOfMessage):
                yield self._request()
                return
            elif isinstance(event, h11.ConnectionClosed):
                self.closing = True
                return

    def _request(self) -> Request:
        assert self._head is not None
        headers: dict[str, str] = {}
        for name, value in self._head.headers:
            headers.setdefault(name.decode("ascii"), value.decode("latin-1"))
        target = self._head.target.decode("ascii", "replace").partition("?")[0]
        method = self._head.method.decode("ascii", "replace")
        self._head, self._bare = None, method == "HEAD"
        return Request(method=method, path=target, headers=headers, body=bytes(self._body))

    def answer(self, response: Response) -> bytes:
        """The bytes of a response; afterwards `closing` says whether the line ends with it."""
        self._served += 1
        headers = [
            ("content-type", response.type), ("content-length", str(len(response.body))),
            ("x-content-type-options", "nosniff"), *response.headers,
        ]  # fmt: skip
        if response.close or self._served >= REQUESTS:
            headers.append(("connection", "close"))
        try:
            out = (
                self._h11.send(
                    h11.Response(
                        status_code=response.status, headers=headers, reason=reason(response.status)
                    )
                )
                or b""
            )
            if self._h11.our_state is h11.SEND_BODY and not self._bare:
                out += self._h11.send(h11.Data(data=response.body)) or b""
            out += self._h11.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError:  # the peer has gone
            self.closing = True
            return b""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.closing = True
        return out

    def _refuse(self, status: int) -> Iterator[bytes]:
        words = {413: "太长 Too long", 431: "请求头太长 The headers are too long"}
        said = words.get(status, "不是 HTTP 请求 That is no HTTP request")
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = Response(status=status, body=f"{said}\n".encode(), close=True)
            yield self.answer(response)
        self.closing = True


def reason(status: int) -> bytes:
    """`401` is `Unauthorized`."""
    return HTTPStatus(status).phrase.encode()

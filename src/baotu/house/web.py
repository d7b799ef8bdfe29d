"""The console's thread: uvicorn on a socket that is bound first, so that a taken port is an error
with words and not a thread that ends. Beyond this machine it speaks TLS or not at all."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
import threading
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from baotu.sdk import ConfigError

START_S = 30.0
HEAD_S = 15.0  # a request has told its headers by then
HANDSHAKE_S = 15.0
HEAD_BYTES = 96 * 1024  # beyond what the gate refuses with words
CONNECTIONS = 4000
SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"  # TLS 1.2; all of TLS 1.3 are good


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


def reaches_beyond(listening: socket.socket) -> bool:
    """Whether another machine can connect to it."""
    return not ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def secured(certificate: str, key: str = "", client_ca: str = "") -> ssl.SSLContext | None:
    """TLS 1.2 and 1.3 with forward secrecy; None without a certificate. client_ca: clients may show
    a certificate of its. Raises ConfigError."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key or None, password=_no_password)
        if client_ca:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(client_ca)
    except (OSError, ValueError) as error:
        where = f"[console] certificate_file {certificate}, key_file {key or certificate}"
        hint = "PEM: the certificate with its chain, and the key that belongs to it, readable by this user"
        raise ConfigError(f"the certificate cannot be used: {error}", where, hint) from None
    return context


def _no_password() -> str:
    """Nobody is there to type it; without this OpenSSL would ask at the terminal and wait."""
    raise ValueError("the key is protected by a password; give it without one, mode 600")


class Careful(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # one of two classes
    """A connection that must tell its headers in time and in bounds, and whose client certificate
    the app sees: `scope["state"]["peer_certificate"]`, DER; absent without one."""

    app_state: dict[str, Any]
    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and (shown := tls.getpeercert(binary_form=True)):
            self.app_state = {**self.app_state, "peer_certificate": shown}
        self._expect()

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except (UnicodeError, AttributeError, TypeError):  # an address that is none, as in `GET *`
            self.send_400_response("Invalid HTTP request received.")
        if self.transport.get_protocol() is not self or not self._waits():
            self._stop()  # it has become a WebSocket, or a request is being answered
            return
        self._head += len(data)
        if self._head > HEAD_BYTES:
            self.transport.abort()
        elif self._timer is None:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._head = None, 0

    def _too_slow(self) -> None:
        self._timer = None
        if self._waits():
            self.transport.abort()


class WebThread:
    """Serves an ASGI app until it is stopped. tls: as from `secured`."""

    def __init__(
        self, app: Any, listening: socket.socket, tls: ssl.SSLContext | None = None
    ) -> None:
        self._socket, self._tls = listening, tls
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, ws_max_queue=64, timeout_graceful_shutdown=2,
            http=Careful, ws_max_size=2 << 20, limit_concurrency=CONNECTIONS, server_header=False,
            proxy_headers=False, timeout_keep_alive=15,
        )  # fmt: skip
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._tls else "http"
        return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"

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


class ToTls:
    """ASGI: whoever comes without TLS is told where it is. Answers nothing else."""

    def __init__(self, port: int, names: frozenset[str]) -> None:
        self._port, self._names = port, names

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        host = next((v.decode("latin-1") for n, v in scope["headers"] if n == b"host"), "")
        name = host[: host.index("]") + 1] if "]" in host else host.partition(":")[0]
        known = name.lower() in self._names or _literal(name) or f".{name}".endswith(".localhost")
        if known and scope["method"] in ("GET", "HEAD"):
            query = b"?" + scope["query_string"] if scope["query_string"] else b""
            place = f"https://{name}:{self._port}".encode() + scope["raw_path"] + query
            start = {"status": 308, "headers": [(b"location", place), (b"content-length", b"0")]}
        else:
            start = {
                "status": 426,
                "headers": [(b"upgrade", b"TLS/1.2"), (b"content-length", b"0")],
            }
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": b""})


def _literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True

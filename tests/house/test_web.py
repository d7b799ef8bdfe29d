"""The console's listener: TLS with independent clients, and requests that are none."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baotu.console.app import build_api
from baotu.house import web as module
from baotu.house.file import load
from baotu.house.node import Node
from baotu.house.settings import ConsoleSettings
from baotu.house.web import ToTls, WebThread, bound, reaches_beyond, secured
from baotu.sdk import ConfigError
from tests.console.roles import bearer, roled
from tests.peers import need


def openssl(*arguments: str) -> None:
    subprocess.run([need("openssl"), *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, an issuer of clients and one client of it, by openssl."""
    folder = tmp_path_factory.mktemp("tls")
    for name, subject, more in (
        ("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:::1"),
        ("ca", "/CN=devices", "basicConstraints=critical,CA:TRUE"),
    ):
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-days", "2",
            "-subj", subject, "-addext", more,
        )  # fmt: skip
    openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        f"{folder}/client.key", "-out", f"{folder}/client.csr", "-subj", "/CN=press-3",
    )  # fmt: skip
    openssl(
        "x509", "-req", "-in", f"{folder}/client.csr", "-CA", f"{folder}/ca.pem", "-CAkey",
        f"{folder}/ca.key", "-CAcreateserial", "-out", f"{folder}/client.pem", "-days", "2",
    )  # fmt: skip
    return folder


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Which certificate the client has shown."""
    if scope["type"] != "http":
        return
    shown = scope["state"].get("peer_certificate")
    name = ssl.DER_cert_to_PEM_cert(shown).encode() if shown else b"none"
    about = [(b"content-length", str(len(name)).encode()), (b"x-scheme", scope["scheme"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": about})
    await send({"type": "http.response.body", "body": name})


Serve = Callable[..., WebThread]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[WebThread] = []

    def start(app: Any, tls: ssl.SSLContext | None = None) -> WebThread:
        web = WebThread(app, bound("::1", 0), tls)
        web.start()
        running.append(web)
        return web

    yield start
    for web in running:
        web.stop()


def port_of(web: WebThread) -> int:
    return int(web.address.rstrip("/").rpartition(":")[2])


def curl(*arguments: str) -> str:
    done = subprocess.run(
        [need("curl"), "--silent", "--show-error", "--max-time", "30", *arguments],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout + done.stderr


# TLS -----------------------------------------------------------------------------------------
@pytest.mark.peer("curl")
def test_curl_speaks_tls_with_the_console_and_sees_its_headers(keys: Path, serve: Serve):
    tls = secured(f"{keys}/server.pem", f"{keys}/server.key")
    web = serve(build_api(roled(10)[0]), tls)
    assert web.address.startswith("https://[::1]:")
    told = curl("-6", "-i", "--cacert", f"{keys}/server.pem", f"https://localhost:{port_of(web)}/api/health")  # fmt: skip
    head, _, body = told.partition("\n\n")
    assert body == '{"status":"alive"}' and "HTTP/1.1 200" in head
    for name in ("strict-transport-security", "content-security-policy", "x-content-type-options",
                 "x-frame-options", "referrer-policy", "permissions-policy"):  # fmt: skip
        assert f"\n{name}: " in head.lower()
    assert "\nserver:" not in head.lower()


@pytest.mark.peer("openssl")
@pytest.mark.parametrize(
    ("flag", "fits"), [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False), ("-tls1", False)]
)
def test_only_tls_1_2_and_later_are_spoken(keys: Path, serve: Serve, flag: str, fits: bool):
    web = serve(echo, secured(f"{keys}/server.pem", f"{keys}/server.key"))
    done = subprocess.run(
        [need("openssl"), "s_client", flag, "-connect", f"[::1]:{port_of(web)}", "-cipher",
         "ALL:@SECLEVEL=0"],
        input="", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ("Cipher is (NONE)" not in done.stdout) == fits and (done.returncode == 0) == fits


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"])
def test_suites_without_forward_secrecy_or_authentication_of_data_are_not(
    keys: Path, serve: Serve, suite: str
):
    web = serve(echo, secured(f"{keys}/server.pem", f"{keys}/server.key"))
    done = subprocess.run(
        [need("openssl"), "s_client", "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0", "-connect",
         f"[::1]:{port_of(web)}"],
        input="", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0 and "Cipher is (NONE)" in done.stdout


@pytest.mark.peer("curl")
def test_the_app_sees_the_certificate_of_a_client_if_there_is_one(keys: Path, serve: Serve):
    tls = secured(f"{keys}/server.pem", f"{keys}/server.key", f"{keys}/ca.pem")
    address = f"https://localhost:{port_of(serve(echo, tls))}/"
    trust = ("-6", "--cacert", f"{keys}/server.pem")
    assert curl(*trust, address) == "none"
    told = curl(*trust, "--cert", f"{keys}/client.pem", "--key", f"{keys}/client.key", address)
    assert told == (keys / "client.pem").read_text()
    foreign = curl(*trust, "--cert", f"{keys}/server.pem", "--key", f"{keys}/server.key", address)
    assert "BEGIN" not in foreign and "none" not in foreign


@pytest.mark.peer("curl")
def test_http_is_led_to_https(serve: Serve):
    web = serve(ToTls(8443, frozenset({"plant.example"})))
    place = f"localhost:{port_of(web)}"
    assert "location: https://localhost:8443/zh/tags?a=b" in curl("-6", "-i", f"http://{place}/zh/tags?a=b")  # fmt: skip
    assert " 426 " in curl("-6", "-i", "-d", "x", f"http://{place}/api/x")
    other = curl("-6", "-i", "-H", "host: evil.example", f"http://{place}/")
    assert " 426 " in other and "location" not in other


def test_a_certificate_that_is_none_is_refused_in_words(keys: Path, tmp_path: Path):
    for certificate, key in (
        ("nowhere.pem", ""), (f"{keys}/server.key", ""), (f"{keys}/server.pem", f"{keys}/ca.key"),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as refused:
            secured(certificate, key)
        assert "certificate_file" in refused.value.where and "PEM" in refused.value.hint
    openssl("ec", "-in", f"{keys}/server.key", "-aes256", "-passout", "pass:x", "-out", f"{tmp_path}/locked.key")  # fmt: skip
    with pytest.raises(ConfigError, match="password"):
        secured(f"{keys}/server.pem", f"{tmp_path}/locked.key")


def test_beyond_this_machine_there_is_tls_or_nothing(tmp_path: Path):
    file = tmp_path / "node.toml"
    file.write_text('[console]\nlisten = "[::]:0"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        Node(load(file)).start()
    assert "can be reached from other machines" in refused.value.why
    assert "certificate_file" in refused.value.hint and refused.value.where == "[console] listen"


def test_who_is_careless_by_a_long_name_is_heard_logged_and_audited(tmp_path: Path):
    file = tmp_path / "node.toml"
    name = "plain_http_beyond_this_machine_can_be_read_by_everyone"
    assert name in ConsoleSettings.__dataclass_fields__
    text = f'[node]\nname = "n"\nrole = "hub"\n[console]\nlisten = "[::]:0"\n{name} = true\n'
    file.write_text(text, encoding="utf-8")
    node = Node(load(file))
    node.start()
    try:
        shown = next(h for h in node.board.healths("console"))
        assert shown.state == "degraded" and "without TLS" in shown.why
        assert node.hub is not None
        assert any(r.verb == "fabric.plain_http" for r in node.hub.audit().records(20))
    finally:
        node.stop()


@pytest.mark.parametrize(("host", "beyond"), [("::1", False), ("::", True), ("localhost", False)])
def test_which_addresses_reach_beyond(host: str, beyond: bool):
    with bound(host, 0) as listening:
        assert reaches_beyond(listening) == beyond


def test_a_key_needs_its_certificate():
    with pytest.raises(ConfigError, match="certificate_file"):
        replace(ConsoleSettings(), key_file="a.key")


# requests that are none ----------------------------------------------------------------------
GARBLED = [
    b"GET * HTTP/1.1\r\nhost: [::1]\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nhost: [::1]\r\n\r\n",
    b"GET /%ff%fe%00/%zz HTTP/1.1\r\nhost: [::1]\r\n\r\n",
    b"GET http://evil.example/api/tags HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: [::1]\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nhost: [::1]\r\n\r\n",
    b"GET /api/tags HTTP/1.1\r\n\r\n",
    b"GET /api/tags HTTP/1.0\r\n\r\n",
    b"GET /api/tags HTTP/9.9\r\nhost: [::1]\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    b"POST /api/config HTTP/1.1\r\nhost: [::1]\r\ncontent-length: -5\r\n\r\n",
    b"POST /api/config HTTP/1.1\r\nhost: [::1]\r\ncontent-length: 5\r\ncontent-length: 9\r\n\r\n",
    b"POST /api/config HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\nzz\r\n",
    b"POST /api/config HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
    b"GET /api/tags HTTP/1.1\r\nhost: [::1]\r\nx: a\rb\nc\r\n\r\n",
    b"GET /api/tags HTTP/1.1\r\nhost: [::1]\r\nhost: evil.example\r\n\r\n",
    b"GET /api/live HTTP/1.1\r\nhost: [::1]\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"GET /api/live HTTP/1.1\r\nhost: [::1]\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    b"\r\n\r\n\r\n", b"\x00", b"G",
]  # fmt: skip


def sent(web: WebThread, *parts: bytes, wait_s: float = 30) -> bytes:
    """What comes back until the other side closes, or nothing comes for a while."""
    told = b""
    with socket.create_connection(("::1", port_of(web)), timeout=wait_s) as wire:
        try:
            for part in parts:
                wire.sendall(part)
            while more := wire.recv(65536):
                told += more
                if b"\r\n\r\n" in told and b"HTTP/1.1 2" not in told[:16]:
                    break
        except (TimeoutError, ConnectionError):
            pass
    return told


def test_requests_that_are_none_never_break_anything(serve: Serve, capfd, monkeypatch):
    monkeypatch.setattr(module, "HEAD_S", 0.5)
    web = serve(build_api(roled(10)[0]))
    for request in GARBLED:
        told = sent(web, request, wait_s=5)
        assert b" 500 " not in told[:64] and b"Traceback" not in told, request
    assert b'{"status":"alive"}' in sent(
        web, b"GET /api/health HTTP/1.1\r\nhost: [::1]\r\nconnection: close\r\n\r\n"
    )
    told_of = capfd.readouterr()
    assert "Traceback" not in told_of.err + told_of.out, told_of.err


def test_headers_without_an_end_are_cut(serve: Serve):
    web = serve(build_api(roled(10)[0]))
    endless = (b"x-%d: %b\r\n" % (n, b"y" * 1000) for n in range(5000))
    assert sent(web, b"GET / HTTP/1.1\r\nhost: [::1]\r\n", *endless) == b""


def test_who_tells_his_headers_too_slowly_is_cut(serve: Serve, monkeypatch):
    monkeypatch.setattr(module, "HEAD_S", 0.3)
    web = serve(build_api(roled(10)[0]))
    for first in (b"", b"GET /api/health HTTP/1.1\r\n"):
        with socket.create_connection(("::1", port_of(web)), timeout=30) as wire:
            wire.sendall(first)
            began = time.monotonic()
            try:
                assert wire.recv(100) == b""
            except ConnectionError:
                pass
            assert time.monotonic() - began < 20


def test_a_body_that_does_not_come_is_answered(serve: Serve):
    rooms, _ = roled(10)
    web = serve(build_api(replace(rooms, limits=replace(rooms.limits, idle_s=0.3))))
    token = bearer("engineer")["authorization"].encode()
    head = b"POST /api/config HTTP/1.1\r\nhost: [::1]\r\nauthorization: %b\r\n" % token
    head += b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    with socket.create_connection(("::1", port_of(web)), timeout=30) as wire:
        wire.sendall(head)
        assert wire.recv(65536).startswith(b"HTTP/1.1 408")

"""Distinctive secrets are planted wherever a node takes one; then everything a node writes, says and
shows is searched for them, in every spelling."""

from __future__ import annotations

import json
import signal
import socketserver
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from baotu.house.control import ask as control
from baotu.house.demo import free_port
from baotu.trust.secrets.scrub import spellings

from .nodes import Node, until

PLANTED = {
    "broker": 'Sp1tze+Feder/"Q&泉-broker',
    "broker2": "Zwe1te-Feder-7-broker",
    "opcua": "Kl4re=Quelle-opcua?",
    "link": "-----BEGIN PRIVATE KEY-----\nUXVlbGxlLWRpc3RpbmN0aXZlLWtleS1ib2R5LTAwMQ==\n-----END PRIVATE KEY-----",
    "recovery": "W1ederkehr-der-Quelle",
    "typed": "Getippt-4ls-Falsches",
}
CONFIG = """
[node]
name = "jinan"
[console]
listen = "[::1]:{console}"
[backup]
to = "kept"
passphrase = "secret:recovery"
[[device]]
name = "line1"
driver = "mqtt"
host = "::1"
port = {mqtt}
username = "u"
password = "secret:broker"
[[device]]
name = "line2"
driver = "mqtt"
host = "::1"
port = {mqtt}
tls = true
tls_certificate = "c.pem"
tls_key = "secret:link"
[[device]]
name = "press"
driver = "opcua"
endpoint = "opc.tcp://[::1]:{opcua}"
user = "u"
password = "secret:opcua"
"""


GUARD, ENGINEER = "guard", "engineer"
TOKENS: dict[str, str] = {}


def sign_in(data: Path) -> None:
    """Two people of the node that works in this folder: secrets are the security officer's."""
    for name, roles in ((GUARD, ["security_admin"]), (ENGINEER, ["engineer", "audit_admin"])):
        control(data, "account_create", name=name, roles=roles)
        TOKENS[name] = str(control(data, "token_create", account=name, scope=["*"], days=1))


class Refusing(socketserver.BaseRequestHandler):
    """A broker that refuses every log-in (MQTT 3.1.1, 3.2.2.3: code 4) and notes what it was sent."""

    def handle(self) -> None:
        self.server.got.append(self.request.recv(65536))  # type: ignore[attr-defined]
        self.request.sendall(b"\x20\x02\x00\x04")


class Server(socketserver.ThreadingTCPServer):
    address_family, daemon_threads, allow_reuse_address = 10, True, True


@pytest.fixture
def broker():
    with Server(("::1", 0), Refusing) as server:
        server.got = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def baotu(*words: object, given: str = "") -> str:
    done = subprocess.run([sys.executable, "-m", "baotu.cli", *map(str, words)], input=given,
                          capture_output=True, text=True, timeout=240, check=False)  # fmt: skip
    return done.stdout + done.stderr


def ask(port: int, path: str, body: object = None, **headers: str) -> str:
    data = None if body is None else json.dumps(body).encode()
    who = GUARD if path.startswith("/api/secrets") else ENGINEER
    headers |= {"content-type": "application/json", "authorization": f"Bearer {TOKENS[who]}"}
    request = urllib.request.Request(f"http://[::1]:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.read().decode()


def found_in(text: bytes) -> list[str]:
    """Names of planted secrets that stand in it in any spelling; each line of a key by itself."""
    low = text.lower()
    return sorted(
        name
        for name, value in PLANTED.items()
        for part in {value, *value.splitlines()}
        if not part.startswith("-----") or "\n" in part
        if any(form.lower().encode() in low for form in spellings(part))
    )


def test_the_search_itself_finds_every_spelling():
    for name, value in PLANTED.items():
        for form in spellings(value):
            assert name in found_in(f"before{form}after".encode())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_planted_secrets_are_nowhere_to_be_seen(tmp_path, broker, request):
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "c.pem").write_text("no certificate")
    config, log = folder / "baotu.toml", tmp_path / "log"
    port = free_port()
    config.write_text(CONFIG.format(console=port, mqtt=broker.server_address[1], opcua=free_port()))
    said = [baotu("run", "--config", config)]  # a reference to nothing: it refuses to start
    assert "baotu secret set" in said[0]
    for name in ("broker", "opcua", "link", "recovery"):
        said.append(baotu("secret", "set", name, "--config", config, given=PLANTED[name]))
    node = Node(config, log)
    request.addfinalizer(node.process.kill)
    until(
        "the value reached the broker",
        lambda: any(PLANTED["broker"].encode() in g for g in broker.got),
    )
    until("it can be asked", lambda: control(folder / "data", "status"))
    sign_in(folder / "data")
    said.append(ask(port, "/api/secrets/set", {"name": "broker", "value": PLANTED["broker2"]},
                    **{"idempotency-key": "once"}))  # fmt: skip
    until(
        "the new value is used at once",
        lambda: any(PLANTED["broker2"].encode() in g for g in broker.got),
    )
    for body in ({"name": "WRONG NAME", "value": PLANTED["typed"]}, {"value": PLANTED["typed"]},
                 {"name": "a", "value": [PLANTED["typed"]]}, {"name": "a", "value": {"x": PLANTED["typed"]}},
                 {"name": "a", "value": PLANTED["typed"], "more": PLANTED["typed"]}):  # fmt: skip
        said.append(ask(port, "/api/secrets/set", body))
    said.append(baotu("secret", "set", "typed", "--config", config, given=PLANTED["typed"]))
    said.append(baotu("secret", "rotate", "--config", config))
    said.append(baotu("secret", "list", "--config", config))
    state = {"verb": "backups.state", "arguments": {}}
    until("a backup by itself, proved", lambda: control(folder / "data", "call", **state)["proved"])
    paths = ["/api/config", "/api/audit?limit=1000", "/api/health", "/metrics", "/api/alarms", "/api/elements",
             "/api/events", "/api/apps", "/api/secrets/names", "/openapi.json", "/api/devices",
             "/api/edges", "/", "/apps", "/config", "/edges", "/app/secrets", "/app/backups", "/audit"]  # fmt: skip
    said += [ask(port, path) for path in paths]
    said += [
        baotu("doctor", "--config", config),
        baotu("config", config),
        baotu("call", "secrets.names", "--config", config),
    ]
    assert '"broker"' in said[-1]
    for name in ("cmdline", "environ"):
        said.append(
            (Path("/proc") / str(node.process.pid) / name).read_bytes().decode(errors="replace")
        )
    assert node.end(signal.SIGABRT) == -signal.SIGABRT
    baotu("restore", folder / "kept", tmp_path / "back", "--passphrase-file", phrase(tmp_path))
    (tmp_path / "phrase").unlink()
    assert 'name = "jinan"' in (tmp_path / "back" / "baotu.toml").read_text()
    assert found_in("\n".join(said).encode()) == []
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 20 and not [p for p in files if p.name.startswith("core")]
    assert {
        p.relative_to(tmp_path).as_posix(): f for p in files if (f := found_in(p.read_bytes()))
    } == {}
    assert "log-in refused" in log.read_text()


def phrase(folder: Path) -> Path:
    path = folder / "phrase"
    path.write_text(PLANTED["recovery"])
    return path

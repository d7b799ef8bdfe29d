"""Open sockets: they end with the session, and a page is continued by nobody else."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest
import websocket

from baotu.console import Limits
from baotu.console.app import build
from baotu.house.web import WebThread, bound
from tests.console.roles import Sessions, bearer, roled

CUT_S = 1.0


class Site:
    """A console on a socket of its own. NiceGUI allows one at a time."""

    def __init__(self, sessions: Sessions, web: WebThread) -> None:
        self.sessions = sessions
        self.address = web.address.rstrip("/")
        self.socket = self.address.replace("http", "ws", 1)

    def page(self, token: str, path: str = "/en/config") -> str:
        """Opens a page; the number NiceGUI gave it."""
        request = urllib.request.Request(self.address + path, headers=bearer(token))
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
        return re.search(r"'client_id': '([^']+)'", text)[1]

    def open(self, path: str, token: str) -> websocket.WebSocket:
        headers = [f"authorization: Bearer {token}"] if token else []
        return websocket.create_connection(self.socket + path, header=headers, timeout=30)

    def continued(self, number: str, token: str, handshake: bool = True) -> websocket.WebSocket:
        """A socket for a page, after the greeting of Engine.IO and the connection of Socket.IO."""
        asked = f"client_id={number}&tab_id=t&document_id=d&next_message_id=0"
        asked += f"&implicit_handshake={str(handshake).lower()}&EIO=4&transport=websocket"
        opened = self.open(f"/_nicegui_ws/socket.io/?{asked}", token)
        assert opened.recv().startswith("0")
        opened.send("40")
        return opened


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    rooms, sessions = roled(
        60, now=time.time_ns, limits=Limits(messages_per_s=5, message_bytes=9000)
    )
    sessions.known["other"] = replace(sessions.known["engineer"], name="other", via="session:other")
    web = WebThread(build(rooms), bound("::1", 0))
    web.start()
    yield Site(sessions, web)
    web.stop()


def gone(opened: websocket.WebSocket) -> float:
    """Seconds until the other side has ended it."""
    began = time.monotonic()
    try:
        while opened.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
            pass
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        pass
    return time.monotonic() - began


def login(site: Site, name: str) -> str:
    site.sessions.known[name] = replace(site.sessions.known["engineer"], name=name, via=name)
    return name


def test_a_live_channel_ends_with_its_session_and_others_go_on(site: Site):
    token = login(site, "leaver")
    tag = "tag=1"
    with_it, other = site.open(f"/api/live?{tag}", token), site.open(f"/api/live?{tag}", "viewer")
    assert json.loads(with_it.recv())["tag"] and json.loads(other.recv())["tag"]
    site.sessions.end(token)
    assert gone(with_it) < CUT_S
    other.send('{"subscribe": ["2"]}')
    assert json.loads(other.recv())["tag"]
    other.close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.open("/api/live", token)


def test_the_end_is_noticed_when_nobody_tells_of_it(site: Site):
    token = login(site, "silent")
    opened = site.open("/api/live", token)
    del site.sessions.known[token]  # expired: no event
    assert gone(opened) < CUT_S


def test_other_rights_end_the_channel_too(site: Site):
    token = login(site, "demoted")
    opened = site.open("/api/live", token)
    known = site.sessions.known
    known[token] = replace(known[token], permissions=frozenset())
    assert gone(opened) < CUT_S


def test_a_page_is_continued_by_its_own_session(site: Site):
    number = site.page("engineer")
    mine = site.continued(number, "engineer")
    assert mine.recv().startswith("40")
    mine.close()


def test_a_page_is_not_continued_by_another_session(site: Site):
    number = site.page("engineer")
    theirs = site.continued(number, "other")
    assert theirs.recv().startswith("44")  # CONNECT_ERROR
    theirs.close()
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.continued(number, "")


@pytest.mark.parametrize("event", ["handshake", "event", "javascript_response", "ack", "log"])
def test_no_message_reaches_the_page_of_another(site: Site, event: str):
    number = site.page("engineer")
    theirs = site.continued(site.page("other"), "other")
    assert theirs.recv().startswith("40")
    about = {
        "client_id": number, "id": 1, "listener_id": "x", "args": [], "request_id": "r",
        "result": 1, "next_message_id": 0, "level": "info", "message": "m", "tab_id": "t",
        "document_id": "d",
    }  # fmt: skip
    theirs.send("42" + json.dumps([event, about]))
    while (told := theirs.recv()) != "41":  # Socket.IO: disconnected
        assert told == "2" or told.startswith("42"), told
    theirs.close()


def test_the_socket_of_a_page_ends_with_the_session(site: Site):
    token = login(site, "closing")
    opened = site.continued(site.page(token), token)
    assert opened.recv().startswith("40")
    site.sessions.end(token)
    assert gone(opened) < CUT_S


def test_pages_have_no_way_in_but_a_websocket_of_somebody(site: Site):
    address = f"{site.address}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address, timeout=30)
    assert refused.value.code == 401
    request = urllib.request.Request(address, headers=bearer("engineer"))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 404


def test_too_many_and_too_large_messages_end_a_channel(site: Site):
    many = site.open("/api/live", "viewer")
    for _ in range(60):
        try:
            many.send("{}")
        except (OSError, websocket.WebSocketException):
            break
    assert gone(many) < 5
    large = site.open("/api/live", "viewer")
    large.send("x" * 10_000)
    assert gone(large) < 5


def test_channels_of_one_caller_are_counted(site: Site):
    opened = []
    with pytest.raises(websocket.WebSocketBadStatusException):
        for _ in range(100):
            opened.append(site.open("/api/live", "operator"))
    assert len(opened) == Limits().sockets
    for one in opened:
        one.close()

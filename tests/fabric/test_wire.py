"""The wire keeps its promises inside one process and between two sessions over IPv6."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import pytest

from baotu.fabric.session import open_wire
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import Request, Wire, wait
from baotu.sdk import ConfigError
from tests.fabric.ports import endpoint


@pytest.fixture(params=["one session", "two sessions"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Wire, Wire]]:
    """(who asks, who answers)"""
    if request.param == "one session":
        wire = open_wire(FabricSettings(), "all")
        yield wire, wire
        wire.close()
        return
    where = endpoint()
    hub = open_wire(FabricSettings(listen=[where]), "hub")
    edge = open_wire(FabricSettings(connect=[where]), "edge")
    yield edge, hub
    edge.close()
    hub.close()


def ask(wire: Wire, key: str, payload: bytes = b"", head: bytes = b"") -> bytes | None:
    for _ in range(50):  # the session may still be connecting
        answer = wait(wire, key, payload, head=head, timeout_s=2.0)
        if answer is not None:
            return answer
        threading.Event().wait(0.05)
    return None


def test_an_answer_comes_back_even_late_and_from_another_thread(ends: tuple[Wire, Wire]) -> None:
    asks, answers = ends

    def handle(request: Request) -> None:
        text = request.payload + b"|" + request.head + b"|" + request.key.encode()
        threading.Thread(target=lambda: (request.reply(text), request.reply(b"second"))).start()

    stop = answers.answer("baotu/x/frames", handle)
    assert (
        ask(asks, "baotu/x/frames", b"p" * 300_000, b"h") == b"p" * 300_000 + b"|h|baotu/x/frames"
    )
    stop()
    assert wait(asks, "baotu/x/frames", b"", timeout_s=0.5) is None


def test_a_question_nobody_answers_ends_once_with_nothing(ends: tuple[Wire, Wire]) -> None:
    asks, answers = ends
    kept: list[Request] = []
    answers.answer("baotu/x/silent", kept.append)
    answers.answer("baotu/x/ready", lambda request: request.reply(b"yes"))
    assert ask(asks, "baotu/x/ready") == b"yes"
    heard: queue.Queue[bytes | None] = queue.Queue()
    asks.ask("baotu/x/silent", b"", heard.put, timeout_s=0.1)
    assert heard.get(timeout=60) is None
    kept[0].reply(b"too late")
    with pytest.raises(queue.Empty):
        heard.get(timeout=0.1)
    asks.ask("baotu/x/nobody", b"", heard.put, timeout_s=90.0)
    assert heard.get(timeout=60) is None  # told so, not timed out


def test_what_is_told_is_heard_with_its_key(ends: tuple[Wire, Wire]) -> None:
    asks, answers = ends
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
    answers.listen("baotu/x/status/*", lambda key, payload: heard.put((key, payload)))
    answers.answer("baotu/x/ready", lambda request: request.reply(b"yes"))
    assert ask(asks, "baotu/x/ready") == b"yes"
    for _ in range(50):  # telling is lossy until the subscription has arrived
        asks.tell("baotu/x/status/e1", b"fine")
        try:
            assert heard.get(timeout=0.1) == ("baotu/x/status/e1", b"fine")
            return
        except queue.Empty:
            continue
    pytest.fail("nothing was heard")


def test_tls_wants_a_name_and_certificates() -> None:
    with pytest.raises(ConfigError, match="names, not addresses"):
        open_wire(FabricSettings(connect=["tls/[::1]:7447"]), "edge")
    with pytest.raises(ConfigError, match="certificates"):
        open_wire(FabricSettings(connect=["tls/hub.example:7447"]), "edge")


def test_a_port_in_use_is_said_with_its_endpoint() -> None:
    where = endpoint()
    first = open_wire(FabricSettings(listen=[where]), "hub")
    with pytest.raises(ConfigError, match="in use"):
        open_wire(FabricSettings(listen=[where]), "hub")
    first.close()

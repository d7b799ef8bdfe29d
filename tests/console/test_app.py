"""The app as a node runs it: in a thread, stopped and built again, its files kept by caches."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from baotu.console import build
from baotu.sdk import Denied
from tests.console.fake import rooms


@contextmanager
def running() -> Iterator[str]:
    """A console in a thread of its own, on a free port."""
    config = uvicorn.Config(
        build(rooms(50)), host="::1", port=0, log_level="warning", timeout_graceful_shutdown=1
    )
    server, socket = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, args=([socket],))
    thread.start()
    while thread.is_alive() and not server.started:
        threading.Event().wait(0.02)
    try:
        yield f"http://[::1]:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def get(address: str, **headers: str) -> tuple[str, str, dict[str, str]]:
    """Final address, text and headers."""
    asked = urllib.request.Request(
        address, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return answer.url, answer.read().decode(), dict(answer.headers)


def test_a_stopped_node_starts_again_in_the_same_process():
    for _ in range(2):
        with running() as site:
            assert "bt-tree" in get(f"{site}/zh/tags")[1]
            assert '"status":"up"' in get(f"{site}/api/health")[1]


def test_pages_find_the_reader_and_their_files_are_kept():
    with running() as site:
        assert get(f"{site}/", accept_language="zh-CN,en;q=0.5")[0].endswith("/zh")
        assert get(f"{site}/", accept_language="de,en;q=0.5")[0].endswith("/en")
        assert get(f"{site}/", accept_language="en", cookie="baotu.language=zh")[0].endswith("/zh")
        assert get(f"{site}/asset/jinan?x=1", accept_language="zh")[0].endswith(
            "/zh/asset/jinan?x=1"
        )
        _, page, headers = get(f"{site}/en")
        assert headers["x-frame-options"] == "DENY"
        script = page.split('src="/static/')[1].split('"')[0]
        kept = get(f"{site}/static/{script}")[2]
        assert "immutable" in kept["cache-control"]
        with pytest.raises(urllib.error.HTTPError) as refusal:
            get(f"{site}/api/nothing")
        assert refusal.value.headers["content-type"] == "application/problem+json"


def test_who_may_not_is_told_so(web):
    door = web.rooms.door
    verb = next(v for v in door.verbs() if v.name == "set_target")
    stranger = web.rooms.identify(None).__class__("guest", "spring", frozenset())
    with pytest.raises(Denied, match=r"guest lacks pumping.set_target"):
        door.call(verb.app, verb.name, {"pump": "p", "percent": 1}, stranger)

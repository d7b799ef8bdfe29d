"""Whatever bytes reach a parser by HTTP or WebSocket: an answer in words, never a bug."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from baotu.console import Limits
from baotu.console.app import build_api
from baotu.console.columns import NotAcceptable, chosen
from baotu.console.language import LANGUAGES, language_of
from baotu.console.limits import place_of
from baotu.console.origin import foreign, named, simple_form
from baotu.console.rights import Table
from baotu.console.times import read_period, read_time
from baotu.house.file import examine
from baotu.sdk import Invalid
from tests.console.roles import bearer, roled

NOW = 1_780_000_000_500_000_000
QUIET = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"-?\d{1,30}(\.\d+)?\s?(ms|s|min|h|d|w)?", fullmatch=True),
    st.sampled_from(["now", "²", "٣", "\x00", "%", "/", "0001-01-01T00:00:00+23:59", "9" * 400, "-9e9d",
                     "9999-12-31T23:59:59Z", "-1" + "0" * 300 + "d", "0001-01-01T00:00:00-23:59"]),
)  # fmt: skip
HEADER = st.text(st.characters(max_codepoint=255), max_size=60)


@pytest.fixture(scope="module")
def web() -> Iterator[TestClient]:
    free = Limits(requests_per_s=0, messages_per_s=0, anonymous_per_s=0)
    rooms, _ = roled(60, limits=free)
    with TestClient(build_api(rooms)) as client:  # a bug is raised
        yield client


@QUIET
@given(WORDS)
def test_times(text: str):
    try:
        assert np.iinfo("i8").min < read_time(text, "start", NOW) < np.iinfo("i8").max
    except Invalid as refused:
        assert refused.field == "start"


@QUIET
@given(WORDS)
def test_periods(text: str):
    try:
        assert round(read_period(text, "bucket") * 1e9) < np.iinfo("i8").max
    except Invalid as refused:
        assert refused.field == "bucket"


@QUIET
@given(HEADER)
@example("application/json;q=1.1.1")
@example("text/csv;q")
@example("text/csv;q=²")
@example(";q=")
def test_accept(text: str):
    try:
        assert "/" in chosen(text)
    except NotAcceptable:
        pass


@QUIET
@given(HEADER)
@example("zh;q=x")
@example("zh;q=nan,en;q=inf")
def test_accept_language(text: str):
    request = SimpleNamespace(cookies={}, headers={"accept-language": text})
    assert language_of(request) in LANGUAGES  # type: ignore[arg-type]


@QUIET
@given(HEADER, HEADER, HEADER, st.sampled_from(["GET", "POST", "X"]), st.text(max_size=30))
def test_hosts_origins_and_paths(host: str, origin: str, site: str, method: str, path: str):
    pairs = (
        (b"host", host),
        (b"origin", origin),
        (b"sec-fetch-site", site),
        (b"content-length", host),
    )
    scope = {
        "type": "http", "method": method, "path": f"/{path}",
        "headers": [(name, text.encode("latin-1")) for name, text in pairs],
        "server": (host, 80), "client": (host, 1),
    }  # fmt: skip
    assert named(scope, ()) in (True, False)
    try:
        foreign(scope)
    except ValueError:
        pytest.fail(f"origin {origin!r} is a bug")
    assert simple_form(scope) in (True, False)
    assert place_of(host)
    assert Table([]).needs(f"/{path}", method) is not None


@QUIET
@given(
    st.sampled_from(["tags", "assets", "latest", "history", "statistics", "export", "search", "asset",
                     "audit", "alarms", "devices"]),
    st.dictionaries(
        st.sampled_from(["tag", "search", "cursor", "limit", "under", "offset", "start", "end",
                         "points", "bucket", "time", "q", "path", "before", "state", "kind", "format"]),
        WORDS.filter(lambda text: max(text, default="") < "\ud800"), max_size=4,
    ),
    st.sampled_from(["engineer", "audit_admin"]),
)  # fmt: skip
def test_queries(web: TestClient, path: str, asked: dict[str, str], who: str):
    answer = web.get(f"/api/{path}", params=asked, headers=bearer(who))
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.json()["detail"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@QUIET
@given(st.sampled_from(["subscribe", "unsubscribe", "x"]), JSON)
@example("subscribe", [10**400])
@example("subscribe", ["9" * 5000])
def test_live_messages(web: TestClient, word: str, about: object):
    with web.websocket_connect("/api/live", headers=bearer("viewer")) as socket:
        socket.send_text(json.dumps({word: about}))
        socket.send_text(json.dumps({"subscribe": ["1"]}))
        for _ in range(4):
            told = socket.receive_json()
            if "tag" in told:
                return
            assert told.keys() <= {"problem", "unknown"}
        pytest.fail("the channel did not go on")


@QUIET
@given(st.binary(max_size=60) | st.text(max_size=60))
@example(b"\xff\xfe")
@example("[" * 2000)
def test_live_bytes(web: TestClient, message: bytes | str):
    with web.websocket_connect("/api/live", headers=bearer("viewer")) as socket:
        if isinstance(message, bytes):
            socket.send_bytes(message)
        else:
            socket.send_text(message)
        assert "problem" in socket.receive_json()


@QUIET
@given(st.binary(max_size=200))
@example(b'{"text":"' + b"[" * 20_000 + b'"}')
@example(b"[" * 100_000)
@example(b'{"text": 1e999999}')
def test_bodies(web: TestClient, body: bytes):
    about = bearer("engineer") | {"content-type": "application/json"}
    for path in ("/api/config", "/api/faults", "/api/notes/add"):
        assert web.post(path, content=body, headers=about).status_code < 500


TOML = st.text(st.sampled_from("[]{}=\".,#\n abzx019_-'\\u3:Te+é中\x00"), max_size=120)


@QUIET
@given(TOML | st.binary(max_size=80).map(lambda raw: raw.decode("utf-8", "replace")))
@example("[console]\nlisten=" + "[" * 3000)
@example('[node]\nname = 1\n[[device]]\nname = "x"\n')
@example("[node]\n[node]")
@example("console = 3")
def test_configurations(text: str):
    made, problems = examine(Path("baotu.toml"), text)
    assert (made is None) == bool(problems)
    assert all(p.why and p.where for p in problems)


def test_limits_may_be_switched_off():
    assert replace(Limits(), requests_per_s=0).requests_per_s == 0

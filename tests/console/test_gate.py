"""The gate: hosts, origins, sizes, rates, headers and cookies, before anything is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from baotu.console import Limits
from baotu.console.app import build, build_api
from baotu.console.limits import Buckets, place_of
from baotu.sdk import Unreachable
from tests.console.roles import bearer, roled

BODY = {"name": "cavitation", "on": True}
COOKIE = {"cookie": "session=engineer"}


def client(limits: Limits | None = None, **more) -> TestClient:
    rooms, _ = roled(60, limits=limits or Limits())
    return TestClient(build_api(rooms), raise_server_exceptions=False, **more)


@pytest.fixture(scope="module")
def web() -> Iterator[TestClient]:
    with client() as made:
        yield made


# whose host, whose page ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("localhost:8080", True), ("[::1]:8080", True), ("testserver", True), ("TESTSERVER.", True),
        ("evil.example", False), ("localhost.evil.example", False), ("[2001:db8::1]", False),
        ("", False), ("[", False), ("[::1", True), ("testserver@evil.example", False),
    ],
)  # fmt: skip
def test_only_own_names_are_answered_on_loopback(web: TestClient, host: str, fits: bool):
    answer = web.get("/api/tags", headers={"host": host, **bearer("viewer")})
    assert answer.status_code == (200 if fits else 421)


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ({}, True),
        ({"origin": "http://testserver"}, True),
        ({"origin": "http://testserver", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://testserver.evil.example"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "http://testserver:81"}, False),
    ],
)
def test_a_change_with_a_cookie_must_come_from_an_own_page(web: TestClient, headers, fits):
    answer = web.post("/api/faults", json=BODY, headers=COOKIE | headers)
    assert answer.status_code == (200 if fits else 403)
    if not fits:
        assert answer.json()["type"] == "urn:baotu:foreign-origin"


def test_a_token_is_not_asked_for_its_origin(web: TestClient):
    headers = bearer("engineer") | {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    assert web.post("/api/faults", json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])  # fmt: skip
def test_a_form_of_another_page_is_no_command(web: TestClient, kind: str):
    content = b'{"name":"cavitation","on":true}'
    headers = COOKIE | ({"content-type": kind} if kind else {})
    assert web.post("/api/faults", content=content, headers=headers).status_code == 415


def test_data_are_not_embedded_by_another_site_but_links_lead_here(web: TestClient):
    site = COOKIE | {"sec-fetch-site": "cross-site"}
    assert web.get("/api/tags", headers=site).status_code == 403
    assert web.get("/api/tags", headers=site | {"sec-fetch-mode": "navigate"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://evil.example", **COOKIE}, {"cookie": "session=audit_admin"}],
)
def test_a_socket_needs_a_caller_a_right_and_an_own_page(web: TestClient, headers):
    with pytest.raises(WebSocketDisconnect) as refused:  # noqa: SIM117
        with web.websocket_connect("/api/live", headers=headers):
            pass
    assert refused.value.code == 1008


# sizes ---------------------------------------------------------------------------------------
def test_a_body_that_says_it_is_too_long_is_not_read(web: TestClient):
    def parts():
        raise AssertionError("it was read")
        yield b""

    headers = {"content-length": "9999999999", "content-type": "application/json"}
    answer = web.post("/api/config", content=b"", headers=bearer("engineer") | headers)
    assert answer.status_code == 413 and answer.headers["connection"] == "close"


def test_a_body_without_a_length_is_cut(web: TestClient):
    part = b" " * 100_000
    answer = web.post(
        "/api/config", content=(part for _ in range(100)),
        headers=bearer("engineer") | {"content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 413


def test_addresses_and_headers_have_an_end(web: TestClient):
    assert web.get("/api/tags?search=" + "x" * 40_000, headers=bearer("viewer")).status_code == 414
    assert web.get("/api/tags", headers=bearer("viewer") | {"x": "y" * 40_000}).status_code == 431
    many = {f"x-{n}": "" for n in range(200)}
    assert web.get("/api/tags", headers=bearer("viewer") | many).status_code == 431


# rates ---------------------------------------------------------------------------------------
def test_a_caller_who_asks_too_much_waits_and_others_do_not():
    with client(Limits(requests_per_s=0.2)) as web:  # two at once, then one in five seconds
        answers = [web.get("/api/verbs", headers=bearer("viewer")) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["retry-after"]) <= 6
        assert answers[0].headers["ratelimit-policy"] == '"caller";q=2;w=10'
        assert answers[0].headers["ratelimit"].startswith('"caller";r=1;t=')
        assert web.get("/api/verbs", headers=bearer("operator")).status_code == 200


def test_nobody_has_less_than_somebody():
    with client(Limits(anonymous_per_s=0.2)) as web:
        told = [web.get("/api/tags").status_code for _ in range(4)]
        assert told == [401, 401, 429, 429]
        assert web.get("/api/tags", headers=bearer("viewer")).status_code == 200
        assert web.get("/api/tags", headers=bearer("wrong")).status_code == 429  # guessing


def test_no_limit_is_said_by_nought():
    with client(Limits(requests_per_s=0)) as web:
        answer = web.get("/api/verbs", headers=bearer("viewer"))
        assert answer.status_code == 200 and "ratelimit" not in answer.headers


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:c000:201", "::ffff:c000:202", False),
        ("not an address", "", True),
    ],
)
def test_an_ipv6_site_counts_once(one: str, other: str, same: bool):
    assert (place_of(one) == place_of(other)) == same


def test_a_flood_from_many_addresses_takes_no_more_memory_and_is_limited():
    buckets = Buckets(rate=1.0, most=100)
    passed = sum(not buckets.of(n, 0.0).draw(1.0, 0.0) for n in range(5000) for _ in range(10))
    assert len(buckets) == 100
    assert passed == 100 * 10 + 10  # those that came first, and one bucket for all the rest
    assert not buckets.of("late", 1000.0).draw(1.0, 1000.0) and len(buckets) == 100


def test_requests_at_once_are_bounded():
    with client(Limits(at_once=0)) as web:
        answer = web.get("/api/tags", headers=bearer("viewer"))
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"


# headers -------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/api/tags", "/api/nothing", "/metrics", "/openapi.json", "/x"])
@pytest.mark.parametrize("headers", [{}, bearer("viewer"), {"host": "evil.example"}], ids=str)
def test_every_answer_is_dressed(web: TestClient, path: str, headers):
    told = web.get(path, headers=headers, follow_redirects=False).headers
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-security-policy"].startswith("default-src 'none'")
    assert told["x-frame-options"] == "DENY" and told["cache-control"] == "no-store"
    assert told["cross-origin-opener-policy"] == "same-origin"
    assert told["cross-origin-resource-policy"] == "same-origin"
    assert (
        told["referrer-policy"] == "same-origin" and "geolocation=()" in told["permissions-policy"]
    )
    assert "server" not in told and "strict-transport-security" not in told
    assert "access-control-allow-origin" not in told


def test_a_bug_is_dressed_too():
    app = build_api(roled(10)[0])
    app.described.clear()

    def broken() -> None:
        raise RuntimeError("secret inside")

    app.add_api_route("/metrics2", broken, name="metrics")
    answer = TestClient(app, raise_server_exceptions=False).get(
        "/metrics2", headers=bearer("viewer")
    )
    assert answer.status_code == 500 and "secret inside" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_under_tls_browsers_are_told_to_stay_there():
    with client(base_url="https://testserver") as web:
        assert "max-age=31536000" in web.get("/api/health").headers["strict-transport-security"]


def test_cookies_are_for_this_site_and_not_for_scripts():
    rooms, _ = roled(10)

    def plain() -> PlainTextResponse:
        answer = PlainTextResponse("x")
        answer.set_cookie("session", "1", samesite=None)
        answer.set_cookie("strict", "secure", samesite="strict", httponly=True)
        return answer

    app = build_api(rooms)
    app.add_api_route("/probe", plain, name="health")
    for address, secure in (("http://testserver", False), ("https://testserver", True)):
        web = TestClient(app, base_url=address)
        cookies = web.get("/probe").headers.get_list("set-cookie")
        assert len(cookies) == 2
        for cookie in cookies:
            flags = [part.strip().lower() for part in cookie.split(";")[1:]]
            assert "httponly" in flags and ("secure" in flags) == secure
            assert sum(f.startswith("samesite=") for f in flags) == 1


def test_a_page_allows_its_own_scripts_and_no_host_beside_this_one():
    rooms, _ = roled(60)
    with TestClient(build(rooms)) as site:
        first, second = (site.get("/zh/tags", headers=bearer("viewer")) for _ in range(2))
        policy = first.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([^']{16,})'", policy)[1]
        assert policy != second.headers["content-security-policy"]
        scripts = re.findall(r"<script[^>]*>", first.text)
        assert len(scripts) > 5 and all(f'nonce="{nonce}"' in s for s in scripts)
        assert "http" not in policy and "*" not in policy
        for part in ("script-src", "style-src", "connect-src"):
            assert f"{part} 'self'" in policy
        script = re.search(r"script-src ([^;]*)", policy)[1]
        assert "unsafe-inline" not in script
        assert "frame-ancestors 'none'" in policy and "object-src 'none'" in policy
        prefix = {"x-forwarded-prefix": "/evil"}
        assert "/evil" not in site.get("/zh/tags", headers=bearer("viewer") | prefix).text


def test_what_people_write_is_no_script_with_a_nonce():
    rooms, _ = roled(60)
    wicked = "</script><script>alert(1)</script>"
    named = replace(rooms, title=f"{wicked} {wicked}")
    with TestClient(build(named)) as site:
        for path in ("/zh", f"/en/asset/{wicked}", f"/zh/app/{wicked}/x"):
            page = site.get(path, headers=bearer("viewer")).text
            assert "<script>alert" not in page
            assert not re.search(r'<script nonce="[^"]+">\s*alert', page), path


def test_while_nobody_can_say_who_asks_it_is_told_so():
    def away(_):
        raise Unreachable("the records do not answer")

    rooms, _ = roled(60, limits=Limits())
    web = TestClient(build_api(replace(rooms, identify=away)), raise_server_exceptions=False)
    answer = web.get("/api/tags", headers=bearer("viewer"))
    assert answer.status_code == 503 and "do not answer" in answer.json()["detail"]
    with pytest.raises(WebSocketDisconnect), web.websocket_connect("/api/live"):
        pass

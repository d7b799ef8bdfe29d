"""The way to another provider and back over HTTP: cookies, where one is led, who may link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from baotu.console.app import build_api
from baotu.console.rights import Table
from baotu.console.who import identify
from baotu.sdk import Caller, Invalid, Unreachable
from baotu.sdk.outside import Arrived, Offered, Refusal, Way
from baotu.sdk.people import Step, Visit
from tests.console.fake import rooms
from tests.trust.people.bench import PASSWORD, Bench

SITE = "https://plant.example"
OURS = {"origin": SITE}


class Doors:
    """Implements `sdk.outside.Outside`: one provider, and whatever comes back."""

    def __init__(self) -> None:
        self.away, self.back = False, ""
        self.way, self.told = Way(), Arrived()
        self.seen: list[tuple[str, str, str]] = []  # (provider, cookie, session)

    def offered(self) -> Sequence[Offered]:
        return [Offered(name="firm", title="济南泵业 Jinan Pumps")]

    def begin(self, name: str, redirect: str, browser: str, way: Way) -> tuple[str, str]:
        if name != "firm":
            raise Invalid("provider", "none")
        if self.away:
            raise Unreachable("firm does not answer")
        self.back, self.way = redirect, way
        return "https://login.firm.example/auth?state=s", browser or "b" * 43

    def finish(
        self, name: str, asked: Mapping[str, str], browser: str, visit: Visit, caller: Caller | None
    ) -> Arrived:
        self.seen.append((name, browser, caller.via if caller else ""))
        assert asked.get("state", "s") == "s"
        return replace(self.told, way=self.way)


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def web(bench: Bench, doors: Doors) -> Iterator[TestClient]:
    given = replace(
        rooms(10), people=bench.people, identify=identify(bench.people), door=bench.chain,
        now=bench.clock.now, outside=doors, names=("plant.example", "other.example"), address=SITE,
    )  # fmt: skip
    app = build_api(given)
    with TestClient(app, base_url=SITE, follow_redirects=False) as client:
        client.get("/api/health")
        own = [route for route in app.routes if hasattr(route, "path")]
        assert Table([*app.described, *own]).unlisted() == []
        yield client


def test_off_and_back_again_with_a_cookie_of_this_host_alone(
    bench: Bench, web: TestClient, doors: Doors
) -> None:
    off = web.get("/sign-in/with/firm?next=/en/alarms&language=en")
    assert off.status_code == 303 and off.headers["location"].startswith("https://login.firm")
    assert doors.back == f"{SITE}/sign-in/back/firm"
    assert doors.way == Way(next="/en/alarms", language="en")
    [one] = off.headers.get_list("set-cookie")
    assert one.startswith("__Host-baotu-outside=") and "Secure" in one and "HttpOnly" in one
    assert "samesite=lax" in one.lower() and "Domain" not in one and "Path=/" in one
    doors.told = Arrived(step=bench.person("li"))
    back = web.get(
        "/sign-in/back/firm?code=c&state=s",
        headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    )
    assert back.status_code == 303 and back.headers["location"] == "/en/alarms"
    assert back.headers["cache-control"] == "no-store"
    assert doors.seen == [("firm", "b" * 43, "")]
    assert web.get("/api/me").json()["name"] == "li"
    assert (
        web.get("/sign-in/with/firm")
        .headers.get_list("set-cookie")[0]
        .startswith("__Host-baotu-outside=" + "b" * 43)
    ), "two tabs of one browser do not disturb each other"


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_nobody_is_led_elsewhere_afterwards(web: TestClient, doors: Doors, next: str) -> None:
    web.get("/sign-in/with/firm", params={"next": next, "language": "xx"})
    assert doors.way.next == "" and doors.way.language in ("zh", "en")


def test_a_further_factor_is_asked_for_behind_the_hash(web: TestClient, doors: Doors) -> None:
    web.get("/sign-in/with/firm?next=/zh/tags&language=zh")
    doors.told = Arrived(step=Step(next="second", ticket="T" * 43, factors=("totp", "code")))
    to = web.get("/sign-in/back/firm?code=c&state=s").headers["location"]
    parts = urlsplit(to)
    assert parts.path == "/zh/sign-in" and parse_qs(parts.query) == {"next": ["/zh/tags"]}
    assert parse_qs(parts.fragment) == {"ticket": ["T" * 43], "factors": ["totp,code"]}
    assert "session" not in str(web.cookies)


@pytest.mark.parametrize("why", ["late", "browser", "refused", "untrusted", "unknown", "often"])
def test_a_refusal_is_one_word_for_the_page(web: TestClient, doors: Doors, why: Refusal) -> None:
    web.get("/sign-in/with/firm?next=/zh/tags&language=zh")
    doors.told = Arrived(refused=why, identity="li <b>(u1)</b>" if why == "unknown" else "")
    parts = urlsplit(web.get("/sign-in/back/firm?error=x&state=s").headers["location"])
    assert parse_qs(parts.query) == {"refused": [why], "with": ["firm"], "next": ["/zh/tags"]}
    assert ("identity" in parts.fragment) == (why == "unknown") and "<" not in parts.fragment


def test_a_provider_that_is_away_or_unknown_is_said(web: TestClient, doors: Doors) -> None:
    doors.away = True
    assert "refused=away" in web.get("/sign-in/with/firm").headers["location"]
    assert "refused=late" in web.get("/sign-in/with/other").headers["location"]


def test_who_came_by_another_name_is_led_to_the_one_that_is_registered(web: TestClient) -> None:
    answer = web.get("/sign-in/with/firm?next=/en", headers={"host": "other.example"})
    assert answer.headers["location"].startswith(f"{SITE}/sign-in/with/firm?next=%2Fen")
    again = web.get(answer.headers["location"], headers={"host": "other.example"})
    assert again.headers["location"].startswith("https://login.firm"), (
        "once, and not round in circles"
    )


def test_linking_is_begun_by_a_page_of_this_console_and_a_person(
    bench: Bench, web: TestClient, doors: Doors
) -> None:
    body = {"provider": "firm", "language": "en"}
    assert web.post("/api/me/identities", json=body, headers=OURS).status_code == 401
    bench.person("li", "viewer")
    web.post("/api/sign-in", json={"name": "li", "password": PASSWORD}, headers=OURS)
    evil = {"origin": "https://evil.example"}
    assert web.post("/api/me/identities", json=body, headers=evil).status_code == 403
    begun = web.post("/api/me/identities", json=body, headers=OURS)
    assert begun.json()["address"].startswith("https://login.firm") and doors.way.via
    doors.told = Arrived()
    back = web.get("/sign-in/back/firm?code=c&state=s")
    assert back.headers["location"] == "/en/account?linked=firm"
    assert doors.seen[-1][2] == doors.way.via
    doors.told = Arrived(refused="linked")
    assert web.get("/sign-in/back/firm?code=c").headers["location"] == "/en/account?refused=linked"
    me = web.get("/api/me").json()
    assert me["providers"] == [{"name": "firm", "title": "济南泵业 Jinan Pumps"}]
    bench.later(1000)
    assert web.post("/api/me/identities", json=body, headers=OURS).status_code == 403

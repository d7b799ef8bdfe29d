"""Signing in over HTTP: who is asked for, what cookies say, what another site cannot do; and with a
real browser, a virtual passkey and oathtool from the first start to the second factor."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from baotu.console.app import build_api
from baotu.console.who import PUBLIC_ROUTES, cookie, identify, inside
from baotu.sdk import Anonymous, Denied
from tests.browser import Browser, Tab
from tests.console.fake import rooms
from tests.peers import need
from tests.trust.people.bench import OTHER, PASSWORD, Bench

SITE = "http://testserver"
OURS = {"origin": SITE}
FOREIGN = {"origin": "https://evil.example"}


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        yield bench


@pytest.fixture
def web(bench) -> Iterator[TestClient]:
    people = bench.people
    given = replace(
        rooms(10), people=people, identify=identify(people), door=bench.chain, now=bench.clock.now
    )
    with TestClient(build_api(given), base_url=SITE, raise_server_exceptions=False) as client:
        yield client


def signed_in(bench: Bench, web: TestClient, name: str = "wang", *roles: str) -> None:
    bench.person(name, *roles)
    answer = web.post("/api/sign-in", json={"name": name, "password": PASSWORD}, headers=OURS)
    assert answer.json()["next"] == "done", answer.text


def connection(
    cookies: str = "", scheme: str = "http", method: str = "GET", **headers: str
) -> HTTPConnection:
    raw = {"host": "plant.example:8080", "cookie": cookies} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return HTTPConnection({
        "type": "http", "scheme": scheme, "method": method, "path": "/", "query_string": b"",
        "server": ("plant.example", 8080), "headers": [(k.encode(), v.encode()) for k, v in raw.items()],
    })  # fmt: skip


# who -----------------------------------------------------------------------------------------------
def test_nobody_is_told_how_to_come_back(web):
    answer = web.get("/api/me")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:baotu:anonymous"


def test_cookies_are_for_http_only_and_this_site_and_the_answer_is_kept_by_nobody(bench, web):
    bench.person("wang")
    answer = web.post("/api/sign-in", json={"name": "wang", "password": PASSWORD}, headers=OURS)
    cookies = answer.headers.get_list("set-cookie")

    assert len(cookies) == 2
    for one in cookies:
        assert "HttpOnly" in one and "SameSite=lax" in one and "Path=/" in one
        assert "Domain" not in one
    assert answer.headers["cache-control"] == "no-store"
    assert "baotu-session" not in answer.text


def test_under_tls_the_cookie_belongs_to_this_host_alone(bench):
    bench.person("wang")
    given = replace(
        rooms(10), people=bench.people, identify=identify(bench.people), names=("plant.example",)
    )
    with TestClient(build_api(given), base_url="https://plant.example") as web:
        answer = web.post(
            "/api/sign-in",
            json={"name": "wang", "password": PASSWORD},
            headers={"origin": "https://plant.example"},
        )
        for one in answer.headers.get_list("set-cookie"):
            assert one.startswith("__Host-baotu-")
            assert "Secure" in one
        assert web.get("/api/me").json()["name"] == "wang"


def test_two_nodes_on_one_machine_have_cookies_of_their_own():
    assert cookie(connection(), "session") == "baotu-session-8080"


def test_a_token_goes_before_a_cookie_and_a_wrong_one_is_not_made_good_by_it(bench):
    who = identify(bench.people)
    step = bench.person("wang", "viewer")
    owner = bench.caller(bench.person("li", "viewer"))
    token = bench.people.token_new(owner, "t", ["assets.read"], 1)
    kept = f"baotu-session-8080={step.session}"

    assert who(connection(kept)).name == "wang"
    assert who(connection(kept, authorization=f"Bearer {token}")).name == "li"
    for shown in ("Bearer nonsense", "Basic eDp5", "Bearer", ""):
        with pytest.raises(Anonymous):
            who(connection(kept, authorization=shown))


# another site --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "forged"),
    [
        ({"origin": "http://plant.example:8080"}, False),
        ({"sec_fetch_site": "same-origin"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "http://plant.example:9090"}, True),  # another port is another program
        ({"origin": "null"}, True),
        ({"sec_fetch_site": "cross-site"}, True),
        ({"sec_fetch_site": "same-site"}, True),
        ({"origin": "https://evil.example", "sec_fetch_site": "same-origin"}, True),
        ({}, True),  # a browser says one of them
    ],
)
def test_a_cookie_changes_something_only_from_a_page_of_this_console(bench, headers, forged):
    who, step = identify(bench.people), bench.person("wang")
    asked = connection(f"baotu-session-8080={step.session}", method="POST", **headers)
    if forged:
        with pytest.raises(Denied):
            who(asked)
    else:
        assert who(asked).name == "wang"


def test_nobody_is_signed_in_as_somebody_else_by_another_site(bench, web):
    """Login CSRF: what the victim then writes would go to the attacker's account."""
    bench.person("eve")
    link = bench.people.machine_link("eve").secret
    for path, body in (
        ("sign-in", {"name": "eve", "password": PASSWORD}),
        ("welcome/done", {"secret": link, "password": OTHER}),
    ):
        assert web.post(f"/api/{path}", json=body, headers=FOREIGN).status_code == 403
    assert not web.cookies


@pytest.mark.parametrize(
    "address",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
     "http:evil.example", "/zh\r\nset-cookie: a=b", "zh/alarms", "", "/\t/evil.example"],
)  # fmt: skip
def test_after_signing_in_nobody_is_led_elsewhere(address):
    assert inside(address) == ""


def test_after_signing_in_one_comes_back():
    assert inside("/zh/asset/jinan/pump?tab=1#x") == "/zh/asset/jinan/pump?tab=1#x"


# refusals ------------------------------------------------------------------------------------------
def test_wrong_and_too_often_say_so_in_both_languages(bench, web):
    bench.person("wang")
    body = {"name": "wang", "password": "wrong"}
    told = [web.post("/api/sign-in", json=body, headers=OURS) for _ in range(6)]

    assert [a.status_code for a in told] == [403] * 5 + [429]
    assert int(told[-1].headers["retry-after"]) >= 1
    assert "登录名或口令不对" in told[0].json()["detail"]
    assert "is wrong" in told[0].json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "sign-in",
        "sign-in/second",
        "sign-in/password",
        "sign-in/passkey/done",
        "welcome",
        "welcome/done",
    ],
)
@pytest.mark.parametrize(
    "body", [{}, [], {"name": "x" * 5000, "password": "y"}, {"ticket": 3}, {"secret": None}, "x"]
)
def test_odd_bodies_are_refused_and_never_a_bug(web, path, body):
    answer = web.post(f"/api/{path}", json=body, headers=OURS)
    assert 400 <= answer.status_code < 500


BODIES = {
    "/api/account-link": {"account": "li"},
    "/api/me/confirm": {"password": "x"},
    "/api/me/password": {"old": "x", "new": "y"},
    "/api/me/tokens": {"scope": ["assets.read"]},
    "/api/me/totp/done": {"code": "000000"},
    "/api/me/passkeys/done": {"ticket": "x", "credential": {}},
}


def test_every_route_of_ones_own_needs_somebody(web):
    paths = web.app.openapi()["paths"]
    own = [
        (m, p)
        for p, ops in paths.items()
        for m in ops
        if p.startswith(("/api/me", "/api/sign-out", "/api/account-link"))
    ]
    names = {about["operationId"] for ops in paths.values() for about in ops.values()}

    assert set(PUBLIC_ROUTES) <= names
    assert len(own) >= 16
    for method, path in own:
        answer = web.request(
            method, re.sub(r"{\w+}", "1", path), json=BODIES.get(path), headers=OURS
        )
        assert answer.status_code == 401, f"{method} {path}: {answer.text}"


def test_signing_out_ends_the_session_and_forgets_the_cookie(bench, web):
    signed_in(bench, web)
    kept = dict(web.cookies)
    assert web.get("/api/me").status_code == 200
    assert web.post("/api/sign-out", json={}, headers=OURS).status_code == 200
    assert web.get("/api/me").status_code == 401
    web.cookies.update(kept)
    assert web.get("/api/me").status_code == 401, "what was kept is void too"


def test_ones_own_account_tells_no_secret(bench, web):
    signed_in(bench, web, "wang", "engineer")
    made = web.post(
        "/api/me/tokens",
        json={"name": "Grafana", "scope": ["assets.read"], "days": 3},
        headers=OURS,
    )
    told = web.get("/api/me")

    assert made.json()["token"].startswith("bt_")
    assert made.json()["token"] not in told.text
    assert told.json()["tokens"][0]["name"] == "Grafana"
    assert told.json()["roles"] == [
        {"name": "engineer", "title": "工程师 Engineer", "waits": False}
    ]
    assert (
        web.get("/api/me", headers={"authorization": f"Bearer {made.json()['token']}"}).status_code
        == 403
    )


def test_a_secret_never_stands_in_an_address_that_is_logged(bench, web):
    admin = bench.caller(bench.person("zhao", "system_admin"))
    bench.call(admin, "create", name="li", title="李")
    web.post("/api/sign-in", json={"name": "zhao", "password": PASSWORD}, headers=OURS)
    link = web.post("/api/account-link", json={"account": "li"}, headers=OURS).json()

    assert link["address"].startswith("/welcome#")
    told = web.post("/api/welcome", json={"secret": link["address"].partition("#")[2]}).json()
    assert (told["kind"], told["account"]) == ("enrol", "li")


# a whole node and a real browser -------------------------------------------------------------------
class Site:
    """`baotu run` in a folder without accounts, and a tab."""

    def __init__(self, folder: Path, tab: Tab) -> None:
        (folder / "node.toml").write_text('[edge]\nstatus = ""\n')
        command = [
            sys.executable,
            "-m",
            "baotu.cli",
            "run",
            "--config",
            str(folder / "node.toml"),
            "--listen",
            "[::1]:0",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
        )
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.search(r"http://\[::1\]:(\d+)/welcome#(\S+)", line):
                break
        self.address, self.link = f"http://localhost:{found[1]}", found[2]
        self.tab = tab

    def fill(self, **values: str) -> None:
        for name, text in values.items():
            self.tab.wait(f"document.querySelector('[name={name}]')", 60)
            self.tab.js(f"(e => (e.focus(), e.select()))(document.querySelector('[name={name}]'))")
            self.tab.type(text)

    def press(self, text: str) -> None:
        found = f"[...document.querySelectorAll('button')].findLast(b => b.textContent === '{text}' && !b.disabled)"
        self.tab.wait(found, 60)
        self.tab.js(f"{found}.click()")

    def see(self, selector: str) -> None:
        self.tab.wait(f"document.querySelector({selector!r})", 60)


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    need("chromium")
    with Browser() as browser:
        tab = browser.open("about:blank")
        site = Site(tmp_path, tab)
        yield site
        site.process.terminate()
        site.process.wait(60)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.peer("oathtool")
def test_from_the_first_start_to_a_passkey_and_an_authenticator(site):
    oathtool, tab = need("oathtool"), site.tab
    tab.go(f"{site.address}/en/welcome#{site.link}")
    site.fill(name="zhao", title="Zhao Lei", password="password1234567")
    site.press("Begin")
    site.see(".field.wrong")
    site.fill(password=PASSWORD)
    site.press("Begin")
    site.see(".handed input")
    links = tab.js("[...document.querySelectorAll('.handed input')].map(e => e.value)")
    site.press("Continue")
    site.see(".notice")  # an officer's role waits for a second factor
    assert "second factor" in tab.js("document.querySelector('.notice').innerText")

    tab.do("WebAuthn.enable")
    about = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
             "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    tab.do("WebAuthn.addVirtualAuthenticator", options=about)
    site.press("Add")
    site.see("dialog[open] [name=name]")
    tab.click("dialog .main-act")
    site.see("dialog .code")
    codes = tab.js("document.querySelector('dialog .code').textContent").split()
    site.press("I have them")
    tab.wait("!document.querySelector('.notice')", 60)  # the role works now

    site.press("Set up")
    site.see("dialog .qr svg[viewBox]")
    secret = tab.js("document.querySelector('dialog code').textContent.replaceAll(' ', '')")
    told = subprocess.run([oathtool, "--totp", "-b", secret], capture_output=True, text=True)
    site.fill(code=told.stdout.strip())
    site.press("Use it")
    tab.wait("!document.querySelector('dialog')", 60)

    site.press("Sign out")
    tab.wait("location.pathname.endsWith('/sign-in') && document.querySelector('[name=name]')", 60)
    site.press("Sign in with a passkey")
    tab.wait("document.querySelector('bt-account .facts, bt-people table')", 60)

    tab.click(".top [data-act=sign-out]")
    tab.wait("location.pathname.endsWith('/sign-in') && document.querySelector('[name=name]')", 60)
    site.fill(name="zhao", password=PASSWORD)
    tab.click("button[type=submit]")
    site.fill(code=codes[0])
    site.press("Continue")
    tab.wait("document.querySelector('bt-account .facts, bt-people table')", 60)

    assert len(links) == 2
    assert len(codes) == 10
    unexpected = [e for e in tab.errors if not re.search(r"status of (401|422)", e)]
    assert unexpected == []
    assert all(
        r.startswith((site.address, "about:", "data:", f"ws{site.address[4:]}"))
        for r in tab.requests
    )


@pytest.mark.slow
@pytest.mark.browser
def test_a_link_that_is_spent_says_what_next_and_a_foreign_next_is_not_followed(site):
    tab = site.tab
    tab.go(f"{site.address}/zh/welcome#{'x' * 43}")
    site.see(".problem")
    assert "baotu account link" in tab.js("document.querySelector('.card').innerText")

    tab.go(f"{site.address}/welcome#{site.link}")
    tab.wait("/^\\/(zh|en)\\/welcome$/.test(location.pathname) && location.hash.length > 40", 60)
    site.fill(name="zhao", title="赵", password=PASSWORD)
    tab.click("button[type=submit]")
    site.see(".handed")
    assert tab.js("location.hash") == "", "the secret is gone from the address"
    tab.js(
        "fetch('/api/sign-out', {method: 'POST', body: '{}', headers: {'content-type': 'application/json'}})"
    )

    tab.go(f"{site.address}/en/sign-in?next=//evil.example/x")
    site.fill(name="zhao", password=PASSWORD)
    tab.click("button[type=submit]")
    tab.wait("!location.pathname.endsWith('sign-in') && document.querySelector('main')", 60)
    assert tab.js("location.origin") == site.address


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_fits_a_phone_by_day_and_by_night(site):
    tab = site.tab
    for language in ("zh", "en"):
        for dark in (False, True):
            tab.view(390, 844, dark)
            tab.go(f"{site.address}/{language}/sign-in")
            site.see("[name=password]")
            wide, small = tab.js(
                "[document.documentElement.scrollWidth, Math.min(...[...document.querySelectorAll('.card .btn, .card .box')].map(e => e.offsetHeight))]"
            )
            assert wide <= 390
            assert small >= 40
            assert tab.js("document.documentElement.dataset.theme") == ("dark" if dark else "light")

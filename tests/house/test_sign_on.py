"""A whole node, a real browser and independent programs: a program signs people in with our accounts,
and people sign in here with the accounts of another provider. `openid-client` stands for Grafana (which
is no package of Debian, npm or PyPI), `oidc-provider` for a firm's own provider."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from baotu.house.control import ask
from baotu.house.vault import secrets
from tests.browser import Browser, Tab
from tests.house.nodes import Node, until
from tests.peers import need, need_npm

PEER = Path(__file__).parents[1] / "trust" / "oidc" / "peer"
PASSWORD = "Drei blaue Pumpen 7"
SECRET = "s" * 40
PICTURES = os.environ.get("BAOTU_PICTURES", "")  # a folder, to look at them

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def free() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
        place.bind(("::1", 0))
        return int(place.getsockname()[1])


@contextmanager
def script(name: str, *arguments: object) -> Iterator[None]:
    """A program of node that says when it is ready."""
    command = ["node", str(PEER / name), *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert any(line.strip() == "ready" for line in iter(process.stdout.readline, ""))
        yield
    finally:
        process.kill()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


class Plant:
    """`baotu run` with two providers, one of which is away, and people with passwords."""

    def __init__(self, folder: Path, provider: int) -> None:
        self.port, self.data = free(), folder / "data"
        self.address = f"http://[::1]:{self.port}"
        self.issuer = f"http://[::1]:{provider}"
        config = folder / "node.toml"
        config.write_text(f"""
[node]
title = "济南泵站 Jinan pumping station"
[console]
listen = "[::1]:{self.port}"
address = "{self.address}"
[edge]
status = ""
[[identity_provider]]
name = "firm"
title = "济南泵业 Jinan Pumps"
issuer = "{self.issuer}"
client = "baotu"
secret = "secret:firm"
roles = {{ "night-shift" = "operator", "bosses" = "engineer" }}
[[identity_provider]]
name = "gone"
title = "远方 Far Away"
issuer = "http://[::1]:{free()}"
client = "baotu"
[[identity_provider]]
name = "open"
title = "承包商 Contractors"
issuer = "{self.issuer}"
client = "baotu-open"
secret = "secret:firm"
roles = {{ "night-shift" = "operator" }}
new_accounts = "make"
""")
        secrets(config, None, "set", name="firm", value=SECRET)
        self.node = Node(config, folder / "log")
        until("the console answers", self._alive)

    def _alive(self) -> bool:
        with urllib.request.urlopen(f"{self.address}/api/health", timeout=10) as answer:
            return bool(answer.status == 200)

    def person(self, name: str, *roles: str) -> None:
        ask(self.data, "account_create", name=name, title=name.title(), roles=list(roles))
        link = ask(self.data, "account_link", account=name)["address"].partition("#")[2]
        body = json.dumps({"secret": link, "name": name, "title": name, "password": PASSWORD})
        request = urllib.request.Request(
            f"{self.address}/api/welcome/done", body.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["next"] == "done"

    def call(self, verb: str, **arguments: Any) -> Any:
        return ask(self.data, "call", verb=verb, arguments=arguments)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    packages, port = need_npm("oidc-provider", "openid-client"), free()
    plant = Plant(tmp_path_factory.mktemp("plant"), port)
    backs = [f"{plant.address}/sign-in/back/{name}" for name in ("firm", "open")]
    with script("provider.mjs", packages, port, "baotu", SECRET, backs[0], "baotu-open", backs[1]):
        try:
            yield plant
        finally:
            plant.node.end()


@pytest.fixture
def tab() -> Iterator[Tab]:
    need("chromium")
    with Browser() as browser:
        yield browser.open("about:blank")


def fill(tab: Tab, **values: str) -> None:
    for name, text in values.items():
        tab.wait(f"document.querySelector('[name={name}]')", 60)
        tab.js(f"(e => (e.focus(), e.select()))(document.querySelector('[name={name}]'))")
        tab.type(text)


def submit(tab: Tab) -> None:
    tab.js("document.querySelector('button[type=submit]').click()")


def sign_in(tab: Tab, name: str) -> None:
    fill(tab, name=name, password=PASSWORD)
    submit(tab)


def there(tab: Tab, login: str) -> None:
    """Signs in at the other provider and agrees, if it asks."""
    tab.wait("document.querySelector('[name=login]')", 60)
    fill(tab, login=login, password="any")
    submit(tab)
    tab.wait("!document.querySelector('[name=login]') && document.readyState === 'complete'", 60)
    if tab.js("location.pathname.startsWith('/interaction')"):
        submit(tab)


def told(tab: Tab) -> str:
    tab.wait("document.querySelector('#told')", 60)
    return str(tab.js("document.querySelector('#told').textContent"))


def picture(tab: Tab, name: str) -> None:
    if PICTURES:
        tab.screenshot(Path(PICTURES) / f"{name}.png")


# others sign people in here ------------------------------------------------------------------------
@pytest.mark.peer("openid-client")
def test_a_program_signs_a_person_in_through_our_page_until_the_account_is_disabled(
    plant: Plant, tab: Tab
) -> None:
    packages, port = need_npm("openid-client"), free()
    plant.person("sun", "viewer", "operator")
    here = f"http://[::1]:{port}"
    made = plant.call(
        "oidc.register", client="room", title="Control room", redirects=f"{here}/back",
        leaves=f"{here}/bye",
    )  # fmt: skip
    with script("program.mjs", packages, port, plant.address, "room", made["secret"]):
        tab.go(f"{here}/")
        tab.wait("location.pathname.endsWith('/sign-in')", 60)
        sign_in(tab, "sun")
        user = json.loads(told(tab))
        assert user["preferred_username"] == "sun" and user["name"] == "Sun"
        assert user["roles"] == ["operator", "viewer"] and len(user["sub"]) >= 40
        tab.go(f"{here}/")  # a second time nobody is asked
        assert json.loads(told(tab)) == user
        tab.go(f"{here}/again")
        assert told(tab) == "still"

        tab.go(f"{here}/leave-asking")  # without a proof of whose it is the person is asked
        tab.wait(
            "location.pathname.endsWith('/sign-out') && document.querySelector('.main-act')", 60
        )
        picture(tab, "sign-out")
        tab.js("document.querySelector('.main-act').click()")
        assert told(tab) == "bye"
        tab.go(f"{here}/again")
        assert told(tab) == "refused: invalid_grant", "a session that ended gives nothing more"
        tab.go(f"{here}/user")
        assert told(tab).startswith("refused"), "nor does its access token"

        tab.go(f"{here}/")
        sign_in(tab, "sun")
        assert json.loads(told(tab)) == user
        tab.go(f"{here}/leave")
        assert told(tab) == "bye"
        assert tab.js(f"fetch('{plant.address}/api/me').then(a => a.status, () => 0)") in (0, 401)

        tab.go(f"{here}/")
        sign_in(tab, "sun")
        told(tab)
        plant.call("people.disable", account="sun", reason="left the firm")
        tab.go(f"{here}/again")
        assert told(tab) == "refused: invalid_grant"
        tab.go(f"{here}/")
        tab.wait("location.pathname.endsWith('/sign-in')", 60)


def test_nobody_is_led_elsewhere_by_signing_out(plant: Plant) -> None:
    for query in (
        "post_logout_redirect_uri=https://evil.example",
        "client_id=room&post_logout_redirect_uri=https://evil.example",
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{plant.address}/oidc/logout?{query}", timeout=60)
        assert refused.value.code == 400 and "location" not in refused.value.headers
    file = plant.data / "trust" / "oidc.json"
    if file.exists():
        assert file.stat().st_mode & 0o077 == 0


# people of others sign in here ---------------------------------------------------------------------
def says(tab: Tab, words: str) -> None:
    """The page, in time, on its own accord: it may draw itself anew until then."""
    assert tab.wait(
        f"document.querySelector('.problem')?.innerText.includes({json.dumps(words)})", 60
    )


@pytest.mark.peer("oidc-provider")
def test_an_identity_without_an_account_is_told_how_and_then_linked_and_signs_in(
    plant: Plant, tab: Tab
) -> None:
    plant.person("li", "operator")
    tab.go(f"{plant.address}/zh/sign-in")
    tab.wait("document.querySelectorAll('[data-provider]').length === 3", 60)
    assert (
        tab.js("document.querySelector('[data-provider=firm]').textContent") == "用 济南泵业 登录"
    )
    picture(tab, "sign-in-zh")
    tab.click("[data-provider=firm]")
    there(tab, "lina")
    tab.wait("document.querySelector('.problem')", 60)
    said = tab.js("document.querySelector('.card').innerText")
    assert "您在 济南泵业 的身份还没有关联本平台的账户" in said and "lina@firm (lina)" in said
    assert tab.js("location.hash") == "" and tab.js("location.pathname") == "/zh/sign-in"
    picture(tab, "unknown-zh")

    sign_in(tab, "li")
    tab.wait("!location.pathname.endsWith('/sign-in')", 60)
    tab.go(f"{plant.address}/zh/account")
    tab.wait("document.querySelector('bt-account [data-provider=firm]')", 60)
    picture(tab, "account-zh")
    tab.js("document.querySelector('bt-account [data-provider=firm]').click()")
    tab.wait(
        "location.pathname.startsWith('/interaction') || document.querySelector('.factors li b')",
        60,
    )
    if tab.js("location.pathname.startsWith('/interaction')"):
        submit(tab)
    tab.wait(
        "[...document.querySelectorAll('.factors b')].some(b => b.textContent === '济南泵业') && !document.querySelector('bt-account [data-provider=firm]')",
        60,
    )
    tab.wait("document.querySelector('bt-account')?.innerText.includes('lina@firm')", 60)

    tab.js("document.querySelector('[data-act=sign-out]').click()")
    tab.wait(
        "location.pathname.endsWith('/sign-in') && document.querySelector('[data-provider=firm]')",
        60,
    )
    tab.go(f"{plant.address}/en/sign-in?next=/en/alarms")
    tab.wait("document.querySelector('[data-provider=firm]')", 60)
    assert (
        tab.js("document.querySelector('[data-provider=firm]').textContent")
        == "Sign in with Jinan Pumps"
    )
    tab.click("[data-provider=firm]")
    tab.wait("location.pathname === '/en/alarms'", 60)
    me = tab.js("fetch('/api/me').then(a => a.json())")
    assert me["name"] == "li" and [r["name"] for r in me["roles"]] == ["operator"]
    assert [s["how"] for s in me["sessions"] if s["here"]] == ["济南泵业 Jinan Pumps"]


@pytest.mark.peer("oidc-provider")
def test_a_stranger_may_get_an_account_with_the_roles_of_the_trade(plant: Plant, tab: Tab) -> None:
    tab.go(f"{plant.address}/en/sign-in")
    tab.wait("document.querySelector('[data-provider=open]')", 60)
    tab.click("[data-provider=open]")
    there(tab, "ma")
    tab.wait("location.pathname === '/en' || location.pathname.startsWith('/en/account')", 60)
    me = tab.js("fetch('/api/me').then(a => a.json())")
    assert me["name"] == "ma@firm" and [r["name"] for r in me["roles"]] == ["operator"]
    assert me["password_set"] is None
    # the other table of the same provider knows them now, too: an identity is issuer and subject
    plant.call("people.disable", account="ma@firm", reason="contract over")
    tab.go(f"{plant.address}/en/sign-in")
    tab.wait("document.querySelector('[data-provider=open]')", 60)
    tab.click("[data-provider=open]")
    says(tab, "This account is disabled")


@pytest.mark.peer("oidc-provider")
def test_refusals_are_kind_in_both_languages_and_fit_a_phone(plant: Plant, tab: Tab) -> None:
    tab.view(390, 844)
    for language, away, other in (
        ("zh", "远方 现在没有应答", "这次登录等得太久，或不是从这里开始的"),
        ("en", "Far Away does not answer just now", "took too long, or was not begun here"),
    ):
        tab.go(f"{plant.address}/{language}/sign-in?next=/{language}/alarms")
        tab.wait("document.querySelector('[data-provider=gone]')", 60)
        picture(tab, f"phone-{language}")
        tab.click("[data-provider=gone]")
        says(tab, away)
        assert tab.js("new URLSearchParams(location.search).get('next')") == f"/{language}/alarms"
        wide, small = tab.js(
            "[document.documentElement.scrollWidth, Math.min(...[...document.querySelectorAll('.card .btn')].map(e => e.offsetHeight))]"
        )
        assert wide <= 390 and small >= 40
        picture(tab, f"away-phone-{language}")
        tab.js(f"document.cookie = 'baotu.language={language};path=/'")
        tab.go(f"{plant.address}/sign-in/back/firm?code=x&state=y")
        says(tab, other)
    with Browser() as another:  # the address that leads back, opened in another browser
        tab.go(f"{plant.address}/sign-in/with/firm?language=en")
        where = tab.js("location.href")
        assert re.search("interaction", where)
        asked = next(r for r in reversed(tab.requests) if r.startswith(f"{plant.issuer}/auth?"))
        state = re.search(r"[?&]state=([^&]+)", asked)
        assert state is not None
        elsewhere = another.open(f"{plant.address}/sign-in/back/firm?code=x&state={state[1]}")
        says(elsewhere, "begun in another browser")

"""Independent implementations of the other side: `openid-client` signs in here, and we sign in at
`oidc-provider`, both of them certified by the OpenID Foundation."""

from __future__ import annotations

import http.cookiejar
import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from baotu.console.oidc import routes
from baotu.kernel.clock import SystemClock
from baotu.sdk import Anonymous, Caller, Denied
from baotu.trust.oidc.outside import OutsideProvider, RelyingParty
from tests.peers import need_npm
from tests.trust.oidc.fakes import WANG
from tests.trust.oidc.test_provider import Site

HERE = Path(__file__).parent / "peer"
BACK = "http://[::1]:1/back"


@dataclass
class Served:
    address: str
    site: Site


@contextmanager
def served(site: Site) -> Iterator[Served]:
    """Our provider on the IPv6 loopback; the cookie `who=wang` is a session."""

    def identify(connection: Any) -> Caller:
        if connection.cookies.get("who") != "wang":
            raise Anonymous("nobody has signed in")
        return WANG

    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
        place.bind(("::1", 0))
        place.listen(64)
        address = f"http://[::1]:{place.getsockname()[1]}"
        app = FastAPI()
        rooms: Any = SimpleNamespace(identify=identify, address=address)
        routes(app, rooms, site.provider)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        while not server.started:
            threading.Event().wait(0.02)
        yield Served(address, site)
        server.should_exit = True
        thread.join(10)


@pytest.mark.peer("openid-client")
@pytest.mark.parametrize("confidential", [True, False])
def test_a_certified_client_signs_in_with_our_accounts(tmp_path: Path, confidential: bool) -> None:
    packages = need_npm("openid-client")
    site = Site(tmp_path)
    site.bench.clock.time = time.time_ns()  # the other side looks at its own clock
    made = site.bench.do(
        "register", client="dash", title="D", redirects=BACK, leaves=BACK,
        confidential=confidential,
    )  # fmt: skip
    with served(site) as at:
        done = subprocess.run(
            ["node", str(HERE / "client.mjs"), str(packages), at.address, "dash", made.secret, BACK, "who=wang"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        opener = urllib.request.build_opener(NoRedirect)
        with pytest.raises(urllib.error.HTTPError) as left:
            opener.open(urllib.request.Request(told["leave"], headers={"cookie": "who=wang"}))
    assert told["stranger"].startswith("/sign-in?next=%2Foidc%2Fauthorize")
    assert told["claims"]["sub"] == told["user"]["sub"] == "id-of-wang"
    assert told["claims"]["roles"] == ["operator", "viewer"] and told["user"]["name"] == "王工"
    assert told["renewed"] and told["rotated"]
    assert told["replayedCode"] == "invalid_grant" and told["afterReplay"] == "invalid_grant"
    assert left.value.code == 303 and left.value.headers["location"] == BACK
    assert site.people.ended == [("id-of-wang", "session-1")]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def outside(packages: Path, redirect: str) -> Iterator[str]:
    """The other provider, in a process of its own; its issuer."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
        place.bind(("::1", 0))
        port = place.getsockname()[1]
    process = subprocess.Popen(
        ["node", str(HERE / "provider.mjs"), str(packages), str(port), "baotu", "s" * 40, redirect],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.strip() == "ready" for line in lines)
        yield f"http://[::1]:{port}"
    finally:
        process.kill()
        process.wait(30)


class Browser:
    """Follows redirects with cookies, fills the one form it meets, and stops at `redirect`."""

    def __init__(self, redirect: str) -> None:
        self.redirect, self.arrived = redirect, ""
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(
                http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(strict_domain=False))
            ),
            NoRedirect,
        )

    def go(self, address: str, form: dict[str, str] | None = None) -> dict[str, str]:
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        for _ in range(20):
            if address.startswith(self.redirect):
                return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
            try:
                page = (
                    self.opener.open(urllib.request.Request(address, body), timeout=60)
                    .read()
                    .decode()
                )
            except urllib.error.HTTPError as moved:
                assert moved.code in (302, 303), moved.read().decode()
                address, body = urllib.parse.urljoin(address, moved.headers["location"]), None
                continue
            action = re.search(r'action="([^"]+)"', page)
            assert action is not None, page
            address = urllib.parse.urljoin(address, action[1])
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
            body = urllib.parse.urlencode(fields | {"login": "li", "password": "any"}).encode()
        raise AssertionError(f"went round in circles, last {address}")


@pytest.mark.peer("oidc-provider")
def test_we_sign_in_at_a_certified_provider() -> None:
    packages = need_npm("oidc-provider")
    with outside(packages, BACK) as issuer:
        us = RelyingParty(
            OutsideProvider(
                name="firm", title="Firm", issuer=issuer, client="baotu", secret="s" * 40,
                roles={"night-shift": "operator", "bosses": "engineer"},
            ),
            SystemClock(),
        )  # fmt: skip
        where, secret = us.begin(BACK)
        back = Browser(BACK).go(where)
        assert {"code", "state", "iss"} <= back.keys()
        who = us.finish(back, secret)
        assert (who.issuer, who.subject, who.name) == (issuer, "li", "li@firm")
        assert who.roles == {"operator"}
        with pytest.raises(Denied, match="not begun here"):
            us.finish(back, secret)  # a second time
        where, secret = us.begin(BACK)
        back = Browser(BACK).go(where)
        with pytest.raises(Denied, match="another browser"):
            us.finish(back, "other")

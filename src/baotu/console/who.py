"""Who asks: an API token, else the cookie of a session, else nobody.

Against forged requests (CSRF) a cookie alone changes nothing: the browser must say that the request
comes from a page of this console (`Sec-Fetch-Site`, or `Origin` where that is missing), the cookie is
SameSite=Lax, and bodies are JSON, which no form of another site can send. A token is shown by hand,
so it needs none of this; and where one is shown, no cookie counts.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from baotu.sdk import Anonymous, Caller, Denied
from baotu.sdk.people import People, Step, Visit

SAFE = ("GET", "HEAD", "OPTIONS")
SIGN_IN = "请先登录 Sign in first"
FORGED = (
    "这个请求不是从控制台的页面发出的 This request does not come from a page of the console: use its own "
    "pages, or an API token"
)
PUBLIC_ROUTES = (
    "sign_in", "second_factor", "new_password", "passkey_options", "passkey_sign_in",
    "read_invitation", "accept_invitation",
)  # fmt: skip
"""Names of the API routes that nobody has to be somebody for."""
PUBLIC_PAGES = ("sign-in", "sign-out", "welcome")
"""The same for pages, with and without a language before them."""
KNOWN_S = 90 * 86400


def identify(people: People) -> Callable[[HTTPConnection], Caller]:
    """Raises Anonymous for nobody, Denied for a forged request. Safe to call from any thread."""

    def who(connection: HTTPConnection) -> Caller:
        shown = connection.headers.get("authorization")
        if shown is not None:
            scheme, _, token = shown.partition(" ")
            if scheme.lower() != "bearer":
                raise Anonymous(SIGN_IN)
            return people.token(token.strip())
        secret = connection.cookies.get(cookie(connection, "session"))
        if not secret:
            raise Anonymous(SIGN_IN)
        if forged(connection):
            raise Denied(FORGED)
        return people.session(secret, active=active(connection.scope, connection.headers))

    return who


def forged(connection: HTTPConnection) -> bool:
    """A change or a channel that a cookie came with, and no page of this console asked for."""
    scope = connection.scope
    if scope["type"] == "http" and scope["method"] in SAFE:
        return False
    site, origin = connection.headers.get("sec-fetch-site"), connection.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() != connection.headers.get("host", "").lower()
    return site not in ("same-origin", "none")


def active(scope: MutableMapping[str, Any], headers: Any) -> bool:
    """Whether a person did something: opened a page or asked for a change. What an open page asks
    for by itself, again and again, keeps no session alive."""
    if scope["type"] != "http" or scope.get("baotu.recheck"):
        return False
    return scope["method"] not in SAFE or headers.get("sec-fetch-mode") in (None, "navigate")


def cookie(connection: HTTPConnection, what: str) -> str:
    """Under TLS a name that only this host can set (RFC 6265bis, 4.1.3.2). Without, the port is in
    it: cookies of one host are the same for all its ports, and two nodes may share a machine."""
    if connection.url.scheme in ("https", "wss"):
        return f"__Host-baotu-{what}"
    return f"baotu-{what}-{connection.url.port or 80}"


def visit_of(connection: HTTPConnection) -> Visit:
    return Visit(
        address=connection.client.host if connection.client else "",
        browser=connection.headers.get("user-agent", "")[:200],
        origin=connection.headers.get("origin") or "",
        known=connection.cookies.get(cookie(connection, "browser"), ""),
    )


def remembered(connection: HTTPConnection, answer: Response, step: Step) -> Response:
    """The answer with the cookies of a sign-in that is done."""
    secure = connection.url.scheme == "https"
    for what, secret, keep in (("session", step.session, None), ("browser", step.known, KNOWN_S)):
        if secret:  # a session's cookie ends with the browser; its end is kept by the node
            answer.set_cookie(
                cookie(connection, what), secret, max_age=keep, path="/", secure=secure,
                httponly=True, samesite="lax",
            )  # fmt: skip
    return private(answer)


def private(answer: Response) -> Response:
    answer.headers["cache-control"] = "no-store"
    return answer


def inside(address: str) -> str:
    """Where to go after signing in: a path of this console, or nothing at all."""
    parts = urlsplit(address)
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    odd = any(c in address for c in "\\\r\n\t") or any(ord(c) < 32 for c in address)
    return "" if not plain or odd or parts.scheme or parts.netloc else address

"""What every answer says to the browser: what a page may load, who may frame it, what is kept.

Nothing comes from another host. NiceGUI puts a few scripts into its page itself, so these get a
nonce; its event handlers are compiled in the browser, so `unsafe-eval` stays (threats.md says so).
"""

from __future__ import annotations

import re
import secrets

NONE = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; media-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
COMMON = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"origin-agent-cluster", b"?1"),
    (
        b"permissions-policy",
        b"accelerometer=(), bluetooth=(), camera=(self), display-capture=(), geolocation=(), "
        b"gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), "
        b"serial=(), usb=()",
    ),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")  # RFC 6797
NO_STORE = (b"cache-control", b"no-store")
SCRIPT = re.compile(rb"<script\b")
Pairs = list[tuple[bytes, bytes]]


def dressed(path: str, headers: Pairs, secure: bool, nonce: str) -> Pairs:
    """The headers of an answer with ours. nonce: of the scripts in a page."""
    names = {name for name, _ in headers}
    html = any(n == b"content-type" and v.startswith(b"text/html") for n, v in headers)
    policy = PAGE.format(nonce=nonce).encode() if html else NONE
    ours = [*COMMON, (b"content-security-policy", policy)]
    if secure:
        ours.append(HSTS)
    if html or not path.startswith(("/static/", "/_nicegui/", "/favicon")):
        headers = [(n, v) for n, v in headers if n != b"cache-control" or b"no-store" in v]
        if not any(n == b"cache-control" for n, _ in headers):
            ours.append(NO_STORE)
    kept = [
        (n, _flagged(v, secure)) if n == b"set-cookie" else (n, v)
        for n, v in headers if n != b"server"
    ]  # fmt: skip
    return kept + [(n, v) for n, v in ours if n not in names or n == b"cache-control"]


def _flagged(cookie: bytes, secure: bool) -> bytes:
    """A cookie of ours is never read by a script, never sent along from another site."""
    low = cookie.lower()
    if b"httponly" not in low:
        cookie += b"; HttpOnly"
    if b"samesite" not in low:
        cookie += b"; SameSite=Lax"
    if secure and b"secure" not in low.split(b";", 1)[-1]:
        cookie += b"; Secure"
    return cookie


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


def with_nonce(html: bytes, nonce: str) -> bytes:
    """Every script that the page itself has. What people wrote is in it as JSON, where NiceGUI
    writes `<` as an entity, so none of it can be one."""
    return SCRIPT.sub(b'<script nonce="%b"' % nonce.encode(), html)

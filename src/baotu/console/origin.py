"""Where a request comes from and whom it believes to speak to: Host, Origin, Sec-Fetch-*.

A page of another site that somebody has open can send requests with that person's cookie. It can
not set an Authorization header, so programs with a token are not asked for their origin.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
HARMLESS = ("GET", "HEAD", "OPTIONS")
DATA = ("/api/", "/metrics", "/openapi.json")
OWN = ("same-origin", "none")
JSON = ("application/json", "application/merge-patch+json")


def header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for n, v in scope["headers"] if n == name), "")


def named(scope: Scope, names: Collection[str]) -> bool:
    """Whether the Host header is a name of this node: else a name of somebody else leads here (DNS
    rebinding), and his pages would count as ours. An address is no name; who came by loopback
    must say an address of loopback."""
    host = header(scope, b"host").lower()
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".")
    if name in names or f".{name}".endswith(".localhost"):  # RFC 6761 6.3: always this machine
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not came_by_loopback(scope)


def came_by_loopback(scope: Scope) -> bool:
    server = scope.get("server") or ("", 0)
    try:
        return ipaddress.ip_address(str(server[0]).partition("%")[0]).is_loopback
    except ValueError:
        return True


def foreign(scope: Scope) -> bool:
    """A change, a channel or data asked for by a page of another origin."""
    if header(scope, b"authorization"):
        return False
    origin, site = header(scope, b"origin"), header(scope, b"sec-fetch-site")
    if scope["type"] == "http" and scope["method"] in HARMLESS:
        if not scope["path"].startswith(DATA) or header(scope, b"sec-fetch-mode") == "navigate":
            return False
        return bool(site) and site not in OWN
    if origin and urlsplit(origin).netloc.lower() != header(scope, b"host").lower():
        return True
    return bool(site) and site not in OWN


def simple_form(scope: Scope) -> bool:
    """A body in a form that any page may send without being asked first (Fetch: CORS-safelisted)."""
    if scope["method"] in HARMLESS or not scope["path"].startswith("/api/"):
        return False
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    length = header(scope, b"content-length")
    empty = not header(scope, b"transfer-encoding") and length in ("", "0")
    return kind not in JSON and not (empty and not kind)

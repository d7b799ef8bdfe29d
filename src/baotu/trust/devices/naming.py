"""Names of devices and hosts as text. Imports nothing heavy: every hub has the app of devices."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

Kind = Literal["device", "node", "server", "ra"]
KINDS: tuple[Kind, ...] = ("device", "node", "server", "ra")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # ub-common-name is 64: RFC 5280 A.1
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")  # RFC 1123 2.1
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host(name: str) -> str | Address:
    """A DNS name or an address. Raises ValueError naming it when it is neither."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        if not HOST.fullmatch(name):
            raise ValueError(name) from None
        return name


def split(names: str) -> list[str]:
    """`"a.example, ::1"` is ["a.example", "::1"]; each once, in small letters."""
    return list(dict.fromkeys(n.strip().lower() for n in names.split(",") if n.strip()))

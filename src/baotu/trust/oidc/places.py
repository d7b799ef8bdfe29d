"""Which addresses may be trusted with a secret: those that nobody can overhear."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from baotu.sdk import Denied

HERE = re.compile("(ip6-)?localhost")


def here(host: str) -> bool:
    """Whether it is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return HERE.fullmatch(host) is not None


def safe(address: str) -> None:
    """Raises Denied unless it is https, or http on this very machine."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and here(parts.hostname or "")):
        raise Denied(f"{address!r} is not https: nobody may read along")

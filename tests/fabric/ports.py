"""Free endpoints on the IPv6 loopback."""

from __future__ import annotations

import socket


def endpoint() -> str:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as place:
        place.bind(("::1", 0))
        return f"tcp/[::1]:{place.getsockname()[1]}"

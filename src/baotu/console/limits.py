"""How much one caller, or one address of nobody, may ask of the console. Memory is bounded.

Token buckets: so many requests a second over time, ten seconds' worth at once. An IPv6 address
counts by its /64 (RFC 6177: that is the least a site is given), IPv4 by itself.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

MIB = 1 << 20
BURST_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is taken from one asker. Counts are a second; 0 for a rate: no limit."""

    requests_per_s: float = 1000.0  # of somebody
    anonymous_per_s: float = 20.0  # of an address of nobody
    at_once: int = 64  # requests of one asker that are being answered
    sockets: int = 32  # live channels and pages of one asker
    body_bytes: int = 4 * MIB
    url_bytes: int = 32_768
    header_bytes: int = 32_768
    headers: int = 100
    idle_s: float = 30.0  # between two parts of a body, or of an answer being taken
    message_bytes: int = 2 * MIB  # of a WebSocket
    messages_per_s: float = 100.0


def place_of(address: str) -> str:
    """Whom an address counts as.

    >>> place_of("2001:db8:1:2:a:b:c:d")
    '2001:db8:1:2::/64'
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "?"
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


class Bucket:
    """Fills with time, is drawn from by requests."""

    __slots__ = ("at", "busy", "left", "sockets")

    def __init__(self, size: float, now: float) -> None:
        self.left, self.at = size, now
        self.busy = self.sockets = 0

    def draw(self, rate: float, now: float) -> float:
        """0: taken; else the seconds until there is one again. now: seconds, growing."""
        size = max(rate * BURST_S, 1.0)
        self.left = min(size, self.left + (now - self.at) * rate)
        self.at = now
        if self.left < 1.0:
            return (1.0 - self.left) / rate
        self.left -= 1.0
        return 0.0

    def idle(self, rate: float, now: float) -> bool:
        """Whether a new one would be the same."""
        full = self.left + (now - self.at) * rate >= max(rate * BURST_S, 1.0)
        return full and not self.busy and not self.sockets


class Buckets:
    """One bucket an asker. When all places are taken by askers that are busy, those who come then
    share one: a flood from many addresses limits the flood, and costs no more memory."""

    def __init__(self, rate: float, most: int = 10_000) -> None:
        self.rate, self._most = rate, most
        self._known: OrderedDict[Hashable, Bucket] = OrderedDict()
        self._rest: Bucket | None = None

    def __len__(self) -> int:
        return len(self._known)

    def of(self, asker: Hashable, now: float) -> Bucket:
        found = self._known.get(asker)
        if found is not None:
            self._known.move_to_end(asker)
            return found
        made = Bucket(max(self.rate * BURST_S, 1.0), now)
        if len(self._known) >= self._most:
            oldest = next(iter(self._known.values()))
            if not oldest.idle(self.rate, now):
                self._rest = self._rest or made
                return self._rest
            self._known.popitem(last=False)
        self._known[asker] = made
        return made

    def headers(self, bucket: Bucket, name: str) -> list[tuple[bytes, bytes]]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers)."""
        if not self.rate:
            return []
        quota, left = int(max(self.rate * BURST_S, 1.0)), int(bucket.left)
        wait = math.ceil((quota - left) / self.rate)
        return [
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name.encode(), quota, int(BURST_S))),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (name.encode(), left, wait)),
        ]

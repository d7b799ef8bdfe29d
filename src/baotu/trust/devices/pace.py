"""How often one source may be refused. Pure; the clock comes as an argument.

A source is an IPv6 /64, which is what one site usually has, or one IPv4 address.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict

SOURCES = 10_000  # the one that was quiet longest is forgotten above that


class Pace:
    """Token buckets: `per_min` refusals a minute, so many at once. Safe to call from any thread."""

    def __init__(self, per_min: int) -> None:
        self._rate, self._most = per_min / 60.0, float(per_min)
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # left, when

    def spent(self, place: str, now_s: float) -> bool:
        """Whether this source has to wait."""
        with self._lock:
            return self._of(source(place), now_s) < 1.0

    def refused(self, place: str, now_s: float) -> None:
        with self._lock:
            whose = source(place)
            self._left[whose] = max(0.0, self._of(whose, now_s) - 1.0), now_s
            self._left.move_to_end(whose)
            while len(self._left) > SOURCES:
                self._left.popitem(last=False)

    def _of(self, whose: str, now_s: float) -> float:
        left, when = self._left.get(whose, (self._most, now_s))
        return min(self._most, left + (now_s - when) * self._rate)


def source(place: str) -> str:
    """`[2001:db8::5]:1234` is `2001:db8::/64`."""
    host = place.rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host

"""Who fails too often has to wait, longer each time; nobody can keep somebody else out.

Failures count for the name and for the address they come from (NIST SP 800-63B-4, 3.2.2). A browser
from which the account has signed in before counts for itself (OWASP, device cookies), and a passkey
needs no name: so an attacker slows strangers down and never the person. Counts live in memory, and
are the same for names that exist and names that do not.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from baotu.sdk.people import TooMany

SECOND = 10**9
MOST_WAIT_S = 900.0
KEPT = 10_000  # keys; the one that was quiet for longest goes first
FREE = {"name": 5, "browser": 5, "address": 30}
FORGET_S = {"name": 24 * 3600, "browser": 24 * 3600, "address": 3600}
Key = tuple[str, str]


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last: int = 0


class Throttle:
    """Safe to call from any thread. now: ns."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    def begin(self, name: str, visit_address: str, browser: str) -> list[Key]:
        """Count this attempt as failed until `passed` says otherwise, so that many at once are
        many. browser: digest of a known one, else empty. Raises TooMany."""
        keys: list[Key] = [("address", network(visit_address))]
        keys.append(("browser", f"{browser} {name}") if browser else ("name", name))
        with self._lock:
            now = self._now()
            wait = max(self._wait(key, now) for key in keys)
            if wait > 0:
                seconds = int(wait) + 1
                raise TooMany(
                    f"尝试过多，请 {seconds} 秒后再试 Too many attempts: try again in {seconds} s",
                    wait,
                )
            for key in keys:
                count = self._counts.setdefault(key, _Count())
                count.failures, count.last = count.failures + 1, now
                self._counts.move_to_end(key)
            while len(self._counts) > KEPT:
                self._counts.popitem(last=False)
        return keys

    def passed(self, keys: list[Key]) -> None:
        """The attempt was good: the name begins anew, the address loses one failure only, or one
        good account would let its owner try the others without end."""
        with self._lock:
            for key in keys:
                count = self._counts.get(key)
                if count is None:
                    continue
                count.failures = max(count.failures - 1, 0) if key[0] == "address" else 0

    def failures(self, keys: list[Key]) -> int:
        """Of the name, or of the browser for it."""
        with self._lock:
            return max(
                (c.failures for k in keys if k[0] != "address" and (c := self._counts.get(k))),
                default=0,
            )

    def _wait(self, key: Key, now: int) -> float:
        count = self._counts.get(key)
        if count is None:
            return 0.0
        since = (now - count.last) / SECOND
        if since > FORGET_S[key[0]]:
            del self._counts[key]
            return 0.0
        over = count.failures - FREE[key[0]]
        return 0.0 if over < 0 else min(2.0 ** min(over, 20), MOST_WAIT_S) - since


def network(address: str) -> str:
    """One household is one /64 of IPv6 (RFC 6177), one address of IPv4."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)

"""What carries our messages: ask and answer, tell and listen. Zenoh behind it, and nothing else of it.

A session reaches its own answerers, so one process that is edge and hub at once uses the same wire.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import zenoh

from baotu.sdk.errors import Unreachable

Stop = Callable[[], None]
Done = Callable[[bytes | None], None]
TIMEOUT_S = 3.0


@dataclass(slots=True)
class Request:
    """A question. `reply` may come later and from any thread; only the first one counts."""

    key: str
    payload: bytes
    head: bytes
    _reply: Callable[[bytes], None]
    _open: bool = field(default=True)

    def reply(self, answer: bytes) -> None:
        if self._open:
            self._open = False
            self._reply(answer)


class Wire(Protocol):
    """Any thread. Callbacks run on the wire's threads and must be quick."""

    def ask(
        self,
        key: str,
        payload: bytes,
        done: Done,
        *,
        head: bytes = b"",
        urgent: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`done` is called exactly once: with the answer, or None when nobody gave one in time.
        What is urgent overtakes what is not."""

    def answer(self, key: str, handle: Callable[[Request], None]) -> Stop:
        """`*` in `key` stands for one part; the request bears the key that was asked."""

    def tell(self, key: str, payload: bytes) -> None:
        """May be lost."""

    def listen(self, pattern: str, hear: Callable[[str, bytes], None]) -> Stop:
        """`*` in `pattern` stands for one part of the key."""

    def close(self) -> None: ...


Open = Callable[[], zenoh.Session]
Declare = Callable[[zenoh.Session], Any]


class ZenohWire:
    """Implements `Wire` on a Zenoh session, which it opens and closes.

    A session's certificates and access control are those of its opening: `reopen` ends it with all
    its links and goes on with another one. What was asked meanwhile is answered by None.
    """

    def __init__(self, open: Open) -> None:
        self._lock = threading.Lock()
        self._places = itertools.count()
        self._makes: dict[int, Declare] = {}
        self._made: dict[int, Any] = {}
        self._closed = False
        self.session = open()

    def reopen(self, open: Open) -> None:
        """Never on a thread of the wire. Fails closed: no link stands until it has succeeded."""
        with self._lock:
            if self._closed:
                return
            self.session.close()
            self._made.clear()
            self.session = open()
            self._made = {place: make(self.session) for place, make in self._makes.items()}

    def hold(self, make: Declare) -> Stop:
        """Keep something declared in this session and in those that follow it."""
        with self._lock:
            place = next(self._places)
            self._makes[place] = make
            self._made[place] = make(self.session)

        def stop() -> None:
            with self._lock:
                del self._makes[place]
                if (made := self._made.pop(place, None)) is not None:
                    made.undeclare()

        return stop

    def ask(
        self,
        key: str,
        payload: bytes,
        done: Done,
        *,
        head: bytes = b"",
        urgent: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        found: list[bytes] = []

        def reply(answer: zenoh.Reply) -> None:
            if answer.ok is not None:
                found.append(answer.ok.payload.to_bytes())

        def finished(*_: object) -> None:  # every query ends: by a reply, an error or its time-out
            done(found[0] if found else None)

        try:
            self.session.get(
                key,
                zenoh.handlers.Callback(reply, finished),
                payload=payload,
                attachment=head,
                timeout=timeout_s,
                target=zenoh.QueryTarget.BEST_MATCHING,
                consolidation=zenoh.ConsolidationMode.NONE,
                congestion_control=zenoh.CongestionControl.BLOCK,
                priority=zenoh.Priority.DATA_HIGH if urgent else zenoh.Priority.DATA_LOW,
            )
        except zenoh.ZError as error:
            raise Unreachable(f"fabric/{key}: the session is closed ({error})") from error

    def answer(self, key: str, handle: Callable[[Request], None]) -> Stop:
        def take(query: zenoh.Query) -> None:
            def reply(answer: bytes) -> None:
                try:
                    with query:  # leaving the block ends the query
                        query.reply(query.key_expr, answer)  # `key` may be a pattern
                except zenoh.ZError:
                    pass  # who asked has gone: their time-out tells them

            payload = query.payload.to_bytes() if query.payload is not None else b""
            head = query.attachment.to_bytes() if query.attachment is not None else b""
            handle(Request(str(query.key_expr), payload, head, reply))

        return self.hold(lambda session: session.declare_queryable(key, take))

    def tell(self, key: str, payload: bytes) -> None:
        try:
            self.session.put(key, payload, congestion_control=zenoh.CongestionControl.DROP)
        except zenoh.ZError as error:
            raise Unreachable(f"fabric/{key}: the session is closed ({error})") from error

    def listen(self, pattern: str, hear: Callable[[str, bytes], None]) -> Stop:
        def take(sample: zenoh.Sample) -> None:
            hear(str(sample.key_expr), sample.payload.to_bytes())

        return self.hold(lambda session: session.declare_subscriber(pattern, take))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self.session.close()


def wait(
    wire: Wire, key: str, payload: bytes, *, head: bytes = b"", timeout_s: float = TIMEOUT_S
) -> bytes | None:
    """Ask and wait for the answer; never on one of the wire's own threads."""
    ready, found = threading.Event(), list[bytes | None]()

    def done(answer: bytes | None) -> None:
        found.append(answer)
        ready.set()

    wire.ask(key, payload, done, head=head, timeout_s=timeout_s)
    ready.wait(timeout_s + 1.0)
    return found[0] if found else None

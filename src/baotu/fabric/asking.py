"""Writes of outside clients on their way from an edge to the hub, and the answer back.

The edge asks below its own name (`<hub>/ask/<edge>`), so that a rule of the fabric can bind it.
Never waits on a thread of the wire: a device is slow.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import msgspec

from baotu.sdk.errors import (
    BaotuError,
    Conflict,
    Denied,
    Invalid,
    Malformed,
    Refused,
    Unreachable,
)
from baotu.sdk.link import Bridge, Bridged, SignIn
from baotu.sdk.reply import Reply

from .message import key
from .wire import Request, Wire

WAITING, THREADS = 256, 4
GRACE_S = 2.0  # beyond the time of the write, for the answer to come back


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One of the two."""

    sign_in: SignIn | None = None
    write: Bridged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A ticket, a reply, or a refusal: its class, field and code."""

    ticket: str = ""
    reply: Reply | None = None
    error: str = ""
    why: str = ""
    field: str = ""
    code: int = 0

    @classmethod
    def of(cls, error: BaotuError) -> Told:
        for kind in (Conflict, Invalid, Denied, Unreachable):
            if isinstance(error, kind):
                field = error.field if isinstance(error, Invalid) else ""
                why = error.why if isinstance(error, Invalid) else str(error)
                return cls(error=kind.__name__, why=why, field=field)
        return cls(error="Refused", why=str(error), code=getattr(error, "code", 0))

    def raised(self) -> BaotuError:
        if self.error in ("Conflict", "Invalid"):
            return (Conflict if self.error == "Conflict" else Invalid)(self.field, self.why)
        if self.error in ("Denied", "Unreachable"):
            return (Denied if self.error == "Denied" else Unreachable)(self.why)
        return Refused(self.why, self.code)


class Answering:
    """The hub's end: a few threads ask the bridge."""

    def __init__(self, wire: Wire, hub: str, bridge: Bridge) -> None:
        self.bridge = bridge
        self._waiting: queue.Queue[Request | None] = queue.Queue(WAITING)
        self._threads = [
            threading.Thread(target=self._run, name=f"fabric-ask-{n}", daemon=True)
            for n in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()
        self._stop = wire.answer(key(hub, "ask", "*"), self._take)

    def close(self, timeout_s: float = 5.0) -> None:
        self._stop()
        for _ in self._threads:
            try:
                self._waiting.put(None, timeout=timeout_s)
            except queue.Full:
                return
        for thread in self._threads:
            thread.join(timeout_s)

    def _take(self, request: Request) -> None:
        try:
            self._waiting.put_nowait(request)
        except queue.Full:
            why = f"{WAITING} writes from outside wait already; ask again later"
            request.reply(msgspec.json.encode(Told(error="Conflict", field="caller", why=why)))

    def _run(self) -> None:
        while (request := self._waiting.get()) is not None:
            request.reply(msgspec.json.encode(self._told(request)))

    def _told(self, request: Request) -> Told:
        edge = request.key.rpartition("/")[2]
        try:
            asked = msgspec.json.decode(request.payload, type=Asked)
            if asked.sign_in is not None:
                return Told(ticket=self.bridge.sign_in(edge, asked.sign_in))
            if asked.write is not None:
                return Told(reply=self.bridge.write(edge, asked.write))
            raise Malformed("asks for nothing")
        except BaotuError as error:
            return Told.of(error)
        except msgspec.MsgspecError as error:
            return Told(error="Refused", why=f"not understood: {error}")


def ask(wire: Wire, hub: str, edge: str, asked: Asked, done: Callable[[Told], None]) -> None:
    """`done` is called once, on a thread of the wire. Raises Unreachable when the wire is closed."""
    within = asked.write.within_s if asked.write is not None else 3.0

    def answered(raw: bytes | None) -> None:
        if raw is None:
            why = f"hub {hub} does not answer; without it nothing is written"
            done(Told(error="Unreachable", why=why))
            return
        try:
            done(cast(Told, msgspec.json.decode(raw, type=Told)))
        except msgspec.MsgspecError as error:
            done(Told(error="Unreachable", why=f"hub {hub} answered nonsense: {error}"))

    payload = msgspec.json.encode(asked)
    wire.ask(key(hub, "ask", edge), payload, answered, timeout_s=within + GRACE_S)

"""Frames between the hub and a process of an app: a head in MessagePack, columns as they lie in memory.

`u32 length of the head | u32 length of the columns | head | columns`, little endian. Nothing here is
ever unpickled: a frame from an app is text from a stranger. Every length has a bound, every value a type.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from baotu.sdk import Samples

LENGTHS = struct.Struct("<II")
HEAD_MOST, BODY_MOST = 8 << 20, 128 << 20
ROW = 4 + 8 + 8 + 1  # bytes of a sample of a number
KINDS = (("tag", "<i4"), ("time", "<i8"), ("value", "<f8"), ("quality", "u1"))
Plain = str | int | float | bool


class Broken(Exception):
    """What came is not the protocol."""


class Columns(msgspec.Struct, array_like=True):
    """Samples: how many; their texts when they are texts. The columns lie behind the head."""

    count: int
    texts: list[str] | None = None


class Called(msgspec.Struct, array_like=True):
    """What a handler knows of its call. now: microseconds since 1970-01-01 UTC."""

    caller: str
    organisation: str
    permissions: list[str]
    roles: list[str]
    kind: str
    via: str
    now: int
    key: str
    late: bool


class Windowed(msgspec.Struct, array_like=True):
    asset: str
    start: int
    end: int
    samples: dict[str, Columns]
    out: dict[str, int]
    again: bool


class Ask(msgspec.Struct, array_like=True):
    """Run a handler. arguments: as the caller gave them."""

    handler: str
    arguments: dict[str, Any]
    call: Called | None = None
    samples: Columns | None = None
    window: Windowed | None = None


class Raised(msgspec.Struct, array_like=True, tag="alarm"):
    tag: int
    time: int
    active: bool
    message: str
    kind: str
    priority: int


class Happened(msgspec.Struct, array_like=True, tag="event"):
    kind: str
    data: dict[str, Plain]


class Derived(msgspec.Struct, array_like=True, tag="samples"):
    columns: Columns


class Wished(msgspec.Struct, array_like=True, tag="write"):
    tag: int
    value: float | str
    reason: str
    expires_s: float
    evidence: list[int]


class Queued(msgspec.Struct, array_like=True, tag="job"):
    solve: str
    problem: str  # JSON
    seed: int


class Proved(msgspec.Struct, array_like=True, tag="evidence"):
    element: str
    claim: str
    figures: dict[str, Plain]
    page: str


Told = Raised | Happened | Derived | Wished | Queued | Proved


class Wrong(msgspec.Struct, array_like=True):
    """An error that the handler raised. phase: `parse` when it was not run at all."""

    kind: str
    why: str
    field: str = ""
    trace: str = ""
    phase: Literal["parse", "run"] = "run"


class Answer(msgspec.Struct, array_like=True):
    """What the handler answered, as JSON or as a tree of a view, or what it raised.

    tried: what the interpreter saw the app try that no app may; see `watch`.
    """

    value: Any = None
    facts: list[Told] = []
    wrong: Wrong | None = None
    tried: list[str] = []


def encoded(head: Any, columns: Sequence[np.ndarray] = ()) -> list[bytes | memoryview]:
    """The parts of a frame, columns not copied."""
    text = msgspec.msgpack.encode(head)
    parts = [np.ascontiguousarray(c).data.cast("B") for c in columns if len(c)]
    return [LENGTHS.pack(len(text), sum(map(len, parts))), text, *parts]


def split(samples: Samples) -> tuple[Columns, list[np.ndarray]]:
    """How many and which texts, and the columns that lie behind the head."""
    texts = [str(one) for one in samples.value] if samples.is_text else None
    wanted = [(name, kind) for name, kind in KINDS if texts is None or name != "value"]
    columns = [np.asarray(getattr(samples, name), kind) for name, kind in wanted]
    return Columns(len(samples), texts), columns


class Reader:
    """Takes samples out of the columns of a frame, one after the other. Raises Broken."""

    def __init__(self, body: memoryview) -> None:
        self.body, self.at = body, 0

    def take(self, told: Columns) -> Samples:
        if told.texts is not None and len(told.texts) != told.count:
            raise Broken("texts and samples differ in number")
        found: dict[str, np.ndarray] = {}
        for name, kind in KINDS:
            if name == "value" and told.texts is not None:
                found[name] = np.array([*told.texts, None], object)[:-1]
                continue
            size = told.count * np.dtype(kind).itemsize
            if told.count < 0 or self.at + size > len(self.body):
                raise Broken("a column is longer than the frame")
            found[name] = np.frombuffer(self.body[self.at : self.at + size], kind)
            self.at += size
        return Samples(**found)

    def end(self) -> None:
        if self.at != len(self.body):
            raise Broken("columns that nobody asked for")


class Line:
    """The hub's end. Every wait has a deadline. Raises TimeoutError, EOFError, OSError, Broken."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, parts: Sequence[bytes | memoryview], until: float) -> None:
        """until: by `time.monotonic`."""
        left = [memoryview(part) for part in parts if len(part)]
        while left:
            self.end.settimeout(_rest(until))
            sent = self.end.sendmsg(left[:64])
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]

    def receive(self, until: float) -> tuple[memoryview, memoryview]:
        """Head and columns, as they came."""
        head, body = LENGTHS.unpack(self._exactly(LENGTHS.size, until))
        if head > HEAD_MOST or body > BODY_MOST:
            raise Broken(f"a frame of {head + body} bytes")
        whole = self._exactly(head + body, until)
        return whole[:head], whole[head:]

    def _exactly(self, size: int, until: float) -> memoryview:
        whole = memoryview(bytearray(size))
        at = 0
        while at < size:
            self.end.settimeout(_rest(until))
            count = self.end.recv_into(whole[at:])
            if not count:
                raise EOFError("the process has closed its line")
            at += count
        return whole


def _rest(until: float) -> float:
    rest = until - time.monotonic()
    if rest <= 0:
        raise TimeoutError
    return rest if math.isfinite(rest) else 3600.0


def decoded(text: memoryview | bytes, kind: type[msgspec.Struct]) -> Any:
    """Raises Broken for anything but a value of this type."""
    try:
        return msgspec.msgpack.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Broken(str(error)) from None


def bounded(data: Mapping[str, Plain], most: int, longest: int) -> bool:
    return len(data) <= most and all(
        len(name) <= longest and (not isinstance(value, str) or len(value) <= longest)
        for name, value in data.items()
    )

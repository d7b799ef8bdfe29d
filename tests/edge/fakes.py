"""A small polled protocol, a device that speaks it on ::1, and drivers that behave or do not.

Question: number u16, op u8 (0 read, 1 write), first u16, count u16 [, value f8].
Answer: number u16, code u8 (0 ok), length u16, then `length` doubles.
"""

import asyncio
import struct
from dataclasses import dataclass, field
from functools import wraps

import numpy as np

from baotu.edge.edge import Edge
from baotu.edge.spec import DeviceSpec, EdgeSettings
from baotu.sdk import (
    ConfigError,
    DriverEntry,
    Endpoint,
    Invalid,
    Malformed,
    PolledDriver,
    Refused,
    Request,
    Samples,
    Tag,
    setting,
)

QUESTION = struct.Struct(">HBHH")
ANSWER = struct.Struct(">HBH")
MOST = 8  # values in one answer
S = 1_000_000_000


def in_loop(test):
    """Run an async test in a loop of its own."""

    @wraps(test)
    def run(*args, **named):
        asyncio.run(asyncio.wait_for(test(*args, **named), 60))

    return run


@dataclass(frozen=True, kw_only=True)
class FakeSettings:
    port: int = setting(title="端口 Port")
    window: int = setting(1, title="窗口 Window")
    timeout_s: float = setting(2.0, title="超时 Time-out")
    ordered: bool = setting(False, title="按序 Answers in order, without a number")
    bug: str = setting("", title="故障 Where this driver fails")


class FakePolled(PolledDriver):
    Settings = FakeSettings

    def __init__(self, settings):
        super().__init__(settings)
        self.window = settings.window
        if settings.bug == "init":
            raise KeyError("made wrongly")

    def endpoint(self):
        return Endpoint(host="::1", port=self.settings.port, timeout_s=self.settings.timeout_s)

    def plan(self, tags):
        if self.settings.bug == "plan":
            raise ZeroDivisionError("in plan")
        for tag in tags:
            if not tag.address.isdigit():
                raise ConfigError(f"address {tag.address!r} is no number", tag.name)
        rows = sorted((int(tag.address), tag.id) for tag in tags)
        return [self._request(rows[i : i + MOST]) for i in range(0, len(rows), MOST)]

    def _request(self, rows):
        first = rows[0][0]
        body = struct.pack(">BHH", 0, first, rows[-1][0] - first + 1)
        return Request(payload=body, tags=np.array([r[1] for r in rows], "i4"), context=rows)

    def numbered(self, request, number):
        return number.to_bytes(2, "big") + request.payload

    def whole(self, buffer):
        if len(buffer) < ANSWER.size:
            return 0, None
        number, code, count = ANSWER.unpack_from(buffer)
        if code > 9:
            raise Malformed(f"code {code} does not exist")
        return ANSWER.size + 8 * count, None if self.settings.ordered else number

    def decode(self, request, answer, time):
        if self.settings.bug == "decode":
            raise IndexError("in decode")
        _, code, _count = ANSWER.unpack_from(answer)
        if code:
            raise Refused(
                {2: "illegal data address", 3: "illegal data value"}.get(code, "no"), code
            )
        values = np.frombuffer(answer, ">f8", offset=ANSWER.size)
        if request.context is None:
            return []
        first = request.context[0][0]
        at = np.array([address - first for address, _ in request.context])
        if len(values) <= at.max():
            raise Malformed("fewer values than asked for")
        return [Samples.of(request.tags, time, values[at].astype("f8"))]

    def replan(self, request, refusal):
        rows = request.context
        if rows is None or len(rows) == 1:
            return []
        half = len(rows) // 2
        return [self._request(rows[:half]), self._request(rows[half:])]

    def write(self, tag, value):
        if value > 1e6:
            raise Invalid("value", "too great for a register")
        body = struct.pack(">BHHd", 1, int(tag.address), 1, value)
        return [Request(payload=body, tags=np.array([tag.id], "i4"))]


@dataclass
class FakeDevice:
    """Answers reads with `values`, or value = address; knows bad habits."""

    values: dict = field(default_factory=dict)
    refuse: set = field(default_factory=set)  # addresses
    mute: set = field(default_factory=set)  # addresses that are never answered
    habit: str = ""  # hang | garbage | lie | close
    stuck: bool = False  # takes writes, keeps its value
    asked: int = 0
    port: int = 0
    lines: list = field(default_factory=list)

    async def start(self, port=0):
        self.server = await asyncio.start_server(self._serve, "::1", port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def stop(self):
        self.server.close()
        for line in self.lines:
            line.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        self.lines.append(writer)
        try:
            while True:
                number, op, first, count = QUESTION.unpack(await reader.readexactly(QUESTION.size))
                value = struct.unpack(">d", await reader.readexactly(8))[0] if op else None
                self.asked += 1
                answer = self._answer(number, first, count, value)
                if self.habit == "close":
                    return writer.transport.abort()
                if answer is not None:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def _answer(self, number, first, count, value):
        span = range(first, first + count)
        if self.habit == "hang" or self.mute.intersection(span):
            return None
        if self.habit == "garbage":
            return b"\xff" * 40
        if self.habit == "lie":
            return ANSWER.pack(number, 0, 60_000) + bytes(80)
        if self.refuse.intersection(span):
            return ANSWER.pack(number, 2, 0)
        if value is not None:
            if not self.stuck:
                self.values[first] = value
            return ANSWER.pack(number, 0, 0)
        found = [self.values.get(a, float(a)) for a in span]
        return ANSWER.pack(number, 0, count) + struct.pack(f">{count}d", *found)


FAKE = DriverEntry(title="假 Fake", summary="测试 For tests", client=FakePolled)


def tags_of(name, count, **more):
    return tuple(
        Tag(id=-1, asset=f"hall/{name}", property=f"p{i}", device=name, address=str(i), **more)
        for i in range(count)
    )


def device(name, port, count=4, tags=None, entry=FAKE, **settings):
    more = {} if tags is not None else {"period_s": settings.pop("period_s", 1.0)}
    return DeviceSpec(
        name=name, driver="fake", entry=entry,
        settings=FakeSettings(port=port, **settings) if entry is FAKE else None,
        tags=tags_of(name, count, **more) if tags is None else tags,
    )  # fmt: skip


class FakeBoard:
    def __init__(self):
        self.of = {}
        self.story = []  # (kind/name, state) at each change

    def put(self, health):
        key = f"{health.kind}/{health.name}"
        if key not in self.of or self.of[key].state != health.state:
            self.story.append((key, health.state))
        self.of[key] = health

    def healths(self, kind=""):
        return [h for h in self.of.values() if not kind or h.kind == kind]

    def state(self, key):
        return self.of[key].state if key in self.of else None


class Bench:
    """An edge with everything it needs, and what it said."""

    def __init__(self, folder, clock, **more):
        self.clock, self.board, self.said = clock, FakeBoard(), []
        settings = more.pop("settings", EdgeSettings())
        self.edge = Edge(
            name="edge1", folder=folder, sink=self.said.append, board=self.board, clock=clock,
            settings=settings, jitter=lambda: 1.0, **more,
        )  # fmt: skip

    async def pass_time(self, seconds, step=0.05):
        """Let the clock run in small steps, with the sockets served in between."""
        for _ in range(round(seconds / step)):
            await self.clock.advance(step, turns=4)
            await asyncio.sleep(0.0005)

    async def until(self, true, seconds=60, step=0.05):
        """Let the clock run until something is so; seconds: of the clock."""
        for _ in range(round(seconds / step)):
            if true():
                return
            await self.pass_time(step, step)
        raise AssertionError(f"not within {seconds} s: {self.board.of}")

    def id(self, name):
        return next(tag.id for tag in self.edge.tags() if tag.name == name)

    def rows(self, name):
        """(time, value, quality) of one tag, in order of arrival."""
        id = self.id(name)
        return [
            (int(t), v, int(q))
            for s in self.said
            for i, t, v, q in zip(s.tag, s.time, s.value.tolist(), s.quality, strict=True)
            if i == id
        ]

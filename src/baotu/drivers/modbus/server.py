"""Offers the node's tags as Modbus TCP registers: two registers, one float32, for each tag.

A tag stands where its number says, so its place never moves: registers 2 × number and the next
one, holding and input alike; discrete input `number` is 1 while the tag is good. A unit has room
for 32,768 tags, the next ones are in the next unit. It never serves texts.
"""

from __future__ import annotations

import asyncio
import csv
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from baotu.sdk import (
    BaotuError,
    Conflict,
    Denied,
    Feed,
    Invalid,
    Peer,
    Quality,
    Samples,
    ServingDriver,
    Tag,
    Unreachable,
    setting,
)
from baotu.sdk.reply import Reply

from .address import positions
from .codec import LONGEST_PDU, REFUSED
from .settings import ORDERS

TAGS_A_UNIT = 32_768
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, FAILED = 1, 2, 3, 4
ACKNOWLEDGE, BUSY, NO_TARGET = 5, 6, 11
# MODBUS Application Protocol 1.1b3, 7: what each refusal of a write is called there; the first fits
REFUSALS: tuple[tuple[type[BaotuError], int], ...] = (
    (Conflict, BUSY),  # too often: ask again later
    (Invalid, ILLEGAL_VALUE),
    (Denied, ILLEGAL_FUNCTION),  # "not an allowable action for the server"
    (Unreachable, NO_TARGET),  # the gateway's target does not answer
    (BaotuError, FAILED),
)
MOST_READ, MOST_WRITTEN, MOST_BITS = 125, 123, 2000
MAP_COLUMNS = ("tag", "unit", "register", "reference", "type", "order", "ucum", "writable", "title")
Ask = Callable[[int, float], Awaitable[Reply]]


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Where and how the tags are offered."""

    host: str = setting("::1", title="监听地址 Address to listen on")
    port: int = setting(5020, title="端口，0 由系统选 Port, 0: any free one", low=0, high=65535)
    unit: int = setting(1, title="第一个从站地址 First unit", low=0, high=247)
    order: str = setting("ABCD", title="浮点数的字节顺序 Byte order of floats", choices=ORDERS)
    writes: str = setting(
        "off",
        title="是否接受写入可写位号 Whether writable tags may be written",
        choices=("off", "on"),
    )
    bad: str = setting(
        "nan",
        title="质量为坏时给出 nan 或最后的值 What a bad tag reads as: nan, or its last value",
        choices=("nan", "last"),
    )
    map_file: str = setting(
        "",
        path="data",
        title="启动时写出地址表 CSV 的路径 File for the map of registers, written at start",
    )
    max_clients: int = setting(16, title="最多的连接数 Most connections", low=1, high=1000)
    idle_s: float = setting(
        300.0, title="空闲多久断开 A silent connection is closed after", unit="s", low=1, high=86400
    )


class Row(NamedTuple):
    """A line of the map: where a tag stands."""

    tag: str
    unit: int
    register: int
    reference: str
    type: str
    order: str
    ucum: str
    writable: bool
    title: str


def register_map(tags: Iterable[Tag], settings: ServerSettings) -> list[Row]:
    """Where each tag stands, in order of number; texts have no place."""
    rows = []
    for tag in sorted(tags, key=lambda t: t.id):
        if tag.kind == "text":
            continue
        unit, at = settings.unit + tag.id // TAGS_A_UNIT, 2 * (tag.id % TAGS_A_UNIT)
        writable = tag.writable and settings.writes == "on"
        place = (unit, at, f"4{at + 1:05d}", "float32", settings.order)
        rows.append(Row(tag.name, *place, tag.unit, writable, tag.title))
    return rows


class Registers:
    """The image that is served: bytes of all tags by number, and which are good."""

    def __init__(self, tags: Sequence[Tag], settings: ServerSettings) -> None:
        size = max((tag.id for tag in tags), default=-1) + 1
        self._settings = settings
        self._places = positions(4, settings.order)
        self._image = np.zeros((size, 4), np.uint8)
        self._good = np.zeros(size, bool)
        self.writable = frozenset(t.id for t in tags if t.writable and settings.writes == "on")
        self._set(np.arange(size), np.full(size, np.nan))

    def update(self, samples: Samples) -> None:
        """Take the newest of each tag; unknown tags and texts are left out."""
        if samples.is_text:
            return
        known = samples.where((samples.tag >= 0) & (samples.tag < len(self._good)))
        value, bad = known.value, known.quality >= Quality.BAD
        if self._settings.bad == "nan":
            value = np.where(bad, np.nan, value)
        else:
            keep = ~bad | np.isfinite(value)
            known, value = known.where(keep), value[keep]
        self._good[known.tag] = known.quality < Quality.UNCERTAIN
        self._set(known.tag, value)

    def answer(self, unit: int, pdu: bytes) -> bytes | None:
        """The answer to a read; None when it is none."""
        if pdu[0] not in (2, 3, 4) or len(pdu) != 5:
            return None
        start, count = struct.unpack(">HH", pdu[1:])
        first = (unit - self._settings.unit) * TAGS_A_UNIT
        if first < 0 or first >= max(len(self._good), 1):
            return refuse(pdu[0], NO_TARGET)
        if not 1 <= count <= (MOST_BITS if pdu[0] == 2 else MOST_READ):
            return refuse(pdu[0], ILLEGAL_VALUE)
        if pdu[0] == 2:
            bits = self._good[first : first + TAGS_A_UNIT][start : start + count]
            data, whole = np.packbits(bits, bitorder="little").tobytes(), len(bits) == count
        else:
            image = self._image[first : first + TAGS_A_UNIT].reshape(-1)
            data = image[2 * start : 2 * (start + count)].tobytes()
            whole = len(data) == 2 * count
        return bytes((pdu[0], len(data))) + data if whole else refuse(pdu[0], ILLEGAL_ADDRESS)

    def wanted(self, unit: int, pdu: bytes) -> list[tuple[int, float]] | int:
        """What a write (function 16) asks for: tags and values; or the code of a refusal."""
        if pdu[0] != 16:
            return ILLEGAL_FUNCTION
        if len(pdu) < 6:
            return ILLEGAL_VALUE
        start, count, size = struct.unpack(">HHB", pdu[1:6])
        if not 1 <= count <= MOST_WRITTEN or size != 2 * count or len(pdu) != 6 + size:
            return ILLEGAL_VALUE
        if start % 2 or count % 2:
            return ILLEGAL_ADDRESS  # half a float
        first = (unit - self._settings.unit) * TAGS_A_UNIT + start // 2
        tags = range(first, first + count // 2)
        if start // 2 + count // 2 > TAGS_A_UNIT or not self.writable.issuperset(tags):
            return ILLEGAL_ADDRESS
        raw = np.frombuffer(pdu, np.uint8, size, 6).reshape(-1, 4)[:, self._places]
        values = np.ascontiguousarray(raw).view("<f4").reshape(-1)
        if not np.isfinite(values).all():
            return ILLEGAL_VALUE
        return list(zip(tags, values.astype(float).tolist(), strict=True))

    def _set(self, tags: np.ndarray, value: np.ndarray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            raw = value.astype("<f4").view(np.uint8).reshape(-1, 4)
        stored = np.empty_like(raw)
        stored[:, self._places] = raw
        self._image[tags] = stored


def refuse(function: int, code: int) -> bytes:
    return bytes((function & 0x7F | REFUSED, code))


async def respond(registers: Registers, unit: int, pdu: bytes, ask: Ask) -> bytes:
    """The answer to any question; writes go through the platform before they are confirmed."""
    if (answer := registers.answer(unit, pdu)) is not None:
        return answer
    wanted = registers.wanted(unit, pdu)
    if isinstance(wanted, int):
        return refuse(pdu[0], wanted)
    try:
        for tag, value in wanted:
            reply = await ask(tag, value)
            if not reply.done:  # 5: taken, but it takes long: somebody has to approve it
                return refuse(pdu[0], ACKNOWLEDGE if reply.request else FAILED)
    except BaotuError as error:
        return refuse(pdu[0], next(code for kind, code in REFUSALS if isinstance(error, kind)))
    return pdu[:5]


class ModbusServer(ServingDriver):
    """Modbus TCP for masters: PLCs, panels and other systems that want this node's values."""

    Settings = ServerSettings

    async def serve(self, feed: Feed, ready: Callable[[str], None]) -> None:
        settings: ServerSettings = self.settings
        registers = Registers(feed.tags(), settings)
        for samples in feed.latest():
            registers.update(samples)
        if settings.map_file:
            write_map(Path(settings.map_file), register_map(feed.tags(), settings))
        clients: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(clients) >= settings.max_clients:
                writer.close()
                return
            task = asyncio.create_task(_talk(reader, writer, registers, feed, settings.idle_s))
            clients.add(task)
            task.add_done_callback(clients.discard)

        try:
            server = await asyncio.start_server(connected, settings.host, settings.port)
        except OSError as error:
            where = f"modbus server: [{settings.host}]:{settings.port}"
            raise Unreachable(f"{where}: {error.strerror}; choose a free port") from error
        try:
            host, port = server.sockets[0].getsockname()[:2]
            ready(f"modbus://[{host}]:{port}")
            async for samples in feed.samples():
                registers.update(samples)
        finally:
            server.close()
            for task in clients:
                task.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    registers: Registers,
    feed: Feed,
    idle_s: float,
) -> None:
    """One connection, one question after the other, until it ends, is silent or says nonsense."""
    source = str(writer.get_extra_info("peername")[0])
    peer = Peer(name=f"modbus [{source}]", source=source)

    async def ask(tag: int, value: float) -> Reply:
        return await feed.write(tag, value, peer)

    try:
        while True:
            async with asyncio.timeout(idle_s):
                head = await reader.readexactly(7)
                number, protocol, length, unit = struct.unpack(">HHHB", head)
                if protocol or not 2 <= length <= LONGEST_PDU + 1:
                    return
                pdu = await reader.readexactly(length - 1)
            answer = await respond(registers, unit, pdu, ask)
            writer.write(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)
            async with asyncio.timeout(idle_s):
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        return
    finally:
        writer.close()


def write_map(path: Path, rows: Iterable[Row]) -> None:
    """The map of registers as CSV, for whoever configures the master."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(MAP_COLUMNS)
        table.writerows(rows)

"""OPC UA binary for the hot path: notifications, histories and browse results, bytes to columns.

No socket, no clock, no tag: only what IEC 62541-6 (OPC 10000-6, 5.2) says about bytes. Equal
records in a row are taken with one numpy view; what is rare goes through `fallback`, the kept
library's decoder. It never guesses: bytes that do not fit raise Malformed with the frame.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

import numpy as np

from baotu.sdk import Malformed

Fallback = Callable[[bytes, int], tuple[object, int]]
"""(frame, position of a Variant) → (its value, position after it)."""

EPOCH_TICKS = 116_444_736_000_000_000  # 1601-01-01 to 1970-01-01 in 100 ns, OPC 10000-6, 5.2.2.5
LAST_TICKS = EPOCH_TICKS + (1 << 63) // 100 - 1  # later does not fit int64 nanoseconds
RUN = 8  # fewer equal records than this are cheaper one by one
WIDEST = 65_536

# Variant types of fixed length (OPC 10000-6, table 1): id → (struct letter, numpy type)
FIXED = {
    1: ("B", "u1"), 2: ("b", "i1"), 3: ("B", "u1"), 4: ("h", "<i2"), 5: ("H", "<u2"),
    6: ("i", "<i4"), 7: ("I", "<u4"), 8: ("q", "<i8"), 9: ("Q", "<u8"), 10: ("f", "<f4"),
    11: ("d", "<f8"), 13: ("q", "<i8"), 19: ("I", "<u4"),
}  # fmt: skip
DATE_TIME = 13
VALUE, STATUS, SOURCE, SERVER, SOURCE_PICO, SERVER_PICO = 1, 2, 4, 8, 16, 32

_U4, _I4, _I8 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<q")


@dataclass(slots=True, eq=False)
class Columns:
    """Decoded data values: handle int64, time int64 ns (0: none told), status uint32, value.

    value: float64 for numbers, object of `str` for texts. NaN with a good status means the
    server sent a null.
    """

    handle: np.ndarray
    time: np.ndarray
    status: np.ndarray
    value: np.ndarray

    @classmethod
    def none(cls, text: bool = False) -> Columns:
        value = np.empty(0, object if text else "f8")
        return cls(np.empty(0, "i8"), np.empty(0, "i8"), np.empty(0, "u4"), value)

    @classmethod
    def joined(cls, parts: list[Columns]) -> Columns:
        return cls(*(np.concatenate([getattr(p, c) for p in parts]) for c in cls.__slots__))

    def where(self, mask: np.ndarray) -> Columns:
        return Columns(self.handle[mask], self.time[mask], self.status[mask], self.value[mask])

    def __add__(self, other: Columns) -> Columns:
        if not len(self) or not len(other):
            return self if len(self) else other
        return self.joined([self, other])

    def __len__(self) -> int:
        return len(self.handle)


class _Rows:
    """Grows by single rows and by whole arrays, and keeps their order."""

    def __init__(self, text: bool) -> None:
        self.text = text
        self.parts: list[Columns] = []
        self.rows: list[tuple[int, int, int, object]] = []

    def add(self, handle: int, time: int, status: int, value: object) -> None:
        self.rows.append((handle, time, status, value))

    def add_columns(self, part: Columns) -> None:
        self.close()
        self.parts.append(part)

    def close(self) -> None:
        if not self.rows:
            return
        handle, time, status, value = zip(*self.rows, strict=True)
        column = np.array(value, "f8") if not self.text else np.empty(len(value), object)
        if self.text:
            column[:] = value
        self.parts.append(
            Columns(np.array(handle, "i8"), np.array(time, "i8"), np.array(status, "u4"), column)
        )
        self.rows = []

    def columns(self) -> Columns:
        self.close()
        if len(self.parts) == 1:
            return self.parts[0]
        return Columns.joined(self.parts) if self.parts else Columns.none(self.text)


@dataclass(slots=True, kw_only=True)
class Publication:
    """One PublishResponse (OPC 10000-4, 5.14.5). changed: status of a StatusChangeNotification."""

    subscription: int
    sequence: int
    more: bool
    available: list[int]
    data: bool = False  # carries notifications, so it must be acknowledged
    numbers: Columns
    texts: Columns
    changed: int | None = None


@dataclass(slots=True, kw_only=True)
class Reader:
    """A frame and how far it was read. Every method raises Malformed at the end of the bytes."""

    data: bytes
    at: int = 0
    fallback: Fallback | None = field(default=None, repr=False)

    def u1(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def u4(self) -> int:
        self.at += 4
        return int(_U4.unpack_from(self.data, self.at - 4)[0])

    def i4(self) -> int:
        self.at += 4
        return int(_I4.unpack_from(self.data, self.at - 4)[0])

    def i8(self) -> int:
        self.at += 8
        return int(_I8.unpack_from(self.data, self.at - 8)[0])

    def raw(self) -> bytes | None:
        length = self.i4()
        if length < 0:
            return None
        if self.at + length > len(self.data):
            raise self.bad(f"a string of {length} bytes runs past the end")
        self.at += length
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        return (self.raw() or b"").decode("utf-8", "replace")

    def count(self, least: int) -> int:
        """Length of an array whose elements take `least` bytes or more; -1 (null) is 0."""
        count = self.i4()
        if count > 0 and count * least > len(self.data) - self.at:
            raise self.bad(f"an array of {count} elements in {len(self.data) - self.at} bytes")
        return max(count, 0)

    def node_id(self) -> str:
        """As text, `ns=2;s=Pump`, by the encodings of OPC 10000-6, 5.2.2.9."""
        kind = self.u1()
        shape = kind & 0x3F
        if shape == 0:
            space, word = 0, f"i={self.u1()}"
        elif shape == 1:
            space = self.u1()
            word = f"i={self._u2()}"
        elif shape in (2, 3, 4, 5):
            space = self._u2()
            word = self._identifier(shape)
        else:
            raise self.bad(f"{kind:#x} is no node id encoding")
        if kind & 0x80:
            self.raw()  # namespace URI of an expanded node id
        if kind & 0x40:
            self.u4()  # server index
        return f"ns={space};{word}" if space else word

    def _identifier(self, shape: int) -> str:
        if shape == 2:
            return f"i={self.u4()}"
        if shape == 3:
            return f"s={self.text()}"
        if shape == 4:
            return f"g={self.guid()}"
        return f"b={b64encode(self.raw() or b'').decode()}"

    def guid(self) -> str:
        self.at += 16
        return str(UUID(bytes_le=self.data[self.at - 16 : self.at]))

    def _u2(self) -> int:
        return self.u1() | self.u1() << 8

    def localized(self) -> str:
        mask = self.u1()
        if mask & 1:
            self.raw()  # locale
        return self.text() if mask & 2 else ""

    def diagnostic(self) -> None:
        for _ in range(32):  # nested at most so deep: a liar must not recurse for ever
            mask = self.u1()
            self.at += 4 * (mask & 0x0F).bit_count()
            if mask & 0x10:
                self.raw()
            if mask & 0x20:
                self.u4()
            if not mask & 0x40:
                return
        raise self.bad("diagnostics nested deeper than 32")

    def extension(self) -> tuple[str, int]:
        """(encoding id, end of the body) of an ExtensionObject; the body starts at `at`."""
        name = self.node_id()
        if not self.u1():
            return name, self.at
        length = self.i4()
        if length < 0 or self.at + length > len(self.data):
            raise self.bad(f"a body of {length} bytes runs past the end")
        return name, self.at + length

    def header(self) -> int:
        """Skip the type id and the ResponseHeader (OPC 10000-4, 7.33); its ServiceResult."""
        self.node_id()
        self.at += 12  # time stamp and request handle
        status = self.u4()
        self.diagnostic()
        for _ in range(self.count(4)):
            self.raw()
        _, self.at = self.extension()
        return status

    def bad(self, why: str) -> Malformed:
        return Malformed(f"OPC UA: {why} (at byte {self.at})", self.data)

    def value(self, kind: int) -> object:
        """A scalar of a Variant after its type byte; numbers as they are, others as text."""
        fixed = FIXED.get(kind)
        if fixed is not None:
            size = struct.calcsize("<" + fixed[0])
            self.at += size
            return struct.unpack_from("<" + fixed[0], self.data, self.at - size)[0]
        if kind in (12, 16):
            return self.text()
        if kind == 15:
            return (self.raw() or b"").hex()
        if kind == 14:
            return self.guid()
        if kind in (17, 18):
            return self.node_id()
        if kind == 20:
            self._u2()
            return self.text()
        if kind == 21:
            return self.localized()
        return None

    def variant(self) -> object:
        kind = self.u1()
        if kind == 0:
            return None
        if kind in FIXED or kind in (12, 14, 15, 16, 17, 18, 20, 21):
            found = self.value(kind)
            return unix(found) / 1e9 if kind == DATE_TIME and isinstance(found, int) else found
        if self.fallback is None:
            raise self.bad(f"variant type {kind:#x} is not a scalar")
        found, self.at = self.fallback(self.data, self.at - 1)
        return found

    def data_value(self) -> tuple[object, int, int]:
        """(value, status, time ns or 0), in the order of OPC 10000-6, 5.2.2.17."""
        mask = self.u1()
        value = self.variant() if mask & VALUE else None
        status = self.u4() if mask & STATUS else 0
        source = unix(self.i8(), self._u2() if mask & SOURCE_PICO else 0) if mask & SOURCE else 0
        server = unix(self.i8(), self._u2() if mask & SERVER_PICO else 0) if mask & SERVER else 0
        return value, status, source or server

    def items(self, count: int, lead: int) -> tuple[Columns, Columns]:
        """`count` data values, each after a handle of `lead` bytes (4, or 0 for none)."""
        numbers, texts = _Rows(False), _Rows(True)
        left, alone = count, 0
        while left:
            taken = 0
            if alone == 0:
                taken = self._run(numbers, left, lead)
                alone = 0 if taken else RUN
            if taken:
                left -= taken
                continue
            handle = self.u4() if lead else 0
            value, status, time = self.data_value()
            if isinstance(value, str):
                texts.add(handle, time, status, value)
            else:
                numbers.add(handle, time, status, _number(value))
            left, alone = left - 1, alone - 1
        return numbers.columns(), texts.columns()

    def _run(self, numbers: _Rows, left: int, lead: int) -> int:
        """Take the equal records that begin here, if they are at least RUN; how many."""
        begin = self.at + lead
        if begin + 2 > len(self.data):
            raise self.bad("the records run past the end")
        mask, kind = self.data[begin], self.data[begin + 1]
        shape = layout(lead, mask, kind)
        if shape is None or left < RUN:
            return 0
        taken, window = 0, 4 * RUN
        while left > taken:
            room = (len(self.data) - self.at) // shape.itemsize
            view = np.frombuffer(self.data, shape, min(window, left - taken, room), self.at)
            same = (view["mask"] == mask) & (view["kind"] == kind)
            length = len(view) if same.all() else int(np.argmin(same))
            if not length or (not taken and length < RUN):
                break
            numbers.add_columns(_columns(view[:length], kind))
            self.at += length * shape.itemsize
            taken += length
            if length < len(view) or length < window:
                break
            window = min(window * 4, WIDEST)
        return taken


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def unix(ticks: int, pico: int = 0) -> int:
    """Nanoseconds UTC of an OPC UA DateTime (100 ns since 1601) and its 10 ps units; 0: none."""
    if not EPOCH_TICKS < ticks <= LAST_TICKS:
        return 0
    return (ticks - EPOCH_TICKS) * 100 + pico // 100


@lru_cache(maxsize=256)
def layout(lead: int, mask: int, kind: int) -> np.dtype | None:
    """The record of one data value, None when its length is not fixed."""
    fixed = FIXED.get(kind)
    if not mask & VALUE or mask & 0xC0 or fixed is None:
        return None
    fields: list[tuple[str, str]] = [("handle", "<u4")] if lead else []
    fields += [("mask", "u1"), ("kind", "u1"), ("value", fixed[1])]
    told = (
        (STATUS, "status", "<u4"), (SOURCE, "source", "<i8"), (SOURCE_PICO, "source_pico", "<u2"),
        (SERVER, "server", "<i8"), (SERVER_PICO, "server_pico", "<u2"),
    )  # fmt: skip
    return np.dtype(fields + [(name, type_) for bit, name, type_ in told if mask & bit])


def _columns(view: np.ndarray, kind: int) -> Columns:
    names, size = view.dtype.names or (), len(view)
    time = _times(view, "source", names)
    if "server" in names:
        time = np.where(time == 0, _times(view, "server", names), time)
    value = view["value"]
    value = _unix(value) / 1e9 if kind == DATE_TIME else value.astype("f8")
    return Columns(
        view["handle"].astype("i8") if "handle" in names else np.zeros(size, "i8"),
        time,
        view["status"].astype("u4") if "status" in names else np.zeros(size, "u4"),
        np.not_equal(value, 0).astype("f8") if kind == 1 else value,
    )


def _times(view: np.ndarray, name: str, names: tuple[str, ...]) -> np.ndarray:
    if name not in names:
        return np.zeros(len(view), "i8")
    time = _unix(view[name])
    if f"{name}_pico" in names:
        time += np.where(time, view[f"{name}_pico"] // 100, 0)
    return time


def _unix(ticks: np.ndarray) -> np.ndarray:
    told = (ticks > EPOCH_TICKS) & (ticks <= LAST_TICKS)
    return np.where(told, (ticks.astype("i8") - EPOCH_TICKS) * told * 100, 0)

"""Addresses as engineers write them: `holding:100:float32:CDAB`, `40101:float32`, `3/coil:9`.

Tables and their reference digits: MODBUS Application Protocol 1.1b3, 4.3 and 4.4. It never reads
or writes; what a word means in bytes is in the rows of `TYPES`, orders in `positions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from baotu.sdk import ConfigError, Tag

from .settings import ORDERS

HELP = (
    "[unit/]table:offset[.bit][:type][:order] — holding:100:float32:CDAB, 40101:float32, "
    "input:7:uint16, coil:3, discrete:9, holding:12.5, holding:200:string16, 3/holding:100"
)
REGISTERS = 65_536  # in each table of a unit
PATTERN = re.compile(
    r"(?:(?P<unit>\d{1,3})/)?"
    r"(?:(?P<table>[a-z]+):(?P<offset>\d{1,6})|(?P<reference>\d{5,6}))"
    r"(?:\.(?P<bit>\d{1,2}))?"
    r"(?P<words>(?::[\w-]+)*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """read: its function. bits: one bit for each place instead of a register."""

    name: str
    read: int
    bits: bool = False
    writable: bool = False


TABLES = MappingProxyType(
    {
        "0": Table(name="coil", read=1, bits=True, writable=True),
        "1": Table(name="discrete", read=2, bits=True),
        "3": Table(name="input", read=4),
        "4": Table(name="holding", read=3, writable=True),
    }
)
_BY_NAME = MappingProxyType({table.name: table for table in TABLES.values()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """dtype: the number in little-endian bytes. size: bytes on the wire. digits: BCD if not 0."""

    name: str
    dtype: str
    size: int
    digits: int = 0

    @property
    def floats(self) -> bool:
        return self.dtype[1:2] == "f"


TYPES = MappingProxyType(
    {
        t.name: t
        for t in (
            Type(name="int16", dtype="<i2", size=2),
            Type(name="uint16", dtype="<u2", size=2),
            Type(name="int32", dtype="<i4", size=4),
            Type(name="uint32", dtype="<u4", size=4),
            Type(name="int64", dtype="<i8", size=8),
            Type(name="uint64", dtype="<u8", size=8),
            Type(name="float16", dtype="<f2", size=2),
            Type(name="float32", dtype="<f4", size=4),
            Type(name="float64", dtype="<f8", size=8),
            Type(name="bcd16", dtype="<u2", size=2, digits=4),
            Type(name="bcd32", dtype="<u4", size=4, digits=8),
        )
    }
)
BOOL = Type(name="bool", dtype="", size=0)
STRING = re.compile(r"string(\d{1,3})")
LONGEST_STRING = 250  # bytes: 125 registers, the most that one read can bring
ENCODINGS = ("utf-8", "ascii", "latin-1", "gbk", "gb18030")
# Same order, written for 16 and 64 bits; "AB…" names the bytes of the value, most significant
# first, in the order in which they stand in the registers.
SAME_ORDER = MappingProxyType(
    {
        "AB": "ABCD", "BA": "BADC", "ABCDEFGH": "ABCD", "GHEFCDAB": "CDAB",
        "BADCFEHG": "BADC", "HGFEDCBA": "DCBA",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What stands at a place. width: registers, or bits, it takes. bit: of a register, -1: none.

    encoding: of texts, "" for numbers. swapped: the bytes of a text are exchanged.
    """

    width: int
    type: Type
    order: str = "ABCD"
    bit: int = -1
    encoding: str = ""
    swapped: bool = False


class Address(NamedTuple):
    """The place of a tag. start: 0-based register or bit. form: shared by tags of the same kind."""

    tag: int
    unit: int
    table: Table
    start: int
    form: Form

    @property
    def end(self) -> int:
        return self.start + self.form.width


class Places:
    """Places of one unit and table in columns, made again when a refused read must be cut: as
    objects 100,000 of them take 14 MB and are hardly ever looked at."""

    __slots__ = ("_form", "_forms", "_start", "_table", "_tag", "_unit")

    def __init__(self, places: Sequence[Address]) -> None:
        self._unit, self._table = places[0].unit, places[0].table
        forms = {id(p.form): p.form for p in places}
        known = {key: at for at, key in enumerate(forms)}
        self._forms = tuple(forms.values())
        self._tag = np.array([p.tag for p in places], "i4")
        self._start = np.array([p.start for p in places], "u2")
        self._form = np.array([known[id(p.form)] for p in places], np.min_scalar_type(len(forms)))

    def __len__(self) -> int:
        return len(self._tag)

    def __iter__(self) -> Iterator[Address]:
        columns = self._tag.tolist(), self._start.tolist(), self._form.tolist()
        for tag, start, form in zip(*columns, strict=True):
            yield Address(tag, self._unit, self._table, start, self._forms[form])


class Addresses:
    """Reads addresses for one connection; `unit` and `order` are for those that name none."""

    def __init__(self, unit: int, order: str) -> None:
        self._unit, self._order = unit, order
        self._forms: dict[tuple[bool, str | None, str], Form] = {}

    def of(self, tag: Tag) -> Address:
        """Raises ConfigError that names the tag and shows a right address."""
        match = PATTERN.fullmatch(tag.address.strip())
        if match is None:
            raise wrong(tag, "this is not a Modbus address")
        table, start = _place(tag, match)
        unit = int(match["unit"] or self._unit)
        if unit > 255:
            raise wrong(tag, f"unit {match['unit']} does not exist; units are 0 to 255")
        key = table.bits, match["bit"], match["words"]
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _form(tag, table, match["bit"], match["words"], self._order)
        if start + form.width > REGISTERS:
            why = f"{form.type.name} at register {start} ends beyond register {REGISTERS - 1}"
            raise wrong(tag, why)
        if (tag.kind == "text") != bool(form.encoding):
            kind = "text" if form.encoding else "number" if form.type.size else "boolean"
            why = f'{form.type.name} is a {kind}, the tag says kind = "{tag.kind}"'
            raise wrong(tag, why, f'kind = "{kind}"')
        if tag.writable and not table.writable:
            why = f"{table.name} places are read only in Modbus, the tag is writable"
            raise wrong(tag, why, "writable = false")
        return Address(tag.id, unit, table, start, form)


def positions(size: int, order: str) -> np.ndarray:
    """Where in the registers' bytes each byte of a value stands, least significant first.

    >>> positions(4, "CDAB").tolist()
    [1, 0, 3, 2]
    """
    byte = np.arange(size).reshape(-1, 2)  # one row for each register
    if order in ("CDAB", "DCBA"):
        byte = byte[::-1]
    if order in ("BADC", "DCBA"):
        byte = byte[:, ::-1]
    return byte.reshape(-1)[::-1].copy()


def wrong(tag: Tag, why: str, hint: str = "") -> ConfigError:
    right = hint or "for example holding:100:float32:CDAB, 40101:int16, coil:3 or holding:12.5"
    return ConfigError(f"tag {tag.name}: address {tag.address!r}: {why}", hint=f"write {right}")


def _place(tag: Tag, match: re.Match[str]) -> tuple[Table, int]:
    """The table and the 0-based offset, from `holding:0` or from the reference `40001`."""
    if reference := match["reference"]:
        table, start = TABLES.get(reference[0]), int(reference[1:]) - 1
        if table is None:
            raise wrong(tag, "references begin with 0 (coils), 1 (discrete inputs), 3 or 4")
    else:
        table, start = _BY_NAME.get(match["table"].lower()), int(match["offset"])
        if table is None:
            raise wrong(tag, f"there is no table {match['table']!r}; use {', '.join(_BY_NAME)}")
    if not 0 <= start < REGISTERS:
        raise wrong(tag, "references count from 1 (40001), offsets from 0 to 65535 (holding:0)")
    return table, start


def _form(tag: Tag, table: Table, bit: str | None, given: str, order: str) -> Form:
    words = [word for word in given.split(":") if word]
    if table.bits or bit:
        return _bit(tag, table, bit, words)
    name = words.pop(0).lower() if words and _is_type(words[0]) else "uint16"
    if text := STRING.fullmatch(name):
        return _text(tag, int(text[1]), words)
    return _number(tag, TYPES[name], words, order)


def _is_type(word: str) -> bool:
    return word.lower() in TYPES or STRING.fullmatch(word.lower()) is not None


def _bit(tag: Tag, table: Table, bit: str | None, words: list[str]) -> Form:
    if [word.lower() for word in words] not in ([], ["bool"]):
        raise wrong(tag, "a bit has no type or order", tag.address.partition(":" + words[0])[0])
    if table.bits and bit:
        raise wrong(tag, f"a {table.name} is one bit already; bits are of registers")
    if bit and int(bit) > 15:
        raise wrong(tag, f"a register has bits 0 to 15, not {bit}")
    return Form(width=1, type=BOOL, bit=int(bit) if bit else -1)


def _text(tag: Tag, size: int, words: list[str]) -> Form:
    if not 1 <= size <= LONGEST_STRING:
        raise wrong(tag, f"a string has 1 to {LONGEST_STRING} bytes")
    left = [word.lower() for word in words]
    codes = [word for word in left if word != "swap"]
    if len(codes) > 1 or not set(codes) <= set(ENCODINGS):
        raise wrong(tag, f"after a string come swap and one of {', '.join(ENCODINGS)}")
    return Form(
        width=(size + 1) // 2,
        type=Type(name=f"string{size}", dtype="", size=size),
        encoding=codes[0] if codes else "utf-8",
        swapped="swap" in left,
    )


def _number(tag: Tag, type: Type, words: list[str], order: str) -> Form:
    if len(words) > 1:
        raise wrong(tag, f"too many words after the place: {', '.join(words)}")
    if words:
        order = SAME_ORDER.get(words[0].upper(), words[0].upper())
        if order not in ORDERS:
            types = ", ".join(TYPES)
            raise wrong(tag, f"{words[0]!r} is neither a byte order nor a type ({types}, string16)")
    elif type.size == 2:
        order = "ABCD"  # the device's order is about values of two or more registers
    return Form(width=type.size // 2, type=type, order=order)

"""One read and what its answer holds: byte positions are computed once, then whole columns decoded.

A block knows nothing of limits or connections; `plan.py` decides which places share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baotu.sdk import Quality, Samples

from .address import Address, Form, Places, Table, positions
from .codec import Framing
from .learn import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """The values of one type in an answer.

    index: intp, byte positions in the frame, least significant byte of each value first.
    mask: uint8, for bits: which bit of the byte. digits: of BCD, 0 for binary.
    """

    index: np.ndarray
    dtype: str
    digits: int = 0
    mask: np.ndarray | None = None

    def read(self, frame: np.ndarray) -> np.ndarray:
        """float64 values; what is no decimal digit in BCD gives NaN."""
        picked = frame.take(self.index)
        if self.mask is not None:
            return ((picked & self.mask) != 0).astype(np.float64)
        raw = picked.view(self.dtype)
        return _decimal(raw, self.digits) if self.digits else raw.astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """A string in an answer: bytes start to end of the frame, two to a register."""

    start: int
    end: int
    form: Form

    def read(self, frame: bytes) -> tuple[str, Quality]:
        """Up to the first NUL, without blanks at the end; undecodable bytes make it bad."""
        raw = frame[self.start : self.end]
        if self.form.swapped:
            raw = swap(raw)
        raw = raw[: self.form.type.size].partition(b"\0")[0]
        try:
            return raw.decode(self.form.encoding).rstrip(" "), Quality.GOOD
        except UnicodeDecodeError:
            return raw.decode(self.form.encoding, "replace").rstrip(" "), Quality.BAD_DECODING


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A read of `count` registers or bits from `start`, and how its answer becomes columns.

    places: in order. head: bytes that every good answer has at `head_at`.
    tags, good, odd: int32, uint8, uint8 columns of the numbers: their qualities when finite, and
    when not. text_tags: int32. part: of a refused question that was cut, None if it was not.
    """

    unit: int
    table: Table
    function: int
    start: int
    count: int
    places: Places
    head: bytes
    head_at: int
    length: int
    columns: tuple[Column, ...]
    tags: np.ndarray
    good: np.ndarray
    odd: np.ndarray
    finite: bool
    texts: tuple[Text, ...]
    text_tags: np.ndarray
    part: Part | None = None

    def samples(self, answer: bytes, time: int) -> list[Samples]:
        """Raw samples of an answer that was found right. time: ns UTC for all of them."""
        told = []
        if self.columns:
            frame = np.frombuffer(answer, np.uint8)
            value, quality = self._numbers(frame), self.good
            if not self.finite and not (finite := np.isfinite(value)).all():
                quality = np.where(finite, self.good, self.odd)
            told.append(Samples(self.tags, np.full(len(value), time, np.int64), value, quality))
        if self.texts:
            read = [text.read(answer) for text in self.texts]
            values = np.array([value for value, _ in read], object)
            told.append(Samples.of(self.text_tags, time, values, [int(q) for _, q in read]))
        return told

    def _numbers(self, frame: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # widening a signalling NaN is what we expect of one
            parts = [column.read(frame) for column in self.columns]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def all_tags(self) -> np.ndarray:
        return np.concatenate((self.tags, self.text_tags)) if self.texts else self.tags

    def nothing(self, quality: Quality, time: int) -> list[Samples]:
        """No values for any of the tags, for this reason."""
        told = []
        if self.columns:
            told.append(Samples.of(self.tags, time, np.full(len(self.tags), np.nan), int(quality)))
        if self.texts:
            empty = np.full(len(self.text_tags), "", object)
            told.append(Samples.of(self.text_tags, time, empty, int(quality)))
        return told

    def __str__(self) -> str:
        what = ("bit" if self.table.bits else "register") + "s" * (self.count > 1)
        return f"unit {self.unit}, {self.table.name}:{self.start}, {self.count} {what}"


def make_block(
    places: Sequence[Address], framing: Framing, part: Part | None = None, function: int = 0
) -> Block:
    """places: of one unit and table, in order. function: if not the table's own."""
    first = places[0]
    start, table = first.start, first.table
    count = max(p.end for p in places) - start
    size = (count + 7) // 8 if table.bits else 2 * count
    head = bytes((first.unit, function or table.read, size))
    if framing.head > 1:
        head = (size + 3).to_bytes(4, "big") + head  # protocol 0 and length
    data = framing.head + 2
    numbers = [p for p in places if not p.form.encoding]
    texts = [p for p in places if p.form.encoding]
    columns, ordered = _columns(numbers, start, data)
    digits = [p.form.type.digits for p in ordered]
    return Block(
        unit=first.unit,
        table=table,
        function=function or table.read,
        start=start,
        count=count,
        places=Places(places),
        head=head,
        head_at=data - len(head),
        length=data + size + framing.tail,
        columns=columns,
        tags=np.array([p.tag for p in ordered], np.int32),
        good=np.zeros(len(ordered), np.uint8),
        odd=np.where(digits, Quality.BAD_DECODING, Quality.BAD_SENSOR_FAILURE).astype(np.uint8),
        finite=not any(digits) and not any(p.form.type.floats for p in ordered),
        texts=tuple(_text(p, start, data) for p in texts),
        text_tags=np.array([p.tag for p in texts], np.int32),
        part=part,
    )


def swap(raw: bytes) -> bytes:
    """The two bytes of each register exchanged; an odd last byte gets a partner of zero."""
    even = np.frombuffer(raw + b"\0" * (len(raw) % 2), np.uint16)
    return even.byteswap().tobytes()


def _columns(
    places: list[Address], start: int, data: int
) -> tuple[tuple[Column, ...], list[Address]]:
    """Columns by type, and the places in the order in which the columns tell them."""
    groups: dict[str, list[Address]] = {}
    for place in places:
        groups.setdefault(place.form.type.name, []).append(place)
    columns = tuple(_column(group, start, data) for group in groups.values())
    return columns, [place for group in groups.values() for place in group]


def _column(places: list[Address], start: int, data: int) -> Column:
    type, at = places[0].form.type, np.array([p.start for p in places], np.intp) - start
    if places[0].table.bits:
        return Column(dtype="", index=data + (at >> 3), mask=_mask(at & 7))
    if not type.dtype:
        bit = np.array([p.form.bit for p in places], np.intp)
        return Column(dtype="", index=data + 2 * at + (bit < 8), mask=_mask(bit & 7))
    orders = {order: positions(type.size, order) for order in {p.form.order for p in places}}
    within = np.stack([orders[p.form.order] for p in places])
    index = (data + 2 * at[:, None] + within).reshape(-1)
    return Column(dtype=type.dtype, index=index, digits=type.digits)


def _mask(bit: np.ndarray) -> np.ndarray:
    return np.left_shift(1, bit).astype(np.uint8)


def _text(place: Address, start: int, data: int) -> Text:
    at = data + 2 * (place.start - start)
    return Text(start=at, end=at + 2 * place.form.width, form=place.form)


def _decimal(raw: np.ndarray, digits: int) -> np.ndarray:
    value = np.zeros(len(raw))
    for place in range(digits):
        digit = raw >> (4 * place) & 15
        value += np.where(digit < 10, digit * 10.0**place, np.nan)
    return value

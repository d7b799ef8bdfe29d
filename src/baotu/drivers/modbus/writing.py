"""From a raw value to the registers or bits that say it, and to the functions that set them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from baotu.sdk import Invalid, Refused, Tag

from .address import Address, positions
from .block import swap

WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
MASK_WRITE, READ_WRITE = 22, 23
MOST_READ_WRITE = 121  # registers that function 23 writes; MODBUS Application Protocol 6.17
ON = 0xFF00


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A write under way. echo: the right answer's function and data."""

    place: Address
    echo: bytes

    def __str__(self) -> str:
        return f"unit {self.place.unit}, write {self.place.table.name}:{self.place.start}"


@dataclass(slots=True, kw_only=True)
class Peek:
    """A register that is read to be written back with one bit changed."""

    place: Address
    value: int | None = None

    def __str__(self) -> str:
        return f"unit {self.place.unit}, {self.place.table.name}:{self.place.start}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poke:
    """The write after a `Peek`; its bytes are known once that was answered."""

    peek: Peek
    on: bool

    def pdu(self) -> bytes:
        """Raises Refused when the register was not read before."""
        if self.peek.value is None:
            raise Refused(f"{self.peek}: the register was not read, so no bit of it is written")
        bit = 1 << self.peek.place.form.bit
        value = self.peek.value | bit if self.on else self.peek.value & ~bit
        return struct.pack(">BHH", WRITE_REGISTER, self.peek.place.start, value)

    def __str__(self) -> str:
        return f"{self.peek}, write bit {self.peek.place.form.bit}"


def check_writable(tag: Tag, place: Address) -> None:
    if not place.table.writable:
        raise Invalid("tag", f"{tag.name}: {place.table.name} places are read only in Modbus")


def switch(tag: Tag, value: float | str) -> bool:
    if value not in (0, 1):
        raise Invalid("value", f"{tag.name}: {value!r} is not 0 or 1, the states of a bit")
    return bool(value)


def registers(tag: Tag, place: Address, value: float | str) -> bytes:
    """The bytes of the registers that hold this value. Raises Invalid when it does not fit."""
    if place.form.encoding:
        return _text(tag, place, value)
    if isinstance(value, str):
        raise Invalid(
            "value", f"{tag.name}: {value!r} is no number, {place.form.type.name} takes one"
        )
    raw = _float(tag, place, value) if place.form.type.floats else _whole(tag, place, value)
    out = bytearray(place.form.type.size)
    for at, byte in zip(positions(place.form.type.size, place.form.order), raw, strict=True):
        out[at] = byte
    return bytes(out)


def single(place: Address, on: bool) -> bytes:
    """Function 5: one coil."""
    return struct.pack(">BHH", WRITE_COIL, place.start, ON if on else 0)


def coils(place: Address, on: bool) -> bytes:
    """Function 15 for one coil."""
    return struct.pack(">BHHBB", WRITE_COILS, place.start, 1, 1, on)


def mask(place: Address, on: bool) -> bytes:
    """Function 22: one bit of a register, changed by the device itself, so nothing gets lost."""
    bit = 1 << place.form.bit
    return struct.pack(">BHHH", MASK_WRITE, place.start, 0xFFFF ^ bit, bit if on else 0)


def one_register(place: Address, data: bytes) -> bytes:
    """Function 6."""
    return struct.pack(">BH", WRITE_REGISTER, place.start) + data


def many_registers(place: Address, data: bytes) -> bytes:
    """Function 16."""
    count = len(data) // 2
    return struct.pack(">BHHB", WRITE_REGISTERS, place.start, count, len(data)) + data


def read_write(place: Address, data: bytes) -> bytes:
    """Function 23: write, then read the same registers, in one exchange."""
    count, start = len(data) // 2, place.start
    return struct.pack(">BHHHHB", READ_WRITE, start, count, start, count, len(data)) + data


def echo(pdu: bytes) -> bytes:
    """What the unit answers to a write: functions 15 and 16 leave the data out."""
    return pdu[:5] if pdu[0] in (WRITE_COILS, WRITE_REGISTERS) else pdu


def _float(tag: Tag, place: Address, value: float) -> bytes:
    with np.errstate(over="ignore"):
        raw = np.array(value, np.float64).astype(place.form.type.dtype)
    if not np.isfinite(raw):
        raise Invalid("value", f"{tag.name}: {value} is no {place.form.type.name}")
    return raw.tobytes()


def _whole(tag: Tag, place: Address, value: float) -> bytes:
    """Rounded to the nearest whole number: a scaled value seldom is one. Ties go to the even."""
    low, high = _range(place)
    if not low - 0.5 <= value <= high + 0.5 or not low <= (number := round(value)) <= high:
        raise Invalid(
            "value", f"{tag.name}: {value} does not fit {place.form.type.name}, {low} to {high}"
        )
    if digits := place.form.type.digits:
        number = int(f"{number:0{digits}d}", 16)
    return number.to_bytes(place.form.type.size, "little", signed=low < 0)


def _range(place: Address) -> tuple[int, int]:
    if place.form.type.digits:
        return 0, 10**place.form.type.digits - 1
    limits = np.iinfo(place.form.type.dtype)
    return int(limits.min), int(limits.max)


def _text(tag: Tag, place: Address, value: float | str) -> bytes:
    if not isinstance(value, str):
        raise Invalid(
            "value", f"{tag.name}: {value!r} is no text, {place.form.type.name} takes one"
        )
    try:
        raw = value.encode(place.form.encoding)
    except UnicodeEncodeError as error:
        raise Invalid(
            "value", f"{tag.name}: {value!r} cannot be said in {place.form.encoding}"
        ) from error
    if len(raw) > place.form.type.size:
        why = f"{len(raw)} bytes do not fit {place.form.type.name}"
        raise Invalid("value", f"{tag.name}: {why}")
    padded = raw.ljust(2 * place.form.width, b"\0")
    return swap(padded) if place.form.swapped else padded

"""A Modbus device as a function: question in, answer out; told what it refuses.

Written apart from the driver's codec on purpose: it shares no line with what it tests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from baotu.drivers.modbus import DRIVER
from baotu.drivers.modbus.driver import Modbus
from baotu.sdk import Tag

Refuse = Callable[[int, int, int], int]  # function, start, count → exception code, 0: none


def allow(function: int, start: int, count: int) -> int:
    return 0


class Device:
    """Units share the places. `asked` keeps (unit, function, start, count) of each question."""

    def __init__(self, framing: str = "tcp", refuse: Refuse = allow) -> None:
        self.framing, self.refuse = framing, refuse
        self.holding = np.zeros(65536, np.uint16)
        self.input = np.zeros(65536, np.uint16)
        self.coil = np.zeros(65536, bool)
        self.discrete = np.zeros(65536, bool)
        self.asked: list[tuple[int, int, int, int]] = []
        self.functions: list[int] = []

    def __call__(self, question: bytes) -> bytes:
        if self.framing == "rtu":
            assert slow_crc(question[:-2]) == question[-2:], "the question's checksum is wrong"
            answer = question[:1] + self._answer(question[0], question[1:-2])
            return answer + slow_crc(answer)
        number, protocol, length, unit = struct.unpack(">HHHB", question[:7])
        assert (protocol, length) == (0, len(question) - 6), "the question's header is wrong"
        pdu = self._answer(unit, question[7:])
        return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu

    def _answer(self, unit: int, pdu: bytes) -> bytes:
        function, start, count = struct.unpack(">BHH", pdu[:5])
        self.functions.append(function)
        if function in (1, 2, 3, 4):
            self.asked.append((unit, function, start, count))
        single = function in (5, 6, 22)
        if code := self.refuse(function, start, 1 if single else count):
            return bytes((function | 0x80, code))
        return getattr(self, f"_f{function}")(pdu, start, count)

    def _bits(self, pdu: bytes, table: np.ndarray, start: int, count: int) -> bytes:
        packed = np.packbits(table[start : start + count], bitorder="little").tobytes()
        return bytes((pdu[0], len(packed))) + packed

    def _words(self, pdu: bytes, table: np.ndarray, start: int, count: int) -> bytes:
        return bytes((pdu[0], 2 * count)) + table[start : start + count].astype(">u2").tobytes()

    def _f1(self, pdu: bytes, start: int, count: int) -> bytes:
        return self._bits(pdu, self.coil, start, count)

    def _f2(self, pdu: bytes, start: int, count: int) -> bytes:
        return self._bits(pdu, self.discrete, start, count)

    def _f3(self, pdu: bytes, start: int, count: int) -> bytes:
        return self._words(pdu, self.holding, start, count)

    def _f4(self, pdu: bytes, start: int, count: int) -> bytes:
        return self._words(pdu, self.input, start, count)

    def _f5(self, pdu: bytes, start: int, value: int) -> bytes:
        assert value in (0, 0xFF00)
        self.coil[start] = bool(value)
        return pdu

    def _f6(self, pdu: bytes, start: int, value: int) -> bytes:
        self.holding[start] = value
        return pdu

    def _f15(self, pdu: bytes, start: int, count: int) -> bytes:
        bits = np.unpackbits(np.frombuffer(pdu[6:], np.uint8), bitorder="little")[:count]
        self.coil[start : start + count] = bits
        return pdu[:5]

    def _f16(self, pdu: bytes, start: int, count: int) -> bytes:
        assert len(pdu) == 6 + 2 * count == 6 + pdu[5]
        self.holding[start : start + count] = np.frombuffer(pdu[6:], ">u2")
        return pdu[:5]

    def _f22(self, pdu: bytes, start: int, kept: int) -> bytes:
        (added,) = struct.unpack(">H", pdu[5:])
        self.holding[start] = int(self.holding[start]) & kept | added & ~kept & 0xFFFF
        return pdu

    def _f23(self, pdu: bytes, start: int, count: int) -> bytes:
        to, many, size = struct.unpack(">HHB", pdu[5:10])
        assert size == 2 * many == len(pdu) - 10
        self.holding[to : to + many] = np.frombuffer(pdu[10:], ">u2")
        return self._words(pdu, self.holding, start, count)


def slow_crc(data: bytes) -> bytes:
    """Bit by bit, as the specification draws it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


def driver(**settings: Any) -> Modbus:
    assert DRIVER.client is not None
    made = DRIVER.client(DRIVER.client.Settings(**({"host": "::1"} | settings)))
    assert isinstance(made, Modbus)
    return made


def tags(*addresses: str, writable: bool = False) -> list[Tag]:
    """One tag for each address, numbered from 1; texts and bits get their kind."""
    return [tag(n, address, writable) for n, address in enumerate(addresses, 1)]


def tag(number: int, address: str, writable: bool = False) -> Tag:
    text = "string" in address
    bit = address.startswith(("coil", "discrete")) or "." in address
    kind: Any = "text" if text else "boolean" if bit else "number"
    fixed = address.startswith(("input", "discrete", "1", "3"))
    return Tag(
        id=number, asset="plant/press", property=f"p{number}", address=address, kind=kind,
        writable=writable and not fixed,
    )  # fmt: skip

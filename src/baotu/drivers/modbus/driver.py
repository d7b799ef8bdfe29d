"""The Modbus client: what to ask, what answers mean. It has no socket and never waits.

Reads coalesce (`plan.py`), answers decode as columns (`block.py`), refusals teach (`learn.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from baotu.sdk import (
    Endpoint,
    Malformed,
    PolledDriver,
    Refused,
    Request,
    Samples,
    Tag,
)

from . import writing
from .address import Address, Addresses
from .block import Block, make_block
from .codec import EXCEPTIONS, FRAMINGS, REFUSED, UNKNOWN
from .learn import Failures, Part
from .plan import Planner
from .settings import Settings as ModbusSettings
from .settings import checked
from .writing import Peek, Poke, Written

NO_TAGS = np.empty(0, np.int32)
TOO_MUCH = 3  # exception code: illegal data value, here the number of registers
DEVICE_FAILURE = 4
SMALLER_HELPS = (2, TOO_MUCH, DEVICE_FAILURE)
ACKNOWLEDGED = 5
Context = Block | Written | Peek | Poke


class Modbus(PolledDriver):
    """Modbus TCP, and RTU through a serial server; one object for each connection."""

    Settings = ModbusSettings

    def __init__(self, settings: ModbusSettings) -> None:
        super().__init__(checked(settings))
        self._framing = FRAMINGS[settings.framing]
        self._planner = Planner(settings)
        self._addresses = Addresses(settings.unit, settings.order)
        self._failures = Failures()
        self.window = settings.pipeline

    def endpoint(self) -> Endpoint:
        return Endpoint(
            host=self.settings.host, port=self.settings.port, timeout_s=self.settings.timeout_s
        )

    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        places = [self._addresses.of(tag) for tag in tags]
        return [self._read(part) for part in self._planner.pack(places)]

    def numbered(self, request: Request, number: int) -> bytes:
        payload = request.payload
        if type(request.context) is Poke:
            peek = request.context.peek
            payload = self._framing.wrap(peek.place.unit, request.context.pdu())
        if self._framing.name == "tcp":
            return number.to_bytes(2, "big") + payload[2:]
        return payload

    def whole(self, buffer: bytes | bytearray) -> tuple[int, int | None]:
        return self._framing.whole(buffer)

    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        block = request.context
        if type(block) is not Block:
            return self._written(request, answer)
        at = block.head_at
        if len(answer) != block.length or answer[at : at + len(block.head)] != block.head:
            return self._refused_read(block, answer, time)
        if self._framing.tail:
            self._framing.sound(answer)
        if block.part is not None:
            block.part.was_answered(block.count)
        self._failures.answered(block, block.unit)
        return block.samples(answer, time)

    def replan(self, request: Request, refusal: Refused) -> list[Request]:
        block = request.context
        if type(block) is not Block or refusal.code not in SMALLER_HELPS:
            return []
        if block.function != block.table.read:
            return []  # a write with read-back: nothing smaller says the same
        smaller = self._planner.cut(block, size_told=refusal.code == TOO_MUCH)
        return [self._read(places, part) for places, part in smaller]

    def write(self, tag: Tag, value: float | str) -> list[Request]:
        place, many = self._addresses.of(tag), self.settings.write_function == "multiple"
        writing.check_writable(tag, place)
        if place.table.bits:
            make = writing.coils if many else writing.single
            return [self._set(place, make(place, writing.switch(tag, value)))]
        if place.form.bit >= 0:
            return self._set_bit(place, writing.switch(tag, value))
        data = writing.registers(tag, place, value)
        if self.settings.read_with_write and place.form.width <= writing.MOST_READ_WRITE:
            return [self._set_and_read(place, data)]
        if place.form.width == 1 and not many:
            return [self._set(place, writing.one_register(place, data))]
        return [self._set(place, writing.many_registers(place, data))]

    def _read(self, places: list[Address], part: Part | None = None) -> Request:
        block = make_block(places, self._framing, part)
        pdu = struct.pack(">BHH", block.function, block.start, block.count)
        return self._ask(block.unit, pdu, block, block.all_tags())

    def _set(self, place: Address, pdu: bytes) -> Request:
        return self._ask(place.unit, pdu, Written(place=place, echo=writing.echo(pdu)))

    def _set_and_read(self, place: Address, data: bytes) -> Request:
        pdu = writing.read_write(place, data)
        block = make_block([place], self._framing, function=writing.READ_WRITE)
        return self._ask(block.unit, pdu, block, block.all_tags())

    def _set_bit(self, place: Address, on: bool) -> list[Request]:
        if self.settings.bit_write == "mask":
            return [self._set(place, writing.mask(place, on))]
        peek = Peek(place=place)
        pdu = struct.pack(">BHH", place.table.read, place.start, 1)
        return [
            self._ask(place.unit, pdu, peek),
            Request(payload=b"", tags=NO_TAGS, context=Poke(peek=peek, on=on)),
        ]

    def _ask(self, unit: int, pdu: bytes, context: Context, tags: np.ndarray = NO_TAGS) -> Request:
        return Request(payload=self._framing.wrap(unit, pdu), tags=tags, context=context)

    def _refused_read(self, block: Block, answer: bytes, time: int) -> list[Samples]:
        """An answer that is not the expected one: a passing no, a lasting no, or nonsense."""
        code = self._no(block.unit, block.function, answer, str(block))
        no, plain = EXCEPTIONS.get(code, UNKNOWN), block.function == block.table.read
        if code == DEVICE_FAILURE and plain and self._failures.lasting(block, block.unit):
            raise _refusal(str(block), code)
        if no.passing and (plain or code == ACKNOWLEDGED):
            return block.nothing(no.quality, time)
        raise _refusal(str(block), code)

    def _written(self, request: Request, answer: bytes) -> list[Samples]:
        """The answer to a write, or to the read before one; its tags are none."""
        context = request.context
        if isinstance(context, Peek):
            self._peeked(context, answer)
            return []
        assert isinstance(context, Written | Poke)  # nothing else is planned here
        place, echo = (
            (context.place, context.echo)
            if isinstance(context, Written)
            else (context.peek.place, context.pdu())
        )
        head, end = self._framing.head, len(answer) - self._framing.tail
        if answer[head:end] != echo or answer[head - 1] != place.unit:
            code = self._no(place.unit, echo[0], answer, str(context))
            if code != ACKNOWLEDGED:  # it was accepted and takes long; reading back tells the rest
                raise _refusal(str(context), code)
        self._framing.sound(answer)
        return []

    def _peeked(self, peek: Peek, answer: bytes) -> None:
        head, end = self._framing.head, len(answer) - self._framing.tail
        right = bytes((peek.place.unit, peek.place.table.read, 2))
        if answer[head - 1 : head + 2] != right or end != head + 4:
            raise _refusal(
                str(peek), self._no(peek.place.unit, peek.place.table.read, answer, str(peek))
            )
        self._framing.sound(answer)
        peek.value = int.from_bytes(answer[end - 2 : end], "big")

    def _no(self, unit: int, function: int, answer: bytes, what: str) -> int:
        """The exception code of an answer. Raises Malformed when it is not a whole refusal."""
        self._framing.sound(answer)
        head = self._framing.head
        if answer[head - 1] != unit:
            raise Malformed(
                f"{what}: the answer comes from unit {answer[head - 1]}; "
                f"if that is the device, write unit = {answer[head - 1]}",
                answer,
            )
        if answer[head] & ~REFUSED != function:
            raise Malformed(f"{what}: asked function {function}, told {answer[head]}", answer)
        if answer[head] == function or len(answer) != head + 2 + self._framing.tail:
            raise Malformed(f"{what}: the device lies about its lengths or echo", answer)
        return answer[head + 1]


def _refusal(what: str, code: int) -> Refused:
    no = EXCEPTIONS.get(code, UNKNOWN)
    return Refused(f"{what}: {no.name} (exception {code}); {no.next_step}", code)

"""What edge and hub say to one another, to the byte.

Keys, below `baotu/`: `<hub>/frames/<edge>`, and so `spans`, `hello`, `lost` and `ask` (see `asking`),
are asked by an edge; `<hub>/status/<edge>` is told by it; `<edge>/write` is asked by the hub. The name
in the key is the one that access control compares with the certificate: it decides, not the one in
the head.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from baotu.sdk.errors import ConfigError, Malformed
from baotu.sdk.health import Health
from baotu.sdk.ports import Reply
from baotu.sdk.tag import Tag
from baotu.sdk.tags import Tags

ASKED = ("hello", "spans", "frames", "lost", "ask")  # by an edge, of its hub
TOLD = ("status",)  # by an edge, to its hub
ORDERED = ("write",)  # by the hub, of an edge
NONE = 2**64 - 1
TAGS = 5_000  # of one part of a tag table
MOST_TABLE = 64 << 20  # bytes of one part unpacked
_FRAMES = struct.Struct("<32sQQ?")
_HELLO = struct.Struct("<32sQII")
_SPAN = struct.Struct("<QQ")


class Answer(IntEnum):
    """The hub's word on a message of frames or tags."""

    TAKEN = 1  # in history, durably: never send it again
    REFUSED = 2  # does not follow what is there: ask for the spans
    HELLO = 3  # the tags are not known: send the tag table first
    LATER = 4  # busy, or the disk is full: nothing was stored, try again

    def __bytes__(self) -> bytes:
        return bytes([self])


def answer_of(raw: bytes | None) -> Answer | None:
    """None: nobody answered, or in a way we do not know."""
    try:
        return Answer(raw[0]) if raw else None
    except ValueError:
        return None


def key(*parts: str) -> str:
    return "/".join(("baotu", *parts))


def speaker(spoken: str) -> str:
    """Which edge speaks, by the key of its message."""
    return spoken.rpartition("/")[2]


def same_name(said: str, spoken: str) -> None:
    """Raises Malformed when a head names another edge than the key of its message."""
    if said != speaker(spoken):
        raise Malformed(f"{speaker(spoken)} speaks in the name of {said}")


def check_name(name: str, what: str) -> str:
    """Names become parts of keys."""
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise ConfigError(f"{name!r} cannot name {what}", "[node] name", "letters, digits, - _ .")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesHead:
    """Beside the log bytes. log: id of the log. after: sequence the first record follows, None: a
    lane is opened. version: of the tag table the edge has announced. live: not from the backlog."""

    log: str
    after: int | None
    version: int
    live: bool
    edge: str

    def pack(self) -> bytes:
        after = NONE if self.after is None else self.after
        return _FRAMES.pack(self.log.encode(), after, self.version, self.live) + self.edge.encode()

    @classmethod
    def unpack(cls, raw: bytes) -> FramesHead:
        try:
            log, after, version, live = _FRAMES.unpack_from(raw)
            return cls(
                log=log.decode(), after=None if after == NONE else after, version=version,
                live=live, edge=raw[_FRAMES.size :].decode(),
            )  # fmt: skip
        except (struct.error, UnicodeDecodeError) as error:
            raise Malformed(f"head of frames: {error}", raw) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloHead:
    """Part `part` of `parts` of the tag table `version` of an edge."""

    log: str
    version: int
    part: int
    parts: int
    edge: str

    def pack(self) -> bytes:
        numbers = (self.version, self.part, self.parts)
        return _HELLO.pack(self.log.encode(), *numbers) + self.edge.encode()

    @classmethod
    def unpack(cls, raw: bytes) -> HelloHead:
        try:
            log, version, part, parts = _HELLO.unpack_from(raw)
            edge = raw[_HELLO.size :].decode()
            return cls(log=log.decode(), version=version, part=part, parts=parts, edge=edge)
        except (struct.error, UnicodeDecodeError) as error:
            raise Malformed(f"head of a tag table: {error}", raw) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Frames first … last of a log will never come."""

    edge: str
    log: str
    first: int
    last: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAsked:
    """Set this tag of the edge within `within_s` seconds of arrival: clocks may differ."""

    tag: int
    value: float | str
    within_s: float


def pack_table(tags: Sequence[Tag]) -> tuple[int, list[bytes]]:
    """(version, parts): the version is the same for the same rows."""
    check, parts = 0, []
    for at in range(0, len(tags) or 1, TAGS):
        plain = msgspec.json.encode(list(tags[at : at + TAGS]))
        check = zlib.crc32(plain, check)
        parts.append(zlib.compress(plain, 1))
    return check << 24 | len(tags), parts


def unpack_table(raw: bytes) -> Tags:
    return Tags.of(_decoded(raw, list[Tag]))


def pack_healths(healths: Sequence[Health]) -> bytes:
    return zlib.compress(msgspec.json.encode(list(healths)), 1)


def unpack_healths(raw: bytes) -> list[Health]:
    return _decoded(raw, list[Health])


def pack_spans(spans: Sequence[tuple[int, int]]) -> bytes:
    return b"".join(_SPAN.pack(*span) for span in spans)


def unpack_spans(raw: bytes) -> list[tuple[int, int]]:
    return [_SPAN.unpack_from(raw, at) for at in range(0, len(raw) // 16 * 16, 16)]


def pack(value: Lost | WriteAsked | Reply) -> bytes:
    return msgspec.json.encode(value)


def unpack(raw: bytes, kind: type) -> object:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise Malformed(f"{kind.__name__}: {error}", raw) from error


def _decoded(raw: bytes, kind: object) -> list:
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(raw, MOST_TABLE)
        if not unpacker.eof:
            raise ValueError("cut short, or too large when unpacked")
        return msgspec.json.decode(plain, type=kind)
    except (zlib.error, ValueError) as error:  # msgspec.DecodeError is a ValueError
        raise Malformed(str(error), raw) from error

"""Just enough DER for signed messages: one-byte tags, definite lengths. Pure."""

from __future__ import annotations

from dataclasses import dataclass

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31


@dataclass(frozen=True, slots=True)
class Node:
    """tag; body: what is inside; whole: with tag and length."""

    tag: int
    body: bytes
    whole: bytes


def read(data: bytes) -> tuple[Node, bytes]:
    """The first value and what follows it. Raises ValueError."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("no DER")
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or len(data) < 2 + count:
            raise ValueError("no definite length")
        size, start = int.from_bytes(data[2 : 2 + count]), 2 + count
    if len(data) < start + size:
        raise ValueError("cut short")
    end = start + size
    return Node(data[0], data[start:end], data[:end]), data[end:]


def only(data: bytes, tag: int) -> Node:
    """One value of this tag and nothing behind it."""
    node, rest = read(data)
    if rest or node.tag != tag:
        raise ValueError("another value is wanted")
    return node


def items(data: bytes) -> list[Node]:
    """All values inside."""
    found: list[Node] = []
    while data:
        node, data = read(data)
        found.append(node)
    return found


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(size))) + size + body


def set_of(*parts: bytes) -> bytes:
    """A SET OF as DER wants it: sorted."""
    return tlv(SET, *sorted(parts))

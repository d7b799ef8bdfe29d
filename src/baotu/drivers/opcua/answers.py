"""What a server answers, read with `wire`: publications, histories, references, attributes.

Each function takes a whole response body, type id included, and raises Malformed for nonsense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from baotu.sdk import Malformed

from .wire import Columns, Fallback, Publication, Reader

# Ids of the binary encodings (OPC 10000-6, NodeIds.csv)
DATA_CHANGE, STATUS_CHANGE, HISTORY_DATA = "i=811", "i=820", "i=658"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HistoryPart:
    """What one node of a HistoryRead gave. more: the continuation point, empty at the end."""

    status: int
    more: bytes
    numbers: Columns
    texts: Columns


class Reference(NamedTuple):
    """One ReferenceDescription of a Browse, of the node with this index in the request.

    A tuple, because the garbage collector leaves tuples of plain values alone: a hundred
    thousand of them as objects cost pauses of a tenth of a second.
    """

    node: int
    type: str
    target: str
    name: str
    node_class: int
    definition: str


class PageEnd(NamedTuple):
    """The references of a node end here; `more` is the continuation point."""

    node: int
    status: int
    more: bytes


@contextmanager
def _honest(reader: Reader) -> Iterator[None]:
    try:
        yield
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise Malformed(f"OPC UA: {error} (at byte {reader.at})", reader.data) from error
    if reader.at > len(reader.data):
        raise reader.bad("the answer ends too early")


def decode_publish(frame: bytes, fallback: Fallback | None = None) -> Publication:
    """The data changes of a PublishResponse as columns, in the order the server sent them."""
    reader = Reader(data=frame, fallback=fallback)
    with _honest(reader):
        reader.header()
        subscription = reader.u4()
        available = [reader.u4() for _ in range(reader.count(4))]
        more = bool(reader.u1())
        sequence = reader.u4()
        reader.i8()  # publish time
        told = Publication(
            subscription=subscription, sequence=sequence, more=more, available=available,
            numbers=Columns.none(), texts=Columns.none(text=True),
        )  # fmt: skip
        for _ in range(reader.count(3)):
            told.data = True
            _notification(reader, told)
    return told


def _notification(reader: Reader, told: Publication) -> None:
    name, end = reader.extension()
    if name == DATA_CHANGE:
        numbers, texts = reader.items(reader.count(5), lead=4)
        told.numbers, told.texts = told.numbers + numbers, told.texts + texts
        if reader.at > end:
            raise reader.bad("a notification runs past its length")
    elif name == STATUS_CHANGE:
        told.changed = reader.u4()
    reader.at = end  # events and diagnostics are not ours


def decode_history(frame: bytes, fallback: Fallback | None = None) -> list[HistoryPart]:
    """One part for each node of a HistoryRead of raw data (OPC 10000-11, 6.4.3)."""
    reader = Reader(data=frame, fallback=fallback)
    parts = []
    with _honest(reader):
        reader.header()
        for _ in range(reader.count(11)):
            status, more = reader.u4(), reader.raw() or b""
            name, end = reader.extension()
            numbers, texts = Columns.none(), Columns.none(text=True)
            if name == HISTORY_DATA:
                numbers, texts = reader.items(reader.count(1), lead=0)
                if reader.at > end:
                    raise reader.bad("history data run past their length")
            reader.at = end
            parts.append(HistoryPart(status=status, more=more, numbers=numbers, texts=texts))
    return parts


def references(frame: bytes) -> Iterator[Reference | PageEnd]:
    """The references of a Browse or BrowseNext as they are read, so that a caller of a server
    that ignores page sizes can pause in between; each node ends with its PageEnd."""
    reader = Reader(data=frame)
    with _honest(reader):
        reader.header()
        for node in range(reader.count(12)):
            status, more = reader.u4(), reader.raw() or b""
            for _ in range(reader.count(10)):
                yield _reference(reader, node)
            yield PageEnd(node, status, more)


def _reference(reader: Reader, node: int) -> Reference:
    kind = reader.node_id()
    reader.u1()  # forward
    target = reader.node_id()
    reader.at += 2  # namespace of the browse name
    browse_name = reader.text()
    name = reader.localized() or browse_name
    return Reference(node, kind, target, name, reader.i4(), reader.node_id())


def decode_values(frame: bytes, fallback: Fallback | None = None) -> list[tuple[object, int]]:
    """(value, status) of each attribute of a Read, in the order asked."""
    reader = Reader(data=frame, fallback=fallback)
    found = []
    with _honest(reader):
        reader.header()
        for _ in range(reader.count(1)):
            value, status, _time = reader.data_value()
            found.append((value, status))
    return found

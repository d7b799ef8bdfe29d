"""An edge node as a state machine: tags and samples in, births and data out. No socket in here.

Sparkplug 3.0, 5.4 to 5.12: sequence numbers, births before data, report by exception, commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from baotu.sdk import Quality, Samples, Tag

from . import codec
from .datatypes import ROWS, DataType, value_of
from .memory import NEVER, Memory
from .topics import BDSEQ, REBIRTH, Scope, parse_topic

Message = tuple[str, bytes]
MS = 1_000_000
GOOD, BAD, STALE = 192, 0, 500  # Sparkplug's property "Quality"
_TYPES = {"number": DataType.DOUBLE, "boolean": DataType.BOOLEAN, "text": DataType.STRING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Who this node is. devices: "asset" makes each asset a device, "none" keeps all in the node.

    types: "always" repeats the data type in data messages, which the standard does not ask for
    and many receivers need; "births" leaves it out. unchanged: "drop" or "send" equal values.
    most: metrics of one data message at most.
    """

    group: str
    node: str
    devices: str = "asset"
    types: str = "always"
    unchanged: str = "drop"
    most: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A command: set this tag."""

    tag: int
    value: float | str


class EdgeNode:
    """One for each connection. Aliases are the tag numbers, which never change."""

    def __init__(self, shape: Shape, tags: Sequence[Tag], bdseq: int) -> None:
        self.shape, self.bdseq = shape, bdseq
        self.own = Scope(shape.group, shape.node)
        self.rebirth_wanted = False
        self._seq = 0
        self._told = np.zeros(0, "i8")  # by tag: the time of the value that the first birth told
        self.set_tags(tags)

    def set_tags(self, tags: Sequence[Tag]) -> None:
        """Another tag table; births must follow."""
        self.tags = {tag.id: tag for tag in tags}
        top = max(self.tags, default=0) + 1
        self._scopes, self._unit_of = self._units(tags, top)
        self._now, self._past = Memory(top), Memory(top)
        self._told = np.r_[self._told, np.full(top, NEVER)][: max(top, len(self._told))]
        self._heads = {tag.id: b"\x10" + codec.number(tag.id) for tag in tags}
        self._names = {(self._scope_of(tag), self._name(tag)): tag.id for tag in tags}

    def _units(self, tags: Sequence[Tag], top: int) -> tuple[list[Scope], np.ndarray]:
        """The scopes, the node's own first, and for each tag the index of its scope; -1 unknown."""
        scopes, index = [self.own], np.full(top, -1, "i4")
        places: dict[str, int] = {}
        taken: set[str] = set()
        for tag in tags:
            if self.shape.devices == "none":
                index[tag.id] = 0
                continue
            if tag.asset not in places:
                places[tag.asset] = len(scopes)
                device = _device_id(tag.asset, taken)
                scopes.append(Scope(self.shape.group, self.shape.node, device))
            index[tag.id] = places[tag.asset]
        return scopes, index

    def _scope_of(self, tag: Tag) -> Scope:
        return self._scopes[self._unit_of[tag.id]]

    def _name(self, tag: Tag) -> str:
        return tag.name if self.shape.devices == "none" else tag.property

    # ------------------------------------------------------------------ births and deaths
    def death(self, now_ms: int) -> Message:
        """NDEATH: the will of the connection, and the farewell. It has no sequence number."""
        one = codec.metric(name=BDSEQ, datatype=4, value=codec.scalar(11, self.bdseq))
        return self.own.topic("DEATH"), codec.encode(timestamp=now_ms, metrics=[one])

    def births(self, latest: Sequence[Samples], now_ms: int) -> Iterator[Message]:
        """NBIRTH, then one DBIRTH for each device, with the newest value of every metric."""
        self._seq, self.rebirth_wanted = 0, False
        for samples in latest:
            self._now.keep(samples)
        first = self._told[: len(self._now.time)] == NEVER
        self._told[: len(first)][first] = self._now.time[first]
        # tck-id-payloads-nbirth-bdseq, tck-id-payloads-nbirth-rebirth-req
        session = [
            codec.metric(name=BDSEQ, time=now_ms, datatype=4, value=codec.scalar(11, self.bdseq)),
            codec.metric(name=REBIRTH, time=now_ms, datatype=11, value=codec.scalar(14, False)),
        ]
        members: list[list[int]] = [[] for _ in self._scopes]
        for id in self.tags:
            members[self._unit_of[id]].append(id)
        for unit, scope in enumerate(self._scopes):
            ids = sorted(members[unit], key=lambda id: int(self._now.time[id]))
            metrics = [self._born(self.tags[id], now_ms) for id in ids]
            yield self._message(scope, "BIRTH", metrics if unit else session + metrics, now_ms)

    def _born(self, tag: Tag, now_ms: int) -> bytes:
        kind = _TYPES[tag.kind]
        told: dict[str, tuple[int, codec.Scalar]] = {}
        if tag.unit:
            told["engUnit"] = (DataType.STRING, tag.unit)
        quality = int(self._now.quality[tag.id])
        told["Quality"] = (DataType.INT32, _code(quality))
        self._now.turned(tag.id, quality)
        told["readOnly"] = (DataType.BOOLEAN, not tag.writable)
        known = self._now
        value = known.text.get(tag.id) if tag.kind == "text" else float(known.value[tag.id])
        empty = value is None or value != value
        seen = int(known.time[tag.id])
        return codec.metric(
            name=self._name(tag),
            alias=tag.id,
            time=now_ms if seen < 0 else seen // MS,
            datatype=kind,
            flags=codec.NULL if empty else 0,
            properties=codec.properties(told),
            value=b"" if empty else codec.scalar(ROWS[kind].field, value),
        )

    # ------------------------------------------------------------------ data
    def data(self, samples: Samples, now_ms: int) -> Iterator[Message]:
        """DATA messages of what changed; samples of tags never born ask for a rebirth."""
        samples, strange = self._own(samples)
        self.rebirth_wanted |= strange
        late = samples.time < self._now.time[samples.tag]
        yield from self._told_of(self._now, samples, late, now_ms)

    def past(self, samples: Samples, now_ms: int) -> Iterator[Message]:
        """DATA messages of what was acquired while nobody listened, marked is_historical: they
        are no present value (tck-id-payloads-metric-is-historical…). What a birth of this
        connection has told is not told again, and the present is not touched."""
        samples, _ = self._own(samples)
        samples = samples.where(samples.time != self._told[samples.tag])
        yield from self._told_of(self._past, samples, np.ones(len(samples), bool), now_ms)

    def _own(self, samples: Samples) -> tuple[Samples, bool]:
        """Those of known tags, and whether there were others."""
        known = samples.tag < len(self._unit_of)
        known[known] &= self._unit_of[samples.tag[known]] >= 0
        return (samples, False) if known.all() else (samples.where(known), True)

    def _told_of(
        self, memory: Memory, samples: Samples, late: np.ndarray, now_ms: int
    ) -> Iterator[Message]:
        every = self.shape.unchanged == "send" or not len(samples)
        fresh = np.ones(len(samples), bool) if every else memory.changed(samples)
        memory.keep(samples)
        # tck-id-operational-behavior-data-publish-dbirth-order: chronological in each message
        chosen = np.flatnonzero(fresh)
        units = self._unit_of[samples.tag[chosen]]
        order = chosen[np.lexsort((samples.time[chosen], units))]
        units = self._unit_of[samples.tag[order]]
        cuts = np.flatnonzero(np.diff(units)) + 1
        for part in np.split(order, cuts):
            for i in range(0, len(part), self.shape.most):
                rows = part[i : i + self.shape.most]
                scope = self._scopes[self._unit_of[samples.tag[rows[0]]]]
                metrics = self._metrics(samples.where(rows), late[rows], memory)
                yield self._message(scope, "DATA", metrics, now_ms)

    def _metrics(self, samples: Samples, late: np.ndarray, memory: Memory) -> list[bytes]:
        heads, typed = self._heads, self.shape.types == "always"
        out: list[bytes] = []
        stamp, stamp_bytes = -1, b""
        for id, time, value, quality, old in zip(
            samples.tag.tolist(), (samples.time // MS).tolist(), samples.value.tolist(),
            samples.quality.tolist(), late.tolist(), strict=True,
        ):  # fmt: skip
            if time != stamp:
                stamp, stamp_bytes = time, b"\x18" + codec.number(max(0, time))
            kind = _TYPES[self.tags[id].kind]
            parts = [heads[id], stamp_bytes]
            if typed:
                parts.append(bytes((0x20, kind)))
            if old:
                parts.append(b"\x28\x01")
            if value is None or value != value:
                parts.append(b"\x38\x01")
            if (quality >= Quality.UNCERTAIN or memory.bad) and memory.turned(id, quality):
                told = codec.properties({"Quality": (DataType.INT32, _code(quality))})
                parts += [b"\x4a", codec.number(len(told)), told]
            if value is not None and value == value:
                parts.append(codec.scalar(ROWS[kind].field, value))
            body = b"".join(parts)
            out.append(b"\x12" + codec.number(len(body)) + body)
        return out

    def _message(self, scope: Scope, verb: str, metrics: list[bytes], now_ms: int) -> Message:
        seq, self._seq = self._seq, self._seq + 1 & 0xFF
        return scope.topic(verb), codec.encode(timestamp=now_ms, metrics=metrics, seq=seq)

    # ------------------------------------------------------------------ commands
    def command(self, topic: str, data: bytes) -> list[Wish]:
        """What an NCMD or DCMD asks; a rebirth is noted in `rebirth_wanted`. Raises Malformed."""
        found = parse_topic(topic)
        if found is None or found[0] not in ("NCMD", "DCMD") or found[1].owner != self.own:
            return []
        payload = codec.decode(data, 1 << 20)
        wishes: list[Wish] = []
        for i, name in enumerate(payload.name):
            value = value_of(payload.value[i], payload.datatype[i] or DataType.DOUBLE)
            if name == REBIRTH.encode():
                self.rebirth_wanted |= bool(value)
                continue
            text = (name or b"").decode("utf-8", "replace")
            id = self._names.get((found[1], text)) if name else payload.alias[i]
            tag = self.tags.get(-1 if id is None else id)
            if tag is None or value is None or not tag.writable:
                continue
            if isinstance(value, str) is (tag.kind == "text"):
                wishes.append(Wish(tag=tag.id, value=value))
        return wishes


def _code(quality: int) -> int:
    return GOOD if quality < Quality.UNCERTAIN else STALE if quality < Quality.BAD else BAD


def _device_id(asset: str, taken: set[str]) -> str:
    """A device id from an asset path: topics part at "/" and know "+" and "#"."""
    plain = "".join("." if c == "/" else "_" if c in "+#" else c for c in asset) or "device"
    name, n = plain, 1
    while name in taken:
        n += 1
        name = f"{plain}~{n}"
    taken.add(name)
    return name

"""A Sparkplug host application as a state machine: messages in; samples, marks, commands out.

It never touches a socket: the session feeds `receive` and sends what `commands` gives back.
Sparkplug 3.0, chapter 5 "Operational Behavior"; assertion ids (tck-id-…) stand where a rule lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baotu.sdk import Line, Malformed, Quality, Refused, Tag, Unreachable

from . import codec
from .births import Metric, declare
from .collect import Collector
from .datatypes import LONG_FIELD, ROWS, DataType, raw
from .nodes import Node, Unit
from .topics import BDSEQ, REBIRTH, Scope, parse_address, parse_topic

Message = tuple[str, bytes]
MOST_NODES = 20_000  # edge nodes known at once; more are counted, not read
MOST_TOPICS = 100_000  # whose parts are remembered
TICK_S = 0.1  # how fine the host's own deadlines are


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a host behaves. reorder_s: how long a missing message is waited for, 0: not at all.

    rebirth: "ask" an edge node to be born again when its state is not known, or "never".
    rebirth_s: first pause between two such requests to one node; it doubles up to a minute.
    births_s: how long after a node's birth its devices may take to follow.
    """

    reorder_s: float = 0.0
    rebirth: str = "ask"
    rebirth_s: float = 5.0
    births_s: float = 10.0
    payload_limit: int = codec.LIMIT


class Host:
    """One for each session. Seconds are monotonic, given by the caller; times of samples ns UTC."""

    def __init__(self, line: Line, tags: Sequence[Tag], rules: Rules | None = None) -> None:
        self.line, self.rules = line, rules or Rules()
        self.nodes: dict[Scope, Node] = {}
        self.counts: dict[str, int] = dict.fromkeys(
            ("messages", "metrics", "malformed", "gaps", "rebirths", "unknown", "skipped"), 0
        )
        self.collector = Collector(line, self.counts)
        self._commands: list[Message] = []
        self._restless: set[Node] = set()  # nodes for which time matters
        self._tick_at = 0.0
        self._topics: dict[str, tuple[str, Scope]] = {}
        self._metrics: dict[int, tuple[Unit, Metric]] = {}
        for tag in tags:
            scope, _ = parse_address(tag)
            self._node(scope.owner).unit(scope).wanted.add(tag.id)

    def start(self, now: float) -> None:
        """The session stands. Nodes of configured tags are asked to introduce themselves soon:
        births are not retained, so a host that comes later has missed them."""
        for node in self.nodes.values():
            self._want_birth(node, now + 0.2)
            node.devices_until = now + self.rules.births_s

    def receive(self, messages: Sequence[Message], now: float) -> None:
        """Take messages in their order, then give what they hold to the line as one."""
        for topic, data in messages:
            found = self._topics.get(topic) or self._read_topic(topic)
            if found is None:
                continue
            self.counts["messages"] += 1
            verb, scope = found
            try:
                payload = codec.decode(data, self.rules.payload_limit)
            except Malformed:
                self.counts["malformed"] += 1
                continue
            self._take(verb, scope, payload, now)
        if now >= self._tick_at or self._commands:
            self.tick(now)
        self.collector.flush()

    def tick(self, now: float) -> None:
        """What time brings: a missing message that does not come, a request to repeat."""
        self._tick_at = now + TICK_S
        for node in list(self._restless):
            if node.held and now >= node.give_up:
                self._lose_order(node, now)
            if node.devices_until and now >= node.devices_until:
                node.devices_until = 0.0
                for unit in node.units.values():
                    if not unit.online:
                        self._mark(unit)
            if node.ask_at is not None and now >= node.ask_at and self.rules.rebirth == "ask":
                node.asked(now)
                self._ask_rebirth(node)
            if not node.held and not node.devices_until and node.ask_at is None:
                self._restless.discard(node)

    def commands(self) -> list[Message]:
        """Topics and payloads to publish now (QoS 0, not retained); given once."""
        out, self._commands = self._commands, []
        return out

    def groups(self) -> list[str]:
        return sorted({scope.group for scope in self.nodes})

    def online(self) -> int:
        return sum(node.online for node in self.nodes.values())

    # ------------------------------------------------------------------ messages
    def _take(self, verb: str, scope: Scope, payload: codec.Payload, now: float) -> None:
        node = self.nodes.get(scope.owner)
        if node is None:
            if len(self.nodes) >= MOST_NODES:
                self.counts["unknown"] += 1
                return
            node = self._node(scope.owner)
        if verb == "NBIRTH":
            self._node_birth(node, scope, payload, now)
        elif verb == "NDEATH":
            self._node_death(node, payload)
        elif verb in ("DBIRTH", "DDEATH", "NDATA", "DDATA"):
            if not node.online:
                self._want_birth(node, now)  # data before birth
                self.counts["unknown"] += 1
            elif node.expected < 0 or payload.seq < 0 or payload.seq == node.expected:
                self._in_order(node, verb, scope, payload, now)
                self._release(node, now)
            else:
                self._out_of_order(node, verb, scope, payload, now)

    def _in_order(
        self, node: Node, verb: str, scope: Scope, payload: codec.Payload, now: float
    ) -> None:
        if payload.seq >= 0:
            node.expected = payload.seq + 1 & 0xFF
        if verb == "DBIRTH":
            self._born(node, node.unit(scope), payload)
        elif verb == "DDEATH":
            unit = node.unit(scope)
            unit.online = False
            self._mark(unit)
        else:
            self._data(node, scope, payload, now)

    def _data(self, node: Node, scope: Scope, payload: codec.Payload, now: float) -> None:
        unit = node.units.get(scope)
        if unit is None or not unit.online:
            self._want_birth(node, now)
            self.counts["unknown"] += 1
            return
        floor = Quality.UNCERTAIN_LAST_USABLE if node.doubtful else Quality.GOOD
        unknown = self.collector.take(unit, payload, floor)
        if unknown:
            self.counts["unknown"] += unknown
            self._want_birth(node, now)

    def _out_of_order(
        self, node: Node, verb: str, scope: Scope, payload: codec.Payload, now: float
    ) -> None:
        # tck-id-operational-behavior-host-reordering-start
        if node.doubtful:  # already waiting to be born again: take what comes
            node.expected = payload.seq
            self._in_order(node, verb, scope, payload, now)
            return
        if not node.held:
            node.give_up = now + self.rules.reorder_s
            self._restless.add(node)
        node.held[payload.seq] = (verb, scope, payload)
        if self.rules.reorder_s <= 0:
            self._lose_order(node, now)

    def _release(self, node: Node, now: float) -> None:
        """tck-id-operational-behavior-host-reordering-success: the missing one has come."""
        while node.expected in node.held:
            verb, scope, payload = node.held.pop(node.expected)
            self._in_order(node, verb, scope, payload, now)

    def _lose_order(self, node: Node, now: float) -> None:
        """tck-id-operational-behavior-host-reordering-rebirth: a message is lost. What came after
        is kept, as uncertain: the lost one may have been a birth that gave the aliases anew."""
        self.counts["gaps"] += 1
        node.doubtful = self.rules.rebirth == "ask"
        self._want_birth(node, now)
        held, node.held = node.held, {}
        for seq in sorted(held, key=lambda seq: seq - node.expected & 0xFF):
            verb, scope, payload = held[seq]
            self._in_order(node, verb, scope, payload, now)

    # ------------------------------------------------------------------ births and deaths
    def _node_birth(self, node: Node, scope: Scope, payload: codec.Payload, now: float) -> None:
        if node.held:
            self._lose_order(node, now)
        node.born(payload.seq, _bdseq(payload), now, self.rules.births_s)
        self._restless.add(node)
        self._born(node, node.unit(scope), payload)

    def _born(self, node: Node, unit: Unit, payload: codec.Payload) -> None:
        self.collector.flush()
        gone = unit.tag_ids()
        for tag in gone:
            self._metrics.pop(tag, None)
        metrics = declare(self.line, unit.scope, payload, self.counts)
        unit.born(metrics)
        self._metrics.update((m.tag.id, (unit, m)) for m in metrics if m.tag.id >= 0)
        missing = (gone | unit.wanted) - unit.tag_ids()
        misfits = {m.tag.id for m in metrics if m.tag.id >= 0 and not m.fits}
        for ids, quality in (
            (missing, Quality.BAD_ADDRESS_UNKNOWN),
            (misfits, Quality.BAD_CONFIGURATION),
        ):
            if ids:
                self.line.mark(np.array(sorted(ids), "i4"), quality)
        self.collector.take(unit, payload, Quality.GOOD)

    def _node_death(self, node: Node, payload: codec.Payload) -> None:
        # tck-id-payloads-ndeath-bdseq: a late will of an earlier session kills nobody
        bdseq = _bdseq(payload)
        if not node.online or (bdseq >= 0 and node.bdseq >= 0 and bdseq != node.bdseq):
            return
        node.die()
        for unit in node.units.values():
            self._mark(unit)

    def _mark(self, unit: Unit) -> None:
        tags = sorted(unit.tag_ids() | unit.wanted)
        if tags:
            self.collector.flush()
            self.line.mark(np.array(tags, "i4"), Quality.BAD_NOT_CONNECTED)

    # ------------------------------------------------------------------ commands
    def _want_birth(self, node: Node, now: float) -> None:
        node.want_birth(now, self.rules.rebirth_s)
        self._restless.add(node)

    def _ask_rebirth(self, node: Node) -> None:
        # tck-id-operational-behavior-data-commands-ncmd-rebirth-verb, -name, -value
        self.counts["rebirths"] += 1
        stamp = self.line.now() // 1_000_000
        one = codec.metric(name=REBIRTH, time=stamp, datatype=11, value=codec.scalar(14, True))
        self._commands.append(
            (node.scope.topic("CMD"), codec.encode(timestamp=stamp, metrics=[one]))
        )

    def write_command(self, tag: Tag, value: float | str) -> Message:
        """The NCMD or DCMD that sets a metric. Raises Unreachable, Invalid, Refused."""
        scope, name = parse_address(tag)
        found = self._metrics.get(tag.id)
        if found is None:
            if (node := self.nodes.get(scope.owner)) and node.unit(scope).online:
                raise Refused(f"{scope} has no metric {name!r}; see its birth message")
            raise Unreachable(f"{scope} has not been born; its write waits for nobody")
        unit, metric = found
        if not unit.online:
            raise Unreachable(f"{scope} is offline (its death message came); try when it is back")
        set_to = raw(value, metric.datatype, f"{scope} {name}")
        stamp = self.line.now() // 1_000_000
        # tck-id-payloads-alias-data-cmd-requirement: by alias alone where the birth gave one
        one = codec.metric(
            name=name if metric.alias < 0 else "",
            alias=metric.alias,
            time=stamp,
            datatype=metric.datatype,
            value=codec.scalar(_field(metric), set_to),
        )
        return scope.topic("CMD"), codec.encode(timestamp=stamp, metrics=[one])

    def _read_topic(self, topic: str) -> tuple[str, Scope] | None:
        found = parse_topic(topic)
        if found is not None and len(self._topics) < MOST_TOPICS:
            self._topics[topic] = found
        return found

    def _node(self, scope: Scope) -> Node:
        node = self.nodes.get(scope)
        if node is None:
            node = self.nodes[scope] = Node(scope)
        return node


def _field(metric: Metric) -> int:
    """Where the value goes: as the peer sent it in its birth (some keep UInt32 in the long
    field and look nowhere else), else by the standard."""
    row = ROWS[DataType(metric.datatype)]
    return LONG_FIELD if row.bits and metric.long else row.field


def _bdseq(payload: codec.Payload) -> int:
    for i, name in enumerate(payload.name):
        if name == BDSEQ.encode():
            value = payload.value[i]
            return value & 0xFF if isinstance(value, int) else -1
    return -1

"""What was missed while a session was down: read from the server's history, before live samples.

While a tag's gap is being filled its live samples wait at the `Gate`, so each tag goes forward in
time. What a server does not keep stays missing: nothing is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from asyncua import ua

from baotu.sdk import Line, Malformed, Refused, Samples, Unreachable

from .answers import HistoryPart, decode_history, decode_values
from .columns import Handles
from .link import Link
from .status import name_of, reaching
from .values import fallback
from .watch import Item

MOST_WAITING = 500_000  # live samples at the gate; more, and the gaps are given up
VALUES = 1000  # of a node in one answer
PACE = 200_000  # values per second at most, so that live samples of others keep flowing
AHEAD = timedelta(minutes=1)  # a server's clock may be ahead of ours
HISTORY_READ = 4  # bit of AccessLevel (OPC 10000-3, 8.57)


class Gate:
    """Lets samples pass to `deliver`, but those of waiting tags only after `open`."""

    def __init__(self, deliver: Callable[[Samples], None]) -> None:
        self._deliver = deliver
        self._waiting = np.empty(0, "i4")
        self._held: list[Samples] = []
        self.held = 0

    def close(self, tags: Sequence[int]) -> None:
        self._waiting = np.union1d(self._waiting, np.array(tags, "i4"))

    def take(self, samples: Samples) -> None:
        if not len(self._waiting):
            self._deliver(samples)
            return
        waits = np.isin(samples.tag, self._waiting)
        if waits.any():
            part = samples.where(waits)
            self._held.append(part)
            self.held += len(part)
            samples = samples.where(~waits)
        if len(samples):
            self._deliver(samples)
        if self.held > MOST_WAITING:
            self.open(self._waiting)

    def open(self, tags: np.ndarray, filled: dict[int, int] | None = None) -> None:
        """Deliver what waited for these tags; `filled`: time of the newest from history, ns."""
        self._waiting = np.setdiff1d(self._waiting, tags).astype("i4")
        held, self._held, self.held = self._held, [], 0
        for part in held:
            mine = np.isin(part.tag, tags)
            rest = part.where(~mine)
            if len(rest):
                self._held.append(rest)
                self.held += len(rest)
            part = _after(part.where(mine), filled or {})
            if len(part):
                self._deliver(part)

    def waits(self, tag: int) -> bool:
        return bool(np.isin(tag, self._waiting))


def _after(samples: Samples, filled: dict[int, int]) -> Samples:
    if not filled or not len(samples):
        return samples
    newest = np.array([filled.get(tag, -1) for tag in samples.tag.tolist()], "i8")
    return samples.where(samples.time > newest)


@dataclass(slots=True)
class _Node:
    item: Item
    since: int
    more: bytes = b""
    newest: int = -1


class Gaps:
    """Fills gaps of tags, some nodes in a request."""

    def __init__(self, link: Link, line: Line, handles: Handles, gate: Gate) -> None:
        self.link, self.line, self.handles, self.gate = link, line, handles, gate
        self.filled = self.without = 0

    def since(self, tags: Sequence[int]) -> dict[int, int]:
        """Tags that were read before → when, ns; the gate closes for them. Call before items
        are made, so that no live sample slips through."""
        if not self.link.settings.history:
            return {}
        limit = self.line.now() - round(self.link.settings.history_limit_h * 3600e9)
        known = {tag: self.line.last_time(tag) for tag in tags}
        found = {tag: max(when, limit) for tag, when in known.items() if when is not None}
        self.gate.close(list(found))
        return found

    async def fill(self, items: Sequence[Item], since: dict[int, int]) -> None:
        """Read the history of these items and let their live samples go."""
        nodes = [_Node(item, since[item.tag.id]) for item in items if item.tag.id in since]
        refused = np.setdiff1d(np.array(list(since), "i4"), [node.item.tag.id for node in nodes])
        self.gate.open(refused)
        size = self.link.limits.history
        for start in range(0, len(nodes), size):
            batch = nodes[start : start + size]
            try:
                await self._batch(await self._offering(batch))
            except (Refused, Malformed) as error:
                self.line.note(history=str(error))
            tags = np.array([node.item.tag.id for node in batch], "i4")
            self.gate.open(tags, {n.item.tag.id: n.newest for n in batch if n.newest >= 0})
            self.line.note(history_values=self.filled, without_history=self.without)

    def _id(self, item: Item) -> ua.NodeId:
        return item.address.node_id(self.link.namespaces, item.whole)

    async def _offering(self, nodes: list[_Node]) -> list[_Node]:
        """Those whose history may be read."""
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=self._id(node.item), AttributeId=ua.AttributeIds.UserAccessLevel)
            for node in nodes
        ]
        with reaching(self.link.where, "asking who keeps a history"):
            levels = decode_values(await self.link.ask(request))
            asked = list(zip(nodes, levels, strict=True))
        found = [
            node
            for node, (level, _) in asked
            if isinstance(level, int) and level & HISTORY_READ and self.gate.waits(node.item.tag.id)
        ]
        self.without += len(nodes) - len(found)
        return found

    async def _batch(self, nodes: list[_Node]) -> None:
        begin = min((node.since for node in nodes), default=0)
        end = datetime.fromtimestamp(self.line.now() / 1e9, UTC) + AHEAD
        while nodes:
            parts = decode_history(await self._read(nodes, begin, end), fallback)
            if len(parts) != len(nodes):
                raise Refused(f"{len(parts)} histories for {len(nodes)} nodes")
            count = 0
            left: list[_Node] = []
            for node, part in zip(nodes, parts, strict=True):
                came = self._deliver(node, part)
                count += came
                # some servers use one point for all pages: only a page without news is the end
                if part.more and (came or part.more != node.more):
                    node.more = part.more
                    left.append(node)
            self.filled += count
            nodes = left
            await asyncio.sleep(count / PACE)

    def _deliver(self, node: _Node, part: HistoryPart) -> int:
        if part.status >> 31:
            self.without += 1
            self.line.note(history=f"{node.item.tag.address}: {name_of(part.status)}")
            return 0
        handle = node.item.handle
        part.numbers.handle[:] = handle
        part.texts.handle[:] = handle
        count = 0
        for samples in self.handles.samples(part.numbers, part.texts, self.line.now()):
            newer = samples.where(samples.time > max(node.since, node.newest))
            if len(newer):
                node.newest = int(newer.time.max())
                self.line.deliver(newer)
                count += len(newer)
        return count

    async def _read(self, nodes: list[_Node], begin: int, end: datetime) -> bytes:
        details = ua.ReadRawModifiedDetails()
        details.IsReadModified = False
        details.StartTime = datetime.fromtimestamp(begin / 1e9, UTC)
        details.EndTime = end
        details.NumValuesPerNode = VALUES
        details.ReturnBounds = False
        request = ua.HistoryReadRequest()
        asked = request.Parameters
        asked.HistoryReadDetails = details
        asked.TimestampsToReturn = ua.TimestampsToReturn.Both
        asked.ReleaseContinuationPoints = False
        asked.NodesToRead = [
            ua.HistoryReadValueId(
                NodeId=self._id(node.item),
                IndexRange="" if node.item.whole else node.item.address.index,
                ContinuationPoint=node.more or None,
            )
            for node in nodes
        ]
        try:
            return await self.link.ask(request)
        except Unreachable as error:
            cause = error.__cause__
            if isinstance(cause, ua.UaStatusCodeError) and cause.code in _NO_HISTORY:
                raise Refused(f"no history: {name_of(cause.code)}", cause.code) from error
            raise


_NO_HISTORY = frozenset(
    (
        ua.StatusCodes.BadServiceUnsupported,
        ua.StatusCodes.BadHistoryOperationUnsupported,
        ua.StatusCodes.BadHistoryOperationInvalid,
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadNotImplemented,
        ua.StatusCodes.BadNotSupported,
    )
)

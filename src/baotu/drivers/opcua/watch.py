"""Subscriptions: which items a server watches for us, and the publications it sends.

One subscription for each period; items are made in batches and may be refused one by one; one
publication becomes one delivery. Keeps publish requests under way so that a server never waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from asyncua import ua

from baotu.sdk import Line, Malformed, Samples, Tag, Unreachable

from .address import Address, parse_tag
from .answers import decode_publish
from .columns import Handles
from .link import Link
from .status import name_of, quality_of, reaching
from .values import fallback

ASKED = 2  # publish requests under way beside one for each subscription
MOST_IN_ONE = 20_000  # notifications in one publication: bounds its size and its decoding
TRIGGERS = {
    "status": ua.DataChangeTrigger.Status,
    "value": ua.DataChangeTrigger.StatusValue,
    "timestamp": ua.DataChangeTrigger.StatusValueTimestamp,
}
DEADBANDS = {"none": 0, "absolute": 1, "percent": 2}
_NO_FILTER = (
    "BadMonitoredItemFilterUnsupported", "BadFilterNotAllowed", "BadDeadbandFilterInvalid",
    "BadMonitoredItemFilterInvalid",
)  # fmt: skip
_NO_INDEX = ("BadNodeIdUnknown", "BadNodeIdInvalid", "BadIndexRangeInvalid")


@dataclass(slots=True, kw_only=True)
class Item:
    """A tag on its way to be watched. whole: its brackets belong to the node id."""

    tag: Tag
    address: Address
    handle: int
    whole: bool = False
    filtered: bool = True


Take = Callable[[Samples], None]


class Watch:
    """All subscriptions of one session. `take` gets what was published, in order."""

    def __init__(self, link: Link, line: Line, take: Take) -> None:
        self.link, self.line, self.take = link, line, take
        self.settings = link.settings
        self.handles = Handles()
        self.items: dict[int, Item] = {}  # by tag: those that the server watches
        self.refusals: dict[str, int] = {}
        self.changes = self.malformed = 0
        self._subscriptions: dict[float, int] = {}  # period → id
        self._sequence: dict[int, int] = {}  # by subscription: the last one taken
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []
        self._started = asyncio.Event()
        self._most = 100  # publish requests the server takes; lowered when it complains

    async def add(self, tags: Sequence[Tag]) -> list[Item]:
        """Watch these tags; those the server accepted. The others are marked."""
        accepted: list[Item] = []
        for period in sorted({tag.period_s for tag in tags}):
            group = [tag for tag in tags if tag.period_s == period]
            subscription = await self._subscription(period)
            for batch in cut(group, self.link.limits.items):
                accepted += await self._create(subscription, self._items(batch))
                self.note()
        return accepted

    def _items(self, tags: Sequence[Tag]) -> list[Item]:
        handles = self.handles.add([tag.id for tag in tags], [tag.kind for tag in tags])
        return [
            Item(tag=tag, address=parse_tag(tag), handle=handle)
            for tag, handle in zip(tags, handles, strict=True)
        ]

    async def _subscription(self, period: float) -> int:
        known = self._subscriptions.get(period)
        if known is not None:
            return known
        interval = self.settings.publish_s or period
        alive = max(1, round(self.settings.keepalive_s / max(interval, 0.01)))
        request = ua.CreateSubscriptionRequest()
        asked = request.Parameters
        asked.RequestedPublishingInterval = interval * 1000
        asked.RequestedMaxKeepAliveCount = alive
        asked.RequestedLifetimeCount = alive * 10
        asked.MaxNotificationsPerPublish = MOST_IN_ONE
        asked.PublishingEnabled = True
        with reaching(self.link.where, "subscribing"):
            answer = await self.link.client.uaclient.session._send_request(request)
            told = ua.ua_binary.struct_from_binary(ua.CreateSubscriptionResponse, answer)
            told.ResponseHeader.ServiceResult.check()
        number = int(told.Parameters.SubscriptionId)
        self._subscriptions[period] = number
        self._sequence[number] = 0
        self._started.set()
        return number

    async def _create(self, subscription: int, items: list[Item]) -> list[Item]:
        """Ask for items; ask again for those refused for a reason we can do without."""
        accepted, left = [], items
        while left:
            codes = await self._ask(subscription, left)
            again: list[Item] = []
            for item, code in zip(left, codes, strict=True):
                if not code >> 31:
                    accepted.append(item)
                    self.items[item.tag.id] = item
                elif item.address.index and not item.whole and name_of(code) in _NO_INDEX:
                    item.whole = True
                    again.append(item)
                elif item.filtered and name_of(code) in _NO_FILTER:
                    item.filtered = False
                    again.append(item)
                else:
                    self._refuse(item, code)
            left = again
        return accepted

    def _refuse(self, item: Item, code: int) -> None:
        name = name_of(code)
        self.refusals[name] = self.refusals.get(name, 0) + 1
        self.line.mark(np.array([item.tag.id], "i4"), quality_of(code))

    async def _ask(self, subscription: int, items: list[Item]) -> list[int]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        codes = [0] * len(items)
        asked = []
        for place, item in enumerate(items):
            try:
                node = item.address.node_id(self.link.namespaces, item.whole)
            except (ValueError, ua.UaError):
                codes[place] = ua.StatusCodes.BadNodeIdUnknown
                continue
            asked.append(place)
            request.Parameters.ItemsToCreate.append(self._item(item, node))
        if not asked:
            return codes
        with reaching(self.link.where, "watching items"):
            answer = await self.link.client.uaclient.session._send_request(request)
            told = ua.ua_binary.struct_from_binary(ua.CreateMonitoredItemsResponse, answer)
            told.ResponseHeader.ServiceResult.check()
            for place, result in zip(asked, told.Results, strict=True):
                codes[place] = int(result.StatusCode.value)
        return codes

    def _item(self, item: Item, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        made = ua.MonitoredItemCreateRequest()
        made.ItemToMonitor.NodeId = node
        made.ItemToMonitor.AttributeId = ua.AttributeIds.Value
        if item.address.index and not item.whole:
            made.ItemToMonitor.IndexRange = item.address.index
        made.MonitoringMode = ua.MonitoringMode.Reporting
        asked = made.RequestedParameters
        asked.ClientHandle = item.handle
        asked.SamplingInterval = item.tag.period_s * 1000
        asked.QueueSize = self.settings.queue
        asked.DiscardOldest = True
        if item.filtered:
            asked.Filter = self._filter(item.tag)
        return made

    def _filter(self, tag: Tag) -> ua.DataChangeFilter | None:
        """OPC 10000-4, 7.22.2. A tag's dead band is in its own unit, a server's in raw values."""
        kind, width = self.settings.deadband, 0.0
        if kind == "absolute":
            width = tag.deadband / abs(tag.scale) if tag.scale else 0.0
        elif kind == "percent":
            width = self.settings.deadband_percent
        if tag.kind != "number" or not width:
            kind, width = "none", 0.0
        if kind == "none" and self.settings.trigger == "value":
            return None  # what a server does without a filter
        return ua.DataChangeFilter(
            Trigger=TRIGGERS[self.settings.trigger],
            DeadbandType=DEADBANDS[kind],
            DeadbandValue=width,
        )

    async def publish(self) -> None:
        """Ask for publications and take them, for ever. Raises Unreachable."""
        await self._started.wait()
        under_way: deque[asyncio.Task[bytes]] = deque()
        silent_s = 3 * self.settings.keepalive_s + self.settings.timeout_s
        try:
            while True:
                while len(under_way) < min(len(self._subscriptions) + ASKED, self._most):
                    under_way.append(asyncio.create_task(self._request()))
                first = under_way[0]
                done, _ = await asyncio.wait({first}, timeout=silent_s)
                if not done:
                    raise Unreachable(
                        f"{self.link.where}: no publication and no sign of life of a subscription "
                        f"for {silent_s:g} s"
                    )
                under_way.popleft()
                if self._answered(first):
                    self._take(first.result())
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _request(self) -> bytes:
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = self._acknowledge
        self._acknowledge = []
        return await self.link.ask(request, 0)

    def _answered(self, asked: asyncio.Task[bytes]) -> bool:
        """False when the server only wants fewer requests, or this one again."""
        error = asked.exception()
        if error is None:
            return True
        cause = error.__cause__
        if isinstance(cause, ua.uaerrors.BadTooManyPublishRequests) and self._most > 1:
            self._most = max(1, min(self._most, len(self._subscriptions) + ASKED) - 1)
            return False
        if isinstance(cause, ua.uaerrors.BadTimeout):
            return False
        raise error

    def _take(self, frame: bytes) -> None:
        try:
            told = decode_publish(frame, fallback)
        except Malformed:
            self.malformed += 1
            self.line.note(malformed=self.malformed)
            raise Unreachable(f"{self.link.where}: a publication is not OPC UA") from None
        if told.changed is not None and told.changed >> 31:
            raise Unreachable(
                f"{self.link.where}: the server ended a subscription: {name_of(told.changed)}"
            )
        if not told.data:
            return
        self._missed(told.subscription, told.sequence)
        self._acknowledge.append(
            ua.SubscriptionAcknowledgement(
                SubscriptionId=told.subscription, SequenceNumber=told.sequence
            )
        )
        self.changes += len(told.numbers) + len(told.texts)
        for samples in self.handles.samples(told.numbers, told.texts, self.line.now()):
            self.take(samples)

    def _missed(self, subscription: int, sequence: int) -> None:
        """Numbers count up by one (OPC 10000-4, 5.14.1.1): a hole means values are lost."""
        last = self._sequence.get(subscription, 0)
        self._sequence[subscription] = sequence
        if last and sequence != last + 1 and not (last == 0xFFFFFFFF and sequence == 1):
            raise Unreachable(
                f"{self.link.where}: publications {last + 1} to {sequence - 1} are missing; "
                "the session is opened again and the gap filled from history where offered"
            )

    def note(self) -> None:
        self.line.note(
            items=len(self.items),
            refused=sum(self.refusals.values()),
            refusals=", ".join(f"{name} {count}" for name, count in self.refusals.items()),
            subscriptions=len(self._subscriptions),
            changes=self.changes,
            queue_overflows=self.handles.overflows,
        )


def cut(tags: Sequence[Tag], size: int) -> Iterator[Sequence[Tag]]:
    for start in range(0, len(tags), size):
        yield tags[start : start + size]

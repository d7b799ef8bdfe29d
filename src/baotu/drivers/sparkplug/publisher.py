"""The node's whole tag tree as a Sparkplug B edge node: the session around `edge_node.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, time_ns

from baotu.sdk import (
    ConfigError,
    Denied,
    Feed,
    Invalid,
    Malformed,
    Peer,
    Refused,
    Samples,
    ServingDriver,
    Tag,
    Unreachable,
    setting,
)
from baotu.sdk.mqtt import CLOSE_S, Broker, MqttSession, Will

from .edge_node import EdgeNode, Shape, Wish
from .topics import parse_state, state_topic

MOST_WRITES = 64  # under way at once; more are dropped and their sender sees no change
TAGS_S = 1.0  # how often the tag table is looked at
SETTLE_S = 1.0  # how often the broker is asked whether it has all: what a loss may repeat


@dataclass(frozen=True, kw_only=True)
class NodeSettings(Broker):
    """An edge node: births with aliases and units, changes batched, commands when allowed."""

    group: str = setting("baotu", title="组标识 Group id")
    node: str = setting("edge", title="边缘节点标识 Edge node id")
    devices: str = setting(
        "asset", title="每个资产一个设备，或全部归节点 One device for each asset, or none",
        choices=("asset", "none"),
    )  # fmt: skip
    primary_host: str = setting(
        "", title="等待其上线再发布的主机应用 Host application to wait for before publishing"
    )
    data_ms: float = setting(
        250, title="合并变化的时间 How long changes are collected", unit="ms", low=10, high=1000
    )
    types: str = setting(
        "always", title="数据报文是否带类型 Data types in data messages too, or only in births",
        choices=("always", "births"),
    )  # fmt: skip
    unchanged: str = setting(
        "drop", title="值未变时是否发送 Equal values are dropped or sent", choices=("drop", "send")
    )
    writes: str = setting(
        "off", title="是否接受写命令 Whether commands to writable tags are passed to the platform",
        choices=("off", "on"),
    )  # fmt: skip
    store_mb: int = setting(
        256, title="断网缓存上限，0 为不缓存，数据在 [fabric] 的日志里 "
        "Most of the log that is sent later, 0 for none", unit="MBy", low=0,
    )  # fmt: skip
    store_full: str = setting(
        "drop_oldest", title="缓存满时 When there is more", choices=("drop_oldest", "drop_newest")
    )
    store_rate: int = setting(
        20_000, title="补传速率 How fast it is sent later, samples", unit="/s", low=100
    )
    most_metrics: int = setting(
        5000, title="单个报文的指标上限 Most metrics of one data message", low=1, high=100_000
    )


class Server(ServingDriver):
    Settings = NodeSettings
    settings: NodeSettings

    def __init__(self, settings: NodeSettings) -> None:
        super().__init__(settings)
        self._bdseq = -1
        for text in (settings.group, settings.node, settings.primary_host):
            if set(text) & set("/+#"):
                raise ConfigError(
                    f"{text!r} cannot be part of a topic", hint="without the characters / + #"
                )

    async def serve(self, feed: Feed, ready: Callable[[str], None]) -> None:
        """Raises Unreachable when the broker cannot be had, is lost, or the primary host left."""
        settings = self.settings
        self._bdseq = self._bdseq + 1 & 0xFF  # tck-id-payloads-nbirth-bdseq-inc
        shape = Shape(
            group=settings.group, node=settings.node, devices=settings.devices,
            types=settings.types, unchanged=settings.unchanged, most=settings.most_metrics,
        )  # fmt: skip
        tags = feed.tags()
        node = EdgeNode(shape, tags, self._bdseq)
        topic, payload = node.death(_now_ms())
        will = Will(topic=topic, payload=payload, qos=1)
        async with feed.mqtt(settings, will) as link:
            session = _Session(settings, node, feed, tags, link)
            try:
                await session.run(ready)
            finally:
                await session.close()


class _Session:
    """What lives as long as one connection."""

    def __init__(
        self, settings: NodeSettings, node: EdgeNode, feed: Feed, tags: Sequence[Tag],
        link: MqttSession,
    ) -> None:  # fmt: skip
        self.settings, self.node, self.feed, self._tags = settings, node, feed, tags
        self.link = link
        self._forward = feed.forward(settings.store_mb, settings.store_full)
        self._allowed, self._asked = 0.0, monotonic()  # samples of the past that may go; since when
        self._unsettled, self._settled = False, monotonic()
        self._whole = True  # False while samples are taken and not all of them published
        self._left = False  # the primary host went away
        self._writes: set[asyncio.Task[None]] = set()
        self._host_online = not settings.primary_host
        self._host_time = -1
        self._born = False

    async def run(self, ready: Callable[[str], None]) -> None:
        settings, own = self.settings, self.node.own
        topics = [own.topic("CMD"), f"{own.topic('CMD').replace('/NCMD/', '/DCMD/')}/+"]
        if settings.primary_host:
            topics.append(state_topic(settings.primary_host))
        await self._subscribe(topics)
        while not self._host_online:  # tck-id-operational-behavior-edge-node-birth-sequence-wait
            await self._listen()
        self._forward.begin()
        self._asked = monotonic()
        await self._give_birth()
        ready(f"{settings.place}, {own.topic('DATA')}")
        looked = monotonic()
        while True:
            await self._listen()
            if monotonic() - looked >= TAGS_S:
                looked = monotonic()
                self.node.rebirth_wanted |= self._tags_changed()
            if self.node.rebirth_wanted:
                await self._give_birth()
            self._whole = False
            await self._send(self._forward.live(), self.node.data)
            await self._send_past()
            self._whole = True
            if self._unsettled and monotonic() - self._settled >= SETTLE_S:
                await self._settle()

    async def _subscribe(self, topics: Sequence[str]) -> None:
        await self.link.subscribe([(topic, 1) for topic in topics])

    async def _listen(self) -> None:
        """Commands and STATE of one batch; returns after `data_ms` at the latest."""
        for topic, payload, _ in await self.link.take(self.settings.data_ms / 1000):
            if self.settings.primary_host and topic == state_topic(self.settings.primary_host):
                self._state(payload)
                continue
            try:
                wishes = self.node.command(topic, payload)
            except Malformed:
                continue  # somebody's broken command; the broker's log knows who
            for wish in wishes if self.settings.writes == "on" else ():
                if len(self._writes) < MOST_WRITES:
                    task = asyncio.create_task(self._write(wish))
                    self._writes.add(task)
                    task.add_done_callback(self._writes.discard)

    def _state(self, payload: bytes) -> None:
        told = parse_state(payload)
        if told is None or told[1] < self._host_time:
            return  # an old will that comes late
        self._host_online, self._host_time = told
        if not self._host_online and self._born:
            self._left = True
            # tck-id-operational-behavior-primary-application-state-…-walk: leave, then wait anew
            raise Unreachable(
                f"primary host {self.settings.primary_host} is offline; "
                "births follow when it is back"
            )

    async def _give_birth(self) -> None:
        if self._tags_changed():
            self._tags = self.feed.tags()
            self.node.set_tags(self._tags)
        for topic, payload in self.node.births(self.feed.latest(), _now_ms()):
            await self.link.publish(topic, payload)
        self._born = True

    def _tags_changed(self) -> bool:
        tags = self.feed.tags()
        return tags is not self._tags and list(tags) != list(self._tags)

    async def _send(
        self, parts: Sequence[Samples], told: Callable[[Samples, int], Iterable[tuple[str, bytes]]]
    ) -> None:
        for text in (False, True):
            same = [part for part in parts if part.is_text is text]
            if same:
                for topic, payload in told(Samples.concat(same), _now_ms()):
                    await self.link.publish(topic, payload)
        self._unsettled |= bool(parts)

    async def _send_past(self) -> None:
        """A little of what was missed, so that the present never waits long behind it."""
        now, rate = monotonic(), self.settings.store_rate
        self._allowed = min(rate / 2, self._allowed + rate * (now - self._asked))
        self._asked = now
        if self._allowed >= 1:
            parts = await self._forward.past(int(self._allowed))
            self._allowed -= sum(map(len, parts))
            await self._send(parts, self.node.past)

    async def _settle(self) -> None:
        """DATA goes with QoS 0 (tck-id-payloads-ndata-qos), which nobody acknowledges. A broker
        reads a connection in order, so its answer to a subscription (to our own commands, which
        we have) says that all before it has come and need not be sent again."""
        await self._subscribe([self.node.own.topic("CMD")])
        self._unsettled = not await self._forward.confirm()
        self._settled = monotonic()

    async def _write(self, wish: Wish) -> None:
        try:
            await self.feed.write(wish.tag, wish.value, Peer(name=f"Sparkplug {self.node.own}"))
        except (Denied, Refused, Invalid, Unreachable):
            return  # the platform has audited it; a command has no answer: the value stays

    async def close(self) -> None:
        for task in self._writes:
            task.cancel()
        await asyncio.gather(*self._writes, return_exceptions=True)
        if not self._born:
            return
        # tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath
        topic, payload = self.node.death(_now_ms())
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.link.publish(topic, payload, qos=1)
                if self._whole and not self._left and not await self._forward.confirm():
                    await asyncio.sleep(0.1)  # until the log has synced its last frames
                    await self._forward.confirm()
        except (Unreachable, TimeoutError):
            return  # the broker is gone: it sends the will


def _now_ms() -> int:
    return time_ns() // 1_000_000

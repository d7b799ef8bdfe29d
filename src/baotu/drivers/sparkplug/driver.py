"""A Sparkplug B host application on an MQTT broker: the session around the state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from baotu.sdk import ConfigError, Found, Line, Refused, SessionDriver, Tag, Unreachable, setting
from baotu.sdk.mqtt import CLOSE_S, Broker, MqttSession, Will

from .host import TICK_S, Host, Message, Rules
from .nodes import listed
from .topics import parse_state, state_payload, state_topic, subscriptions

NOTE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class HostSettings(Broker):
    """A host application: reads edge nodes, asks for births, writes by command."""

    groups: tuple[str, ...] = setting(
        (),
        title="监听的组，空则为位号所在的组，无位号则全部 "
        "Groups to listen to; empty: those of the tags, or all when there are none",
    )
    host_id: str = setting(
        "",
        title="主机应用标识，非空则发布在线状态 Id of this host application; when given, STATE is sent",
    )
    reorder_s: float = setting(
        0.0, title="等待乱序报文的时间 How long a missing message is waited for",
        unit="s", low=0, high=60,
    )  # fmt: skip
    rebirth: str = setting(
        "ask", title="状态不明时是否请求重新上线 Ask an unknown node for its birth, or never",
        choices=("ask", "never"),
    )  # fmt: skip
    rebirth_s: float = setting(
        5.0, title="两次重新上线请求的最短间隔 Least pause between two requests to one node",
        unit="s", low=0.1, high=3600,
    )  # fmt: skip
    write_s: float = setting(
        5.0, title="等待写入回读的时间 How long a written value is waited for", unit="s",
        low=0.1, high=60,
    )  # fmt: skip
    max_payload_mb: float = setting(
        16, title="单个报文上限 Largest payload taken", unit="MB", low=0.001, high=256
    )


@dataclass(slots=True, kw_only=True)
class _Session:
    """What lives as long as one connection."""

    host: Host
    link: MqttSession
    line: Line
    stamp_ms: int = 0


class Client(SessionDriver):
    Settings = HostSettings
    settings: HostSettings

    def __init__(self, settings: HostSettings) -> None:
        super().__init__(settings)
        self._session: _Session | None = None
        for text in (settings.host_id, *settings.groups):
            if set(text) & set("/+#"):
                raise ConfigError(
                    f"{text!r} cannot be part of a topic", hint="without the characters / + #"
                )

    async def run(self, tags: Sequence[Tag], line: Line) -> None:
        settings = self.settings
        rules = Rules(
            reorder_s=settings.reorder_s,
            rebirth=settings.rebirth,
            rebirth_s=settings.rebirth_s,
            payload_limit=int(settings.max_payload_mb * 1e6),
        )
        host = Host(line, tags, rules)
        stamp_ms = line.now() // 1_000_000
        async with line.mqtt(settings, self._will(stamp_ms)) as link:
            session = _Session(host=host, link=link, line=line, stamp_ms=stamp_ms)
            await self._subscribe(session)
            line.up()
            host.start(monotonic())
            self._session = session
            try:
                await self._serve(session)
            finally:
                self._session = None
                await self._farewell(session)

    async def write(self, tag: Tag, value: float | str) -> float | str:
        """By NCMD or DCMD; read back by the DATA message that follows."""
        session = self._session
        if session is None:
            raise Unreachable(f"{self.settings.place}: no session, so nothing was written")
        topic, payload = session.host.write_command(tag, value)
        answer: asyncio.Future[float | str] = asyncio.get_running_loop().create_future()
        collector = session.host.collector
        seen: list[float | str] = []

        def look(back: float | str) -> None:
            seen.append(back)
            if _same(back, value) and not answer.done():
                answer.set_result(back)

        collector.watchers[tag.id] = look
        try:
            await session.link.publish(topic, payload)
            async with asyncio.timeout(self.settings.write_s):
                return await answer
        except TimeoutError:
            last = seen[-1] if seen else collector.last(tag.id)
            if last is not None and _same(last, value):
                return last  # it was so already: report by exception tells nothing new
            raise Refused(
                f"{tag.address}: {value} was sent but not confirmed within "
                f"{self.settings.write_s:g} s; the node still says {last}"
            ) from None
        except Unreachable as lost:
            raise Unreachable(f"{lost}; the write was not sent") from lost
        finally:
            collector.watchers.pop(tag.id, None)

    async def browse(self, under: str = "") -> list[Found]:
        """group → node → device ("" for the node's own metrics) → metric."""
        if self._session is None:
            raise Unreachable(f"{self.settings.place}: no session, so nothing to browse")
        rows: dict[str, Found] = {}
        for node in list(self._session.host.nodes.values()):
            for unit in list(node.units.values()):
                rows.update(listed(unit, under))
                await asyncio.sleep(0)  # a plant of 100 000 metrics freezes nobody
        return [rows[address] for address in sorted(rows)]

    # ------------------------------------------------------------------ the session
    def _will(self, stamp_ms: int) -> Will | None:
        # tck-id-operational-behavior-host-application-connect-will-…: QoS 1, retained
        if not self.settings.host_id:
            return None
        topic = state_topic(self.settings.host_id)
        payload = state_payload(False, stamp_ms)
        return Will(topic=topic, payload=payload, qos=1, retain=True)

    async def _subscribe(self, session: _Session) -> None:
        # tck-id-message-flow-phid-sparkplug-subscription: before its own STATE message
        topics = subscriptions(list(self.settings.groups) or session.host.groups())
        if self.settings.host_id:
            topics.append(state_topic(self.settings.host_id))
        granted = await session.link.subscribe([(topic, 1) for topic in topics])
        if any(code >= 0x80 for code in granted):
            raise Unreachable(
                f"{self.settings.place}: subscription refused by its access list; allow {topics}"
            )
        await self._tell_state(session, online=True)

    async def _tell_state(self, session: _Session, online: bool) -> None:
        if self.settings.host_id:
            payload = state_payload(online, session.stamp_ms)
            await session.link.publish(
                state_topic(self.settings.host_id), payload, qos=1, retain=True
            )

    async def _serve(self, session: _Session) -> None:
        noted = 0.0
        host = session.host
        while True:
            batch = [(topic, payload) for topic, payload, _ in await session.link.take(TICK_S)]
            now = monotonic()
            if self.settings.host_id:
                await self._defend_state(session, batch)
            host.receive(batch, now)
            for topic, payload in host.commands():
                await session.link.publish(topic, payload)
            if now >= noted:
                noted = now + NOTE_S
                session.line.note(
                    nodes=float(len(host.nodes)),
                    nodes_online=float(host.online()),
                    dropped=float(session.link.dropped),
                    **{name: float(count) for name, count in host.counts.items()},
                )

    async def _defend_state(self, session: _Session, batch: Sequence[Message]) -> None:
        """Somebody (an old will of ours) says that we are offline while we are not: say again."""
        own = state_topic(self.settings.host_id)
        for topic, payload in batch:
            told = parse_state(payload) if topic == own else None
            if told is not None and not told[0]:
                session.stamp_ms = max(session.line.now() // 1_000_000, told[1])
                await self._tell_state(session, online=True)

    async def _farewell(self, session: _Session) -> None:
        # tck-id-operational-behavior-host-application-termination
        session.stamp_ms = max(session.stamp_ms, session.line.now() // 1_000_000)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._tell_state(session, online=False)
        except (Unreachable, TimeoutError):
            return  # the broker is gone: it sends the will


def _same(back: float | str, value: float | str) -> bool:
    """Equal as far as a 32-bit float can tell."""
    if isinstance(back, str) or isinstance(value, str):
        return str(back) == str(value)
    return abs(back - value) <= 1e-6 * max(abs(back), abs(value))

"""Plain MQTT: JSON or raw payloads of a plant's topics as tags, and writes by a template."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from baotu.sdk import (
    ConfigError,
    Found,
    Line,
    Quality,
    Refused,
    SessionDriver,
    Tag,
    Unreachable,
    setting,
)
from baotu.sdk.mqtt import Broker, MqttSession

from .address import Pattern, covers, parse_address, parse_path, subscriptions
from .reader import Reader, Rules

IDLE_S = 0.5
NOTE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class MqttSettings(Broker):
    """A client that reads topics. Configured tags need no pattern; patterns find new ones."""

    topics: tuple[str, ...] = setting(
        (),
        title="主题模板，发现位号用 Topic patterns by which tags are found",
        example=["factory/{asset}/{property}"],
    )
    value: str = setting("", title="模板主题中值的路径 Path of the value in a pattern's payload")
    values: Mapping[str, str] = setting(
        {},
        title="一个报文多个值：属性到路径的表，* 为全部 Several values: property to path, * for all",
    )
    each: str = setting("", title="数组路径，逐个元素作为报文 Path of a list to be read one by one")
    time: str = setting("", title="时间戳路径，空则用到达时间 Path of the time, arrival when empty")
    time_format: str = setting(
        "auto", title="时间戳格式 Format of the time",
        choices=("auto", "iso", "s", "ms", "us", "ns"),
    )  # fmt: skip
    retained: str = setting(
        "uncertain", title="无时间戳的保留报文的质量 What retained messages without a time are",
        choices=("uncertain", "good", "ignored"),
    )  # fmt: skip
    qos: int = setting(
        1, title="订阅和写入的服务质量 QoS of subscriptions and writes", low=0, high=2
    )
    subscribe: tuple[str, ...] = setting(
        (), title="订阅的主题，空则由位号算出 Topic filters, computed from the tags when empty"
    )
    write_topic: str = setting(
        "{topic}/set", title="写入的主题模板 Topic a value is written to, with {topic} and {path}"
    )
    write_payload: str = setting(
        "{value}", title="写入的报文模板 Payload of a write, with {value} and {time_ms}"
    )
    confirm: str = setting(
        "read", title="写入后等待主题回读，或不等待 Wait until the topic tells the value, or do not",
        choices=("read", "none"),
    )  # fmt: skip
    write_s: float = setting(
        5.0, title="等待回读的时间 How long a written value is waited for", unit="s",
        low=0.1, high=60,
    )  # fmt: skip


class Client(SessionDriver):
    Settings = MqttSettings
    settings: MqttSettings

    def __init__(self, settings: MqttSettings) -> None:
        super().__init__(settings)
        self._patterns = [Pattern.of(text) for text in settings.topics]
        for key in ("value", "each", "time"):
            try:
                parse_path(getattr(settings, key))
            except ValueError as wrong:
                raise ConfigError(str(wrong), where=key) from None
        self._session: tuple[MqttSession, Reader] | None = None

    async def run(self, tags: Sequence[Tag], line: Line) -> None:
        settings = self.settings
        reader = Reader(line, tags, self.rules())
        filters = list(settings.subscribe) or subscriptions(
            (parse_address(tag)[0] for tag in tags), self._patterns
        )
        async with line.mqtt(settings) as session:
            await self._subscribe(session, filters, tags, line)
            line.up()
            self._session = session, reader
            try:
                await self._serve(session, reader, line, len(filters))
            finally:
                self._session = None

    async def write(self, tag: Tag, value: float | str) -> float | str:
        """Publish by the template; read back by the tag's own topic where it tells."""
        if self._session is None:
            raise Unreachable(f"{self.settings.place}: no session, so nothing was written")
        session, reader = self._session
        topic, payload = self._message(tag, value, reader.line.now())
        answer: asyncio.Future[float | str] = asyncio.get_running_loop().create_future()

        def look(back: float | str) -> None:
            if _same(back, value) and not answer.done():
                answer.set_result(back)

        reader.watchers[tag.id] = look
        try:
            await session.publish(topic, payload, qos=self.settings.qos)
            if self.settings.confirm == "none":
                return value
            async with asyncio.timeout(self.settings.write_s):
                return await answer
        except TimeoutError:
            last = reader.last.get(tag.id)
            if last is not None and _same(last, value):
                return last  # it was so already
            raise Refused(
                f"{tag.address}: {value} was published on {topic} but not confirmed within "
                f'{self.settings.write_s:g} s; it still says {last}; confirm = "none" if it '
                "never tells"
            ) from None
        except Unreachable as lost:
            raise Unreachable(f"{lost}; the write was not sent") from lost
        finally:
            reader.watchers.pop(tag.id, None)

    async def browse(self, under: str = "") -> list[Found]:
        raise Refused("MQTT keeps no list of topics; give `topics` patterns and let them be met")

    # ------------------------------------------------------------------ the session
    def rules(self) -> Rules:
        s = self.settings
        return Rules(
            patterns=self._patterns, value=s.value, values=s.values, time=s.time,
            form=s.time_format, each=s.each, retained=s.retained,
        )  # fmt: skip

    async def _subscribe(
        self, session: MqttSession, filters: list[str], tags: Sequence[Tag], line: Line
    ) -> None:
        if not filters:
            return
        granted: list[int] = []
        for i in range(0, len(filters), 200):
            rows = [(one, self.settings.qos) for one in filters[i : i + 200]]
            granted += await session.subscribe(rows)
        refused = [one for one, code in zip(filters, granted, strict=False) if code >= 0x80]
        if refused and len(refused) == len(filters):
            raise Unreachable(
                f"{self.settings.place}: its access list refuses every subscription, "
                f"first {refused[0]!r}; allow this user to read them"
            )
        if refused:
            self._mark_refused(set(refused), tags, line)

    def _mark_refused(self, refused: set[str], tags: Sequence[Tag], line: Line) -> None:
        gone = [tag for tag in tags if any(covers(f, parse_address(tag)[0]) for f in refused)]
        if gone:
            line.mark(np.array([tag.id for tag in gone], "i4"), Quality.BAD_ACCESS_DENIED)
        line.note(refused=", ".join(sorted(refused))[:500])

    async def _serve(self, session: MqttSession, reader: Reader, line: Line, filters: int) -> None:
        noted = 0.0
        while True:
            batch = await session.take(IDLE_S)
            if batch:
                reader.receive(batch)
            now = monotonic()
            if now >= noted:
                noted = now + NOTE_S
                counts = {name: float(count) for name, count in reader.counts.items()}
                line.note(subscriptions=float(filters), dropped=float(session.dropped), **counts)
                if reader.kept:
                    topic, why, _ = reader.kept[-1]
                    line.note(last_unreadable=f"{topic}: {why}"[:300])

    def _message(self, tag: Tag, value: float | str, now: int) -> tuple[str, bytes]:
        topic, path = parse_address(tag)
        dotted = ".".join(str(step) for step in path)
        target = self.settings.write_topic.replace("{topic}", topic).replace("{path}", dotted)
        template = self.settings.write_payload
        plain: object = value
        if tag.kind == "boolean":
            plain = bool(value)
        elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            plain = int(value)
        raw = template.strip() == "{value}" and isinstance(plain, str)
        text = str(plain) if raw else json.dumps(plain, ensure_ascii=False)
        filled = template.replace("{time_ms}", str(now // 1_000_000)).replace("{path}", dotted)
        return target, filled.replace("{value}", text).encode()


def _same(back: float | str, value: float | str) -> bool:
    if isinstance(back, str) or isinstance(value, str):
        return str(back) == str(value)
    return abs(back - value) <= 1e-9 * max(abs(back), abs(value))

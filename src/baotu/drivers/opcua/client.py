"""OPC UA client: subscribes to tags, fills gaps from history, browses, discovers, writes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from baotu.sdk import Found, Line, SessionDriver, Tag, Unreachable

from . import browse
from .address import parse, parse_tag
from .enums import enum_names
from .gap import Gaps, Gate
from .link import Link, open_link
from .settings import ClientSettings
from .watch import Watch, cut
from .write import write_value

MOST_IN_ADD = 5000  # tags made into items before their gaps are filled and the loop looks around


@dataclass(slots=True, kw_only=True)
class _Session:
    """What a living session consists of."""

    link: Link
    line: Line
    watch: Watch
    gate: Gate
    gaps: Gaps


class Client(SessionDriver):
    """One server. `run` is one session; the edge calls it again."""

    Settings = ClientSettings

    def __init__(self, settings: ClientSettings) -> None:
        super().__init__(settings)
        self.settings: ClientSettings = settings
        self._session: _Session | None = None
        if settings.discover:
            parse(settings.discover, "discover")

    async def run(self, tags: Sequence[Tag], line: Line) -> None:
        for tag in tags:
            parse_tag(tag)
        link = await open_link(self.settings, self._where(line.device))
        try:
            line.up()
            gate = Gate(line.deliver)
            watch = Watch(link, line, gate.take)
            self._session = session = _Session(
                link=link, line=line, watch=watch, gate=gate,
                gaps=Gaps(link, line, watch.handles, gate),
            )  # fmt: skip
            await together(
                link.watch(), link.renew(), watch.publish(), self._report(watch),
                self._begin(session, tags),
            )  # fmt: skip
        finally:
            self._session = None
            await link.close()

    async def _begin(self, session: _Session, tags: Sequence[Tag]) -> None:
        await self._add(session, tags)
        if self.settings.discover:
            await self._discover(session, {tag.id for tag in tags})
        await asyncio.Event().wait()  # the others go on

    async def _add(self, session: _Session, tags: Sequence[Tag]) -> None:
        for batch in cut(tags, MOST_IN_ADD):
            since = session.gaps.since([tag.id for tag in batch])
            await self._name(session, [tag for tag in batch if tag.kind == "text"])
            items = await session.watch.add(batch)
            await session.gaps.fill(items, since)

    async def _name(self, session: _Session, tags: Sequence[Tag]) -> None:
        """Texts of enumerations: their names instead of numbers."""
        if tags:
            found = await enum_names(session.link, [parse_tag(tag) for tag in tags])
            names = {tag.id: one for tag, one in zip(tags, found, strict=True) if one}
            session.watch.handles.names.update(names)

    async def _discover(self, session: _Session, known: set[int]) -> None:
        count = 0
        most = self.settings.discover_limit
        async for found in browse.variables(session.link, self.settings.discover, most):
            count += len(found)
            wanted = [tag for tag in session.line.declare(found) if tag.id >= 0]
            new = [tag for tag in wanted if tag.id not in known]
            known |= {tag.id for tag in new}
            session.line.note(discovered=count)
            if new:
                await self._add(session, new)
        session.line.note(discovered=count, discovery="done" if count < most else "cut short")

    async def _report(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(self.settings.keepalive_s)
            watch.note()

    async def write(self, tag: Tag, value: float | str) -> float | str:
        session = self._session
        if session is None:
            raise Unreachable(f"{self._where(tag.device)}: no session at the moment")
        item = session.watch.items.get(tag.id)
        whole = item.whole if item is not None else False
        names = session.watch.handles.names.get(tag.id, {})
        return await write_value(session.link, tag, value, whole, names)

    async def browse(self, under: str = "") -> list[Found]:
        if self._session is not None:
            return await browse.level(self._session.link, under)
        link = await open_link(self.settings, self._where(""))
        try:
            return await browse.level(link, under)
        finally:
            await link.close()

    def _where(self, device: str) -> str:
        return f"{device or 'opcua'} ({self.settings.endpoint})"


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until the first one ends or fails; the others are cancelled and awaited."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

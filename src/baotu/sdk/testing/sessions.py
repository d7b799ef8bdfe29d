"""Checks for drivers that own their connection: a line that remembers, and laws to keep.

`RecordingLine` is a fake of what the edge gives. `check_session` runs a client
against a living peer and demands what the edge relies on. It never starts the peer itself.

    report = asyncio.run(check_session(lambda: Client(settings), tags, stir=peer.change))
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..driver import SessionDriver
from ..errors import Refused, Unreachable
from ..mqtt import Mqtt
from ..quality import Quality
from ..samples import Samples
from ..tag import Found, Tag
from .serving import no_mqtt

Action = Callable[[], Awaitable[None]]
BUSY = 5  # how much slower a machine that runs other things may be
STOP_S = 5.0  # how long a driver may take to end after it was cancelled
STALL_S = 0.1  # how long one step may hold the event loop


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mark:
    """One call of `Line.mark`."""

    tags: np.ndarray
    quality: Quality
    time: int | None


NANOSECONDS = 10**17  # 1973 as ns; in any coarser unit the present lies below


class RecordingLine:
    """A `Line` that keeps all it is told.

    tags: those configured, so that `declare` finds them by address.
    discovers: whether new addresses become tags (numbered after the known ones) or get id -1.
    keeps: False counts the samples and keeps none, for benchmarks.
    """

    def __init__(
        self,
        tags: Sequence[Tag] = (),
        *,
        device: str = "device",
        discovers: bool = False,
        keeps: bool = True,
        last: dict[int, int] | None = None,
        mqtt: Mqtt | None = None,
    ) -> None:
        """mqtt: makes sessions for drivers that ask for them; the edge's own is
        `baotu.edge.mqtt.connect`."""
        self.mqtt = mqtt or no_mqtt
        self.device, self.discovers, self.keeps = device, discovers, keeps
        self.samples: list[Samples] = []
        self.marks: list[Mark] = []
        self.figures: dict[str, float | str] = {}
        self.declared: dict[str, Tag] = {tag.address: tag for tag in tags}
        self.found: list[Found] = []
        self.ups = self.count = 0
        self.last: dict[int, int] = dict(last or {})
        self._news = asyncio.Event()
        self._next = max((tag.id for tag in tags), default=-1) + 1

    def deliver(self, samples: Samples) -> None:
        self.count += len(samples)
        if self.keeps:
            self.samples.append(samples)
            for tag, when in zip(samples.tag.tolist(), samples.time.tolist(), strict=True):
                self.last[tag] = max(when, self.last.get(tag, when))
        self._news.set()

    def mark(self, tags: np.ndarray, quality: Quality, time: int | None = None) -> None:
        self.marks.append(Mark(tags=np.asarray(tags, "i4"), quality=quality, time=time))
        self._news.set()

    def declare(self, found: Sequence[Found]) -> list[Tag]:
        self.found.extend(found)
        return [self._declared(one) for one in found]

    def _declared(self, found: Found) -> Tag:
        known = self.declared.get(found.address)
        if known is not None:
            return known
        place = "/".join((self.device, *found.path))
        if not self.discovers:
            return Tag(id=-1, asset=place, property=found.name, address=found.address)
        tag = Tag(
            id=self._next, asset=place, property=found.name, device=self.device,
            address=found.address, kind=found.kind, unit=found.unit, writable=found.writable,
        )  # fmt: skip
        self._next += 1
        self.declared[found.address] = tag
        return tag

    def last_time(self, tag: int) -> int | None:
        return self.last.get(tag)

    def now(self) -> int:
        return time.time_ns()

    def up(self) -> None:
        self.ups += 1
        self._news.set()

    def note(self, **figures: float | str) -> None:
        self.figures.update(figures)

    def of(self, tag: int) -> list[tuple[int, float | str, int]]:
        """(time, value, quality) of a tag in the order of arrival."""
        return [
            (int(part.time[i]), part.value[i], int(part.quality[i]))
            for part in self.samples
            for i in np.flatnonzero(part.tag == tag).tolist()
        ]

    def values(self, tag: int) -> list[float | str]:
        return [value for _, value, _ in self.of(tag)]

    def heard(self) -> set[int]:
        """Tags that were delivered or marked."""
        parts = [part.tag for part in self.samples] + [mark.tags for mark in self.marks]
        return set(np.concatenate(parts).tolist()) if parts else set()

    async def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for news until `true()`; AssertionError naming `what` when it takes too long."""
        deadline = time.monotonic() + within_s
        while not true():
            left = deadline - time.monotonic()
            assert left > 0, f"{self.device}: {what} did not happen within {within_s:g} s"
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(left, 0.05))


Lines = Callable[[Sequence[Tag]], RecordingLine]


@dataclass(slots=True, kw_only=True)
class Report:
    """What was checked, in words, and the figures seen."""

    checks: list[str] = field(default_factory=list)
    first_s: float = 0.0  # from the call of `run` to the first sample of the last tag
    stop_s: float = 0.0  # from cancellation to the end
    stall_s: float = 0.0  # longest hold of the loop, as check_session counts it


@dataclass(slots=True)
class Stalls:
    """worst_s: by the clock, so a busy machine counts, too. cpu_s: by this thread's own work."""

    worst_s: float = 0.0
    cpu_s: float = 0.0


@asynccontextmanager
async def stalls(step_s: float = 0.002) -> AsyncIterator[Stalls]:
    """Measure how long the event loop is held at worst inside the block."""
    seen = Stalls()

    async def look() -> None:
        before, used = time.monotonic(), time.thread_time()
        while True:
            await asyncio.sleep(step_s)
            now, work = time.monotonic(), time.thread_time()
            seen.worst_s = max(seen.worst_s, now - before - step_s)
            seen.cpu_s = max(seen.cpu_s, work - used)
            before, used = now, work

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def running(
    driver: SessionDriver, tags: Sequence[Tag], line: RecordingLine
) -> AsyncIterator[asyncio.Task[None]]:
    """`driver.run` as a task, cancelled and awaited at the end of the block."""
    task = asyncio.create_task(driver.run(tags, line))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Unreachable, Refused):
            await asyncio.wait_for(task, STOP_S + 3)


async def check_session(
    make: Callable[[], SessionDriver],
    tags: Sequence[Tag],
    *,
    missing: Tag | None = None,
    writes: Sequence[tuple[Tag, float | str]] = (),
    refuses: Sequence[tuple[Tag, float | str]] = (),
    stir: Action | None = None,
    cut: Action | None = None,
    mend: Action | None = None,
    within_s: float = 15.0,
    stall_s: float = 1.0,
    mqtt: Mqtt | None = None,
) -> Report:
    """Demand of a session driver what the edge relies on, against a peer that is up.

    tags: addresses the peer has, each must be delivered. missing: an address it has not.
    writes: raw values that must be read back as written; refuses: such that raise Refused.
    stir: makes the peer send a change of every tag, for peers that tell nothing at the start.
    cut, mend: make the peer vanish and come back. stall_s: longest hold of the loop allowed by
    the driver's own work; BUSY times as long by the clock, which other programs delay, too.
    mqtt: makes MQTT sessions, for drivers that ask their line for them.
    """
    lines = partial(RecordingLine, mqtt=mqtt)
    report = Report()
    driver = make()
    asked = [*tags, missing] if missing is not None else list(tags)
    before = asyncio.all_tasks()
    async with stalls() as seen:
        for turn in ("first", "second"):  # the edge calls `run` again on the same object
            line = lines(asked)
            await _session(driver, asked, tags, line, stir, within_s, report)
            _check_columns(line, asked, missing)
            report.checks.append(f"{turn} session: every tag delivered, cancelled in time")
        await _check_writes(driver, lines, asked, tags, writes, refuses, stir, within_s, report)
        if cut is not None:
            await _check_loss(driver, lines, asked, tags, stir, cut, mend, within_s, report)
    await asyncio.sleep(0.05)
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, f"tasks outlive the session: {left}"
    held = report.stall_s = max(seen.cpu_s, seen.worst_s / BUSY)
    assert held <= stall_s, f"the loop was held {held:.3f} s, allowed {stall_s} s"
    return report


async def _session(
    driver: SessionDriver, asked: Sequence[Tag], tags: Sequence[Tag], line: RecordingLine,
    stir: Action | None, within_s: float, report: Report,
) -> None:  # fmt: skip
    begin = time.monotonic()
    task = asyncio.create_task(driver.run(asked, line))
    try:
        await _delivered(task, tags, line, stir, within_s)
        report.first_s = time.monotonic() - begin
        what = f"a sample or a mark of every one of {[tag.address for tag in asked]}"
        await line.until(lambda: {tag.id for tag in asked} <= line.heard(), within_s, what)
    finally:
        report.stop_s = max(report.stop_s, await _cancelled(task))


async def _delivered(
    task: asyncio.Task[None], tags: Sequence[Tag], line: RecordingLine,
    stir: Action | None, within_s: float,
) -> None:  # fmt: skip
    await line.until(lambda: line.ups > 0 or task.done(), within_s, "line.up()")
    if task.done():
        task.result()
    assert line.ups == 1, f"line.up() was called {line.ups} times in one session"
    wanted = {tag.id for tag in tags}
    deadline = time.monotonic() + within_s
    while not wanted <= {int(i) for part in line.samples for i in np.unique(part.tag)}:
        if task.done():
            task.result()
        assert time.monotonic() < deadline, f"no sample of {wanted - line.heard()}"
        if stir is not None:
            await stir()
        await asyncio.sleep(0.02)


async def _cancelled(task: asyncio.Task[None]) -> float:
    begin = time.monotonic()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=STOP_S + 5)
    took = time.monotonic() - begin
    assert done, "run did not end after it was cancelled"
    assert took <= STOP_S, f"run took {took:.1f} s to end after cancellation, allowed {STOP_S} s"
    assert task.cancelled() or not task.exception(), f"cancelled run raised {task.exception()!r}"
    return took


def _check_columns(line: RecordingLine, asked: Sequence[Tag], missing: Tag | None) -> None:
    kinds = {tag.id: tag.kind for tag in asked}
    times: dict[int, int] = defaultdict(int)
    for part in line.samples:
        assert (part.tag.dtype, part.time.dtype, part.quality.dtype) == ("i4", "i8", "u1"), (
            f"columns must be i4, i8, u1, not {part.tag.dtype, part.time.dtype, part.quality.dtype}"
        )
        assert part.is_text or part.value.dtype == "f8", f"values are {part.value.dtype}"
        assert (part.time > NANOSECONDS).all(), "times are nanoseconds since 1970, UTC"
        assert len(part), "empty Samples were delivered"
        for tag, when, value in zip(part.tag.tolist(), part.time.tolist(), part.value, strict=True):
            assert tag in kinds, f"tag {tag} was delivered but never asked for"
            text = kinds[tag] == "text"
            assert text == part.is_text, f"tag {tag} is {kinds[tag]}, delivered {part.value.dtype}"
            assert not text or isinstance(value, str), f"tag {tag}: {value!r} is not a str"
            assert kinds[tag] != "boolean" or value in (0.0, 1.0) or value != value, (
                f"tag {tag} is boolean, delivered {value!r}"
            )
            assert when >= times[tag], f"tag {tag} went back in time: {when} after {times[tag]}"
            times[tag] = when
    if missing is not None:
        marked = [m for m in line.marks if missing.id in m.tags]
        assert marked, f"{missing.address} does not exist, but was never marked"
        assert marked[-1].quality >= Quality.BAD, f"{missing.address} marked {marked[-1].quality!r}"


async def _check_writes(
    driver: SessionDriver, lines: Lines, asked: Sequence[Tag], tags: Sequence[Tag],
    writes: Sequence[tuple[Tag, float | str]], refuses: Sequence[tuple[Tag, float | str]],
    stir: Action | None, within_s: float, report: Report,
) -> None:  # fmt: skip
    if not writes and not refuses:
        return
    line = lines(asked)
    async with running(driver, asked, line) as task:
        await _delivered(task, tags, line, stir, within_s)
        for tag, value in writes:
            back = await asyncio.wait_for(driver.write(tag, value), within_s)
            assert back == value, f"wrote {value!r} to {tag.address}, read back {back!r}"
        for tag, value in refuses:
            try:
                await asyncio.wait_for(driver.write(tag, value), within_s)
            except Refused as no:
                assert str(no), "Refused without a reason"
            else:
                raise AssertionError(f"{tag.address} took {value!r}, expected Refused")
        assert not task.done(), "a write ended the session"
    if writes:
        await _write_when_down(driver, *writes[0])
    report.checks.append(f"{len(writes)} writes read back, {len(refuses)} refused")


async def _write_when_down(driver: SessionDriver, tag: Tag, value: float | str) -> None:
    try:
        await asyncio.wait_for(driver.write(tag, value), 5)
    except Unreachable:
        return
    raise AssertionError("a write without a session must raise Unreachable")


async def _check_loss(
    driver: SessionDriver, lines: Lines, asked: Sequence[Tag], tags: Sequence[Tag],
    stir: Action | None, cut: Action, mend: Action | None, within_s: float, report: Report,
) -> None:  # fmt: skip
    line = lines(asked)
    async with running(driver, asked, line) as task:
        await _delivered(task, tags, line, stir, within_s)
        await cut()
        done, _ = await asyncio.wait({task}, timeout=within_s)
        assert done, f"the peer is gone, but run went on for {within_s:g} s"
        _demand_unreachable(task)
    task = asyncio.create_task(driver.run(asked, lines(asked)))
    done, _ = await asyncio.wait({task}, timeout=within_s)
    assert done, "run must give up when nobody answers: the edge does the waiting"
    _demand_unreachable(task)
    if mend is not None:
        await mend()
        await _session(driver, asked, tags, lines(asked), stir, within_s, report)
    report.checks.append("peer lost: Unreachable; again: Unreachable; back: samples")


def _demand_unreachable(task: asyncio.Task[None]) -> None:
    error = task.exception()
    assert isinstance(error, Unreachable), f"a lost peer must raise Unreachable, not {error!r}"
    assert len(str(error)) > 10, f"Unreachable says too little: {error}"

"""Backups of a node: taken at their times while it runs, or by hand; checked, and tried by restoring.

One at a time; what fails is told on the board, raises an alarm and is tried again.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import structlog

from baotu.history.duck import DuckHistory
from baotu.kernel.board import HealthBoard
from baotu.sdk import BaotuError, Conflict, Invalid
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health
from baotu.trust.backup.app import NONE
from baotu.trust.backup.check import Checked, check
from baotu.trust.backup.node import Memory, begin, place, remember
from baotu.trust.backup.objects import Folder
from baotu.trust.backup.restore import Restored, restore
from baotu.trust.backup.settings import rules
from baotu.trust.backup.take import Taken, take
from baotu.trust.primitives import suite

from . import stage
from .file import HouseConfig
from .revive import differences
from .settings import SPARE, STAGE

log = structlog.get_logger("baotu.backup")
MEMORIES = Path("trust") / "backup"
LOOK_S, AGAIN_S = 10.0, 600.0
SECOND = 10**9
LATE = 2.0  # periods without a backup, until it is an alarm
UNBEGUN = (
    "备份库尚未建立，运行一次 `baotu backup` 并设恢复口令 "
    "the store is not begun: run `baotu backup` once and give a recovery passphrase"
)
Told = Callable[[str, int, int], None]


@dataclass
class NodeBackup:
    """The backups of one node. history: the running node's; None where there is none to keep.

    password: of the records' server. tags: how many the node counts.
    """

    config: HouseConfig
    now: Callable[[], int]
    history: DuckHistory | None
    password: str = ""
    tags: Callable[[], int] = lambda: 0
    tell: Told = lambda what, done, total: None

    def __post_init__(self) -> None:
        self._one = threading.Lock()
        self.top = self.config.basics.node.data / MEMORIES

    def store(self, to: str) -> Folder:
        return Folder(Path(to or self.config.basics.backup.to))

    def take(self, to: str = "", phrase: str = "") -> tuple[Taken, Sequence[str], Sequence[str]]:
        """(what was taken, what it covers, what not). phrase: for a store that is not begun.

        Raises Conflict while one is being taken, Invalid without a passphrase for a new store.
        """
        if not self._one.acquire(blocking=False):
            raise Conflict("backup", "正在备份或校验 one is being taken or checked")
        data = self.config.basics.node.data
        try:
            objects = self.store(to)
            memory, folder = self._place(objects, phrase)
            chosen = suite(memory.suite)
            made = stage.prepare(self.config, self.history, self.password, self.tags())
            done = take(
                objects, folder, memory, chosen, made.files, node=self.config.basics.node.name,
                now=self.now(), rules=rules(self.config.basics.backup.keep), facts=made.facts,
                covers=made.covers, without=made.without,
                tell=lambda done, total: self.tell("taking", done, total),
            )  # fmt: skip
            return done, made.covers, made.without
        finally:
            stage.clear(data)
            self._one.release()

    def _place(self, objects: Folder, phrase: str) -> tuple[Memory, Path]:
        known = place(objects, self.top)
        if known is not None:
            return known
        if not phrase:
            raise Invalid("passphrase", UNBEGUN)
        return begin(objects, self.top, suite(self.config.basics.trust.suite), phrase)

    def memory(self, to: str = "") -> Memory | None:
        known = place(self.store(to), self.top)
        return known[0] if known else None

    def check(self, to: str = "", share: float = 1.0) -> Checked:
        """Every byte of the store against what was signed. Damaged chunks are written anew by the
        next backup. Raises Invalid when the store is not begun."""
        objects = self.store(to)
        with self._one:
            known = place(objects, self.top)
            if known is None:
                raise Invalid("backup", UNBEGUN)
            memory, folder = known
            found = check(
                objects, suite(memory.suite), memory.key().public(),
                expected=(memory.number, memory.hash), share=share,
                tell=lambda done, total: self.tell("checking", done, total),
            )  # fmt: skip
            bad = [f.where for f in found.faults]
            checked = self.now() if share == 1.0 else memory.checked
            remember(folder, msgspec.structs.replace(
                memory, distrusted=bad, checked=checked, faults=len(bad)
            ))  # fmt: skip
        return found

    def prove(self, phrase: str, to: str = "") -> tuple[Restored, list[str]]:
        """Restore the newest run beside the data, open a node on it, compare, remove it again."""
        with self._one:
            told, wrong = proved(
                self.store(to), phrase, None, beside=self.config.basics.node.data, tell=self.tell
            )
            known = place(self.store(to), self.top)
            if known is not None and not wrong and not told.faults:
                remember(known[1], msgspec.structs.replace(known[0], proved=self.now()))
        return told, wrong


def proved(
    objects: Folder, phrase: str, into: Path | None, *, number: int = 0, least: int = 0,
    whole: bool = True, beside: Path | None = None, tell: Told = lambda what, done, total: None,
) -> tuple[Restored, list[str]]:  # fmt: skip
    """(what was restored, what differs). into: stays; None: a private folder in `beside`
    (or where temporary files go) that is removed again."""
    with tempfile.TemporaryDirectory(prefix=SPARE, dir=beside) as spare:
        target = into if into is not None else Path(spare) / "node"
        told = restore(
            objects, phrase, target, number=number, least=least, whole=whole,
            tell=lambda done, total: tell("restoring", done, total),
        )  # fmt: skip
        return told, (differences(target, told) if not told.faults else [])


class BackupKeeper:
    """A thread that takes backups when they are due and looks after the store.

    alarm: tells people (message, active). prove: tells what a proved restore has shown.
    phrase: the recovery passphrase if the node may know it, else empty.
    """

    def __init__(
        self,
        backup: NodeBackup,
        board: HealthBoard,
        clock: Clock,
        phrase: Callable[[], str],
        alarm: Callable[[str, bool], None],
        prove: Callable[[dict[str, str | int]], None],
    ) -> None:
        self.backup, self.board, self.clock = backup, board, clock
        self.phrase, self.alarm, self.prove = phrase, alarm, prove
        self.settings = backup.config.basics.backup
        self.state = replace(NONE, to=self.settings.to, state="starting", why="")
        self._asked, self._ended = threading.Event(), threading.Event()
        self._again = 0
        self._since = clock.now()
        backup.tell = self._progress
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)

    def start(self) -> None:
        self._remembered(self.state.state, "")
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._asked.set()
        self._thread.join(5)

    def ask(self) -> None:
        self._asked.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            asked = self._asked.wait(LOOK_S)
            self._asked.clear()
            if not self._ended.is_set():
                self.look(asked)

    def look(self, asked: bool = False) -> None:
        """What is due now: a backup, a check, a trial. Failures are told, never raised."""
        now = self.clock.now()
        try:
            memory = self.backup.memory()
            if asked or (self._due(memory, now) and now >= self._again):
                self._take()
            elif now < self._again:
                return
            elif memory and now - memory.checked >= self.settings.check * SECOND:
                self._check()
            else:
                self._aged(memory, now)
        except (BaotuError, OSError) as error:
            self._again = now + int(AGAIN_S * SECOND)
            self._failed(str(error))

    def _due(self, memory: Memory | None, now: int) -> bool:
        return memory is None or now - memory.time >= self.settings.every * SECOND

    def _take(self) -> None:
        done, _, _ = self.backup.take(phrase=self.phrase())
        self.state = replace(self.state, bytes=done.bytes, written=done.written)
        self._well()
        log.info("a backup was taken", number=done.number, bytes=done.bytes, written=done.written)

    def _check(self) -> None:
        found = self.backup.check()
        if found.faults:
            for fault in found.faults[:100]:
                log.warning(
                    "a backup is damaged", where=fault.where, kind=fault.kind, why=fault.why
                )
            more = f" (+{len(found.faults) - 3})" if len(found.faults) > 3 else ""
            self._failed("; ".join(map(str, found.faults[:3])) + more)
            return
        if phrase := self.phrase():
            told, wrong = self.backup.prove(phrase)
            if told.faults or wrong:
                self._failed("; ".join([*map(str, told.faults), *wrong][:3]))
                return
            self.prove({"run": told.number, "files": told.files, "bytes": told.bytes,
                        "chunks_checked": found.chunks, "differences": 0})  # fmt: skip
        self._well()

    def _aged(self, memory: Memory | None, now: int) -> None:
        if memory and now - memory.time >= LATE * self.settings.every * SECOND:
            hours = (now - memory.time) / SECOND / 3600
            self._failed(f"最近的备份已过 {hours:.0f} 小时 the newest backup is {hours:.0f} h old")

    def _well(self) -> None:
        memory = self.backup.memory()
        if memory and memory.faults:
            self._failed(
                f"备份库有 {memory.faults} 处错误，日志里有位置 {memory.faults} faults in the store, the log names the places"
            )
            return
        self._remembered("up", "")
        self.alarm("备份正常 backups are well", False)

    def _failed(self, why: str) -> None:
        self._remembered("degraded", why)
        self.alarm(f"备份失败 backup: {why}", True)

    def _remembered(self, state: str, why: str) -> None:
        try:
            memory = self.backup.memory()
        except (BaotuError, OSError):
            memory = None
        if state != self.state.state:
            self._since = self.clock.now()
        self.state = replace(self.state, state=state, why=why)
        if memory is not None:
            self.state = replace(
                self.state, number=memory.number, taken=memory.time,
                checked=memory.checked, proved=memory.proved,
            )  # fmt: skip
        self._put({})

    def _progress(self, what: str, done: int, total: int) -> None:
        self._put({"at_work": what, "done": done / total if total else 1.0})

    def _put(self, more: dict[str, Any]) -> None:
        state, now = self.state, self.clock.now()
        age = {"age_s": (now - state.taken) / SECOND} if state.taken else {}
        figures = (
            {"number": state.number, "bytes": state.bytes, "written": state.written} | age | more
        )
        self.board.put(
            Health(kind="node", name="backup", state=state.state, since=self._since, why=state.why,  # type: ignore[arg-type]
                   figures=figures)
        )  # fmt: skip


def sentence(to: str, done: Taken, covers: Sequence[str], without: Sequence[str]) -> str:
    """What was done, for people."""
    return (
        f"{to}: 第 {done.number} 次 run {done.number}: {done.files} files, {done.bytes / 1e6:.1f} MB, "
        f"写入 written {done.written / 1e6:.1f} MB: {', '.join(covers)}; "
        f"不含 without: {'; '.join(without)}"
    )


def tidy(data: Path) -> None:
    """What a fall in the midst of a backup left."""
    for path in (data / STAGE, *data.glob(f"{SPARE}*")):
        shutil.rmtree(path, ignore_errors=True)


def report(told: Restored, wrong: Sequence[str]) -> list[str]:
    """Lines for people; the first says whether it holds."""
    faults = [*map(str, told.faults), *wrong]
    head = f"run {told.number}, {told.node}: {told.files} files, {told.bytes / 1e6:.1f} MB"
    if faults:
        return [f"✗ {head}: {len(faults)} 处错误 faults", *faults]
    said = samples_text(told)
    return [
        f"✓ {head}: 全部一致 everything is as it was kept{said}",
        *[f"不含 without: {w}" for w in told.without],
    ]


def samples_text(told: Restored) -> str:
    from .revive import samples_in

    tables = sum(len(t) for t in told.facts.get("tables", {}).values())
    return f": {samples_in(told.facts)} samples, {tables} tables"

"""The thread of the audit: seals, verifies by itself, verifies the whole on demand, forgets.

What is not as it was sealed raises one urgent alarm and takes the health down; both say where. The
newest records and a slice of the older ones are hashed again every few minutes, so that in time
everything is; the whole runs in a process of its own, since hashing would hold up the commands.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Alarm, BaotuError, Caller, Evidence, Fact, Priority, Records
from baotu.sdk.facts import Plain
from baotu.sdk.health import Health, State
from baotu.sdk.messages import bilingual
from baotu.sdk.ports import Board

from .formats import WIDTH, Damaged
from .keys import Signer
from .rows import FILE, TABLE, compare
from .scan import Finding, Scan
from .sealer import Sealer
from .tables import Forgotten, Kept, Verification

log = structlog.get_logger("baotu.audit")
SEAL_S = 1.0
CHECK_S = 600.0
FIRST_S = 15.0
AGAIN_S = 30.0  # after a damage or a full disk
NEWEST, OLDER = 8, 32  # bundles that a check hashes again
SLICE = 4096  # rows that are compared at once
DAY = 24 * 3600 * 10**9
NO_TAG = -1  # the alarm is about the platform
ASKED = f"SELECT id FROM {Verification.__tablename__} WHERE state IN ('asked', 'running') ORDER BY id LIMIT 1"
KEPT = f"SELECT note FROM {Kept.__tablename__} WHERE origin = ? ORDER BY id DESC LIMIT 200"
THROUGH = f"SELECT MAX(through) FROM {Forgotten.__tablename__}"
WAITING = f"SELECT COUNT(*) FROM {TABLE} WHERE id > ?"
OLD = f"SELECT MAX(id) FROM {TABLE} WHERE time < ? AND id <= ?"
CLAIM = (
    "审计日志已逐条重算，与签名的检查点一致 The audit log was hashed again and is what was signed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the last verification proved. whole: not only the newest and a slice."""

    time: int
    hashed: int
    size: int
    root: str
    whole: bool


class Watch:
    """`start` returns at once; `stop` seals what is committed and ends the thread.

    keep_days: rows older than this are taken out of the records once the log has them, the whole
    log was verified, and `covered` says that a backup holds them; 0: never.
    covered: records of the log that are in a backup.
    """

    def __init__(
        self,
        chain: Chain,
        board: Board,
        folder: Path,
        signer: Signer,
        organisation: str,
        *,
        keep_days: float = 0.0,
        covered: Callable[[], int] = lambda: 0,
    ) -> None:
        self.chain, self.board, self.folder, self.signer = chain, board, folder, signer
        self.sealer = Sealer(chain, folder, signer, organisation)
        self.reader = self.sealer.reader
        self.checked: Checked | None = None
        self.trouble: tuple[Finding, ...] = ()
        self._keep_days, self._covered = keep_days, covered
        self._caller = Caller("platform", organisation, frozenset(), kind="platform")
        self._stop, self._thread = (
            threading.Event(),
            threading.Thread(target=self._loop, daemon=True),
        )
        self._state: State = "starting"
        self._since, self._why = chain.clock.now(), ""
        self._alarmed: bool | None = None
        self._check_due = chain.clock.monotonic() + FIRST_S
        self._older = 0  # bundle that the next slice begins with
        self._run: _Whole | None = None

    # -- life -----------------------------------------------------------------------------------
    def start(self) -> None:
        self._thread.name = "audit"
        self._thread.start()

    def stop(self, deadline_s: float = 10.0) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def _loop(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = self.tick()
        self.tick(last=True)
        if self._run is not None:
            self._run.end()

    def tick(self, last: bool = False) -> float:
        """One round; in how many seconds the next is due."""
        now = self.chain.clock.monotonic()
        try:
            self.sealer.seal()
            self.sealer.keep(now, at_once=last)
            if not last:
                self._verify(now)
            if not self.trouble:
                self._tell("up", "")
            return SEAL_S
        except Damaged as error:
            self._found([Finding(*_placed(str(error)))])
        except BaotuError as error:  # the records are away
            self._tell("degraded", f"records: {error}")
        except OSError as error:
            self._tell("degraded", f"{error.filename or self.folder}: {error.strerror or error}")
            self.sealer.log = None
        return AGAIN_S

    # -- verification ---------------------------------------------------------------------------
    def _verify(self, now: float) -> None:
        if now >= self._check_due:
            self._check_due = now + CHECK_S
            self.check()
            self.forget()
        if self._run is None and (asked := self.chain.store.ask(ASKED)):
            self._run = _Whole(self, int(asked[0][0]))
        elif self._run is not None and self._run.over():
            self._run = None

    def check(self) -> list[Finding]:
        """The newest records and a slice of the older ones, from the bytes up to the signature."""
        now = self.reader.checkpoint()
        if self.signer.key not in [key for key, _ in now.signers([self.signer.key])]:
            raise Damaged("checkpoint: is not signed by the log's key")
        count = -(-now.size // WIDTH)
        numbers = sorted({*range(max(0, count - NEWEST), count), *self._slice(count)})
        scan = Scan(self.reader.files, now.size, now.root, self.reader.hashing)
        scan.part(numbers)
        found = list(scan.findings)
        for number in numbers if not found else ():
            until = min((number + 1) * WIDTH, now.size)
            found += self.rows(number * WIDTH, until, now.size)
        hashed = sum(min(WIDTH, now.size - number * WIDTH) for number in numbers)
        self._end(found, hashed, now.size, now.text.decode().split("\n")[2], whole=False)
        return found

    def _slice(self, count: int) -> range:
        if self._older >= count:
            self._older = 0
        first, self._older = self._older, self._older + OLDER
        return range(first, min(first + OLDER, count))

    def rows(self, since: int, until: int, size: int) -> list[Finding]:
        """Rows of the records against the log."""
        through = self.chain.store.ask(THROUGH)[0][0] or 0
        return compare(self.reader, self.chain.store.ask, since, until, size, through)

    def _end(
        self, found: Sequence[Finding], hashed: int, size: int, root: str, whole: bool
    ) -> None:
        if found:
            self._found(found)
            return
        if self.trouble and not whole:  # only the whole can say that all is well again
            return
        self.trouble = ()
        self.checked = Checked(
            time=self.chain.clock.now(), hashed=hashed, size=size, root=root, whole=whole
        )
        facts: list[Fact] = []
        if size:
            figures: dict[str, Plain] = {
                "hashed": hashed,
                "records": size,
                "root": root,
                "whole": whole,
            }
            facts.append(Evidence("3.3", CLAIM, figures, "/audit"))
        self._submit([*self._alarm(False, "已恢复一致 consistent again"), *facts])

    def _found(self, found: Sequence[Finding]) -> None:
        self.trouble = tuple(found)
        log.error("the audit log is damaged", findings=[str(one) for one in found[:5]])
        told = bilingual(str(found[0]))
        self._tell("down", told)
        self._submit(self._alarm(True, told))

    def _alarm(self, active: bool, message: str) -> list[Fact]:
        if self._alarmed == active:
            return []
        self._alarmed = active
        time = self.chain.clock.now()
        return [Alarm(NO_TAG, time, active, message, "tampering", Priority.URGENT)]

    def _submit(self, facts: Sequence[Fact]) -> None:
        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            return None, facts

        if facts:
            self.submit("watch", body)

    def submit(self, name: str, body: Any) -> Any:
        return self.chain.submit(
            Deed(app="audit", name=name, caller=self._caller, body=body, audited=False)
        )

    # -- what is old ----------------------------------------------------------------------------
    def forget(self) -> int:
        """Take old rows out of the records; the id up to which they are gone, 0 for none."""
        whole = self.checked if self.checked and self.checked.whole else None
        safe = min(whole.size, self._covered()) if whole and self._keep_days else 0
        if not safe or self.trouble:
            return 0
        size = self.reader.checkpoint().size
        last = int(json.loads(self.reader.entry(safe - 1, size))["id"])
        before = self.chain.clock.now() - round(self._keep_days * DAY)
        # the newest row stays: SQLite would give its id to the next one
        through = self.chain.store.ask(OLD, (before, min(last, self.sealer._last - 1)))[0][0]
        if not through:
            return 0
        with self.chain.store.writing() as writer:
            writer.run(f"DELETE FROM {TABLE} WHERE id <= ?", (through,))
            writer.run(
                f"INSERT INTO {Forgotten.__tablename__} (organisation, time, through) VALUES (?,?,?)",
                (self._caller.organisation, self.chain.clock.now(), through),
            )
        why = f"rows up to {through} are in the log only"
        self.chain.note("audit", "forget", self._caller, "done", why)
        return int(through)

    # -- how it fares ---------------------------------------------------------------------------
    def _tell(self, state: State, why: str) -> None:
        if (state, why) != (self._state, self._why):
            self._since = self.chain.clock.now() if state != self._state else self._since
            self._state, self._why = state, why
        self.board.put(
            Health(
                kind="audit", name="log", state=state, since=self._since, why=why,
                figures=self.figures(),
            )
        )  # fmt: skip

    def figures(self) -> dict[str, float | str]:
        sealed, checked = self.sealer.log, self.checked
        figures: dict[str, float | str] = {"records": sealed.size if sealed else 0}
        if checked is not None:
            figures |= {"verified": checked.size, "hashed_again": checked.hashed}
        return figures

    def health(self) -> tuple[State, str]:
        return self._state, self._why

    def waiting(self) -> int:
        """Rows that are committed and not yet sealed."""
        return int(self.chain.store.ask(WAITING, (self.sealer._last,))[0][0])


class _Whole:
    """One verification of everything: the files in a process, then the rows in slices."""

    def __init__(self, watch: Watch, id: int) -> None:
        self.watch, self.id = watch, id
        self._folder = tempfile.TemporaryDirectory(prefix="baotu-audit-")
        self._told: dict[str, Any] | None = None
        self._at, self._size = 0, 0
        self._found: list[Finding] = []
        command = [sys.executable, "-m", "baotu.trust.audit.verify_log", str(watch.folder)]
        command += ["--json", "--quiet", "--key", str(watch.signer.key)]
        rows = watch.chain.store.ask(KEPT, (watch.signer.key.name,))
        for number, (note,) in enumerate(rows):
            path = Path(self._folder.name) / f"records-{number}"
            path.write_text(note, encoding="utf-8")
            command += ["--checkpoint", str(path)]
        self._out = (Path(self._folder.name) / "out").open("w+b")
        self._process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.DEVNULL)
        self._note(state="running")

    def over(self) -> bool:
        """Go on a little; whether it has come to its end."""
        if self._told is None:
            if self._process.poll() is None:
                return False
            self._out.seek(0)
            try:
                self._told = json.loads(self._out.read())
            except ValueError:
                self._close("failed", "the verifier did not end well")
                return True
            self._size = self._told["size"]
            self._found = [Finding(**one) for one in self._told["findings"]]
        if not self._found and self._at < self._size:
            until = min(self._at + SLICE, self._size)
            self._found = self.watch.rows(self._at, until, self._size)
            self._at = until
            return False
        told = self._told
        self.watch._end(self._found, told["hashed"], self._size, told["root"], whole=True)
        self._close("damaged" if self._found else "good", "\n".join(map(str, self._found[:50])))
        return True

    def end(self) -> None:
        """The node stops: it is asked again at the next start."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._folder.cleanup()

    def _close(self, state: str, found: str) -> None:
        told = self._told or {}
        self._note(
            state=state, found=found, size=told.get("hashed", 0), root=told.get("root", ""),
            ended=self.watch.chain.clock.now(),
        )  # fmt: skip
        self.end()

    def _note(self, **values: Any) -> None:
        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            row = records.find(Verification, self.id)
            for name, value in values.items():
                setattr(row, name, value)
            return None, ()

        self.watch.submit("verify", body)


def _placed(said: str) -> tuple[str, str]:
    """«file: why» as both."""
    file, colon, why = said.partition(": ")
    return (file, why) if colon and (" " not in file or file == FILE) else ("log", said)

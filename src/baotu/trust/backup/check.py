"""Is every byte of the store what was written? Needs no passphrase: signatures and hashes suffice.

Says what is wrong and where; never stops at the first fault.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..primitives import Forged, Public, Suite, verifier_of
from .form import CHUNKS, IDENTITY, RECOVERY, RUNS, Chunk, Run, identity_of, read_run, run_name
from .objects import PART, Objects

Tell = Callable[[int, int], None]  # done, of how many bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """where: the object. kind: changed | missing | foreign | rolled back | unchecked."""

    where: str
    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.why}"


@dataclass(slots=True)
class Checked:
    """runs: those that are whole as such, by number. bytes, chunks: what was read."""

    runs: dict[int, Run] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    chunks: int = 0
    bytes: int = 0
    sampled: bool = False

    @property
    def newest(self) -> Run | None:
        return self.runs[max(self.runs)] if self.runs else None


def check(
    objects: Objects,
    suite: Suite,
    signer: Public,
    *,
    expected: tuple[int, bytes] = (0, b""),
    share: float = 1.0,
    tell: Tell = lambda done, total: None,
) -> Checked:
    """expected: number and hash of the newest run that somebody remembers. share: of the chunks
    that are read; their being there and their sizes are not enough, so 1.0 reads all."""
    found = Checked(sampled=share < 1.0)
    _runs(objects, suite, signer, found)
    _chain(found, expected)
    _identity(objects, suite, found)
    wanted = {c.name: c for run in found.runs.values() for c in run.chunks}
    _chunks(objects, suite, wanted, found, share, tell)
    found.faults += _strangers(objects, found, wanted)
    return found


def signer_in(objects: Objects, pinned: str = "") -> Public:
    """The signer that the store names; pinned: the one the node remembers. Raises Forged."""
    return verifier_of((pinned or identity_of(objects.get(IDENTITY)).signer).encode())


def _runs(objects: Objects, suite: Suite, signer: Public, found: Checked) -> None:
    for name in sorted(objects.names(RUNS)):
        if name.endswith(PART):
            continue
        data = objects.get(name)
        try:
            run = read_run(suite, signer, data or b"")
        except Forged as error:
            found.faults.append(Fault(where=name, kind="changed", why=str(error)))
            continue
        if name != run_name(run.head.number):
            why = f"holds run {run.head.number}"
            found.faults.append(Fault(where=name, kind="foreign", why=why))
            continue
        found.runs[run.head.number] = run


def _chain(found: Checked, expected: tuple[int, bytes]) -> None:
    """The newest run names those before it that must be there, as they were."""
    number, hash = expected
    if number and max(found.runs, default=0) < number:
        if not any(f.where == run_name(number) for f in found.faults):
            why = f"run {number} was written, the newest here is {max(found.runs, default=0)}"
            found.faults.append(Fault(where=run_name(number), kind="rolled back", why=why))
    elif number in found.runs and found.runs[number].hash != hash:
        why = "it is not the run that was written"
        found.faults.append(Fault(where=run_name(number), kind="changed", why=why))
    newest = found.newest
    if newest is None:
        return
    for number, text in newest.head.kept:
        run = found.runs.get(number)
        if run is None:
            if not any(f.where == run_name(number) for f in found.faults):
                why = f"run {newest.head.number} names it"
                found.faults.append(Fault(where=run_name(number), kind="missing", why=why))
        elif run.hash.hex() != text:
            why = f"not as run {newest.head.number} names it"
            found.faults.append(Fault(where=run_name(number), kind="changed", why=why))
    stores = {run.head.store for run in found.runs.values()}
    for number, run in found.runs.items():
        if len(stores) > 1 and run.head.store != newest.head.store:
            why = "of another store"
            found.faults.append(Fault(where=run_name(number), kind="foreign", why=why))


def _identity(objects: Objects, suite: Suite, found: Checked) -> None:
    if found.newest is None:
        return
    head = found.newest.head
    for name, hash in ((IDENTITY, head.identity), (RECOVERY, head.recovery)):
        data = objects.get(name)
        if data is None:
            found.faults.append(Fault(where=name, kind="missing", why="every store has it"))
        elif suite.hash(data).hex() != hash:
            found.faults.append(Fault(where=name, kind="changed", why="not as it was written"))


def _chunks(
    objects: Objects,
    suite: Suite,
    wanted: dict[str, Chunk],
    found: Checked,
    share: float,
    tell: Tell,
) -> None:
    names = sorted(wanted)
    if share < 1.0:
        names = sorted(random.sample(names, max(1, round(len(names) * share)))) if names else []
    total = sum(wanted[name].size for name in names)
    for name in names:
        chunk, data = wanted[name], objects.get(name)
        if fault := fault_of(suite, chunk, data):
            found.faults.append(fault)
        found.chunks += 1
        found.bytes += chunk.size
        tell(found.bytes, total)


def fault_of(suite: Suite, chunk: Chunk, data: bytes | None) -> Fault | None:
    if data is None:
        return Fault(where=chunk.name, kind="missing", why="a run names it")
    if len(data) != chunk.size:
        why = f"{len(data)} bytes, {chunk.size} were written"
        return Fault(where=chunk.name, kind="changed", why=why)
    if suite.hash(data) != chunk.hash:
        return Fault(where=chunk.name, kind="changed", why="not the bytes that were written")
    return None


def _strangers(objects: Objects, found: Checked, wanted: dict[str, Chunk]) -> Iterator[Fault]:
    """Objects nobody wrote. What a fall left behind is of a run that is not there: nobody reads it."""
    runs, faulty = set(found.runs), {f.where for f in found.faults}
    for name in objects.names():
        if name in wanted or name in faulty or name in (IDENTITY, RECOVERY) or name.endswith(PART):
            continue
        folder, _, last = name.partition("/")
        if folder == RUNS and last.isdigit() and int(last) in runs:
            continue
        left = last.rpartition(".")[2]
        if folder == CHUNKS and left.isdigit() and _unread(faulty):
            yield Fault(where=name, kind="unchecked", why="a run that may name it cannot be read")
        elif folder == CHUNKS and left.isdigit() and int(left) not in runs:
            continue  # a run or its removal was cut off; the next run tidies up
        else:
            yield Fault(where=name, kind="foreign", why="no run names it")


def _unread(faulty: set[str]) -> bool:
    """A run whose listing nobody can read may have named anything."""
    return any(where.startswith(RUNS) for where in faulty)

"""Every way to tamper with the raw files of a log that we could think of, at random places.

Each kind changes a folder and says which files were touched and where the first record that is no
longer what it was stands. `Folder.restore` puts everything back.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from baotu.trust.audit.formats import (
    END,
    HISTORY,
    NEWEST,
    SHA256,
    STEP,
    WIDTH,
    Checkpoint,
    place,
    read_checkpoint,
    split,
    widths,
)
from baotu.trust.audit.keys import Ed25519Signer, sign
from baotu.trust.audit.record import Canonical
from baotu.trust.audit.verify_log import Finding, Report
from tests.trust.audit.logs import row

STRANGER = Ed25519Signer("plant/hub", bytes(32))


@dataclass(frozen=True, slots=True)
class Done:
    """files: any of which is rightly called damaged. record: the first that differs, None when no
    record does. span: how closely it can be told, in records."""

    files: frozenset[str]
    record: int | None = None
    span: int = 1


class Folder:
    """A log that is tampered with and put back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = read_checkpoint((path / NEWEST).read_bytes())
        self.size = self.now.size
        self.names = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
        self._before: dict[str, bytes | None] = {}

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        self._before.setdefault(name, self.read(name) if (self.path / name).exists() else None)
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(data)

    def remove(self, name: str) -> None:
        self._before.setdefault(name, self.read(name))
        (self.path / name).unlink()

    def restore(self) -> None:
        for name, data in self._before.items():
            if data is None:
                (self.path / name).unlink(missing_ok=True)
            else:
                (self.path / name).write_bytes(data)
        self._before.clear()

    def changed(self) -> bool:
        return any(
            not (self.path / name).exists() or self.read(name) != data
            for name, data in self._before.items()
        )

    # -- where things are -----------------------------------------------------------------------
    def bundle(self, number: int) -> str:
        return place("entries", number, min(WIDTH, self.size - number * WIDTH))

    def tile(self, level: int, number: int) -> str:
        return place(level, number, min(WIDTH, (self.size >> 8 * level) - number * WIDTH))

    def entries(self, number: int) -> list[bytes]:
        return list(split(self.read(self.bundle(number))))

    def keep(self, number: int, entries: list[bytes]) -> None:
        framed = b"".join(len(e).to_bytes(2, "big") + e for e in entries)
        self.write(self.bundle(number), framed)

    def retile(self, number: int, upto: int = 99) -> None:
        """Make the tiles above a bundle agree with it, as who knows the format would."""
        row = SHA256.leaves(self.entries(number))
        for level, (full, width) in enumerate(widths(self.size)):
            if level > upto or number > full or (number == full and not width):
                return
            if level == 0:
                hashes = row
            else:
                data = self.read(self.tile(level, number))
                hashes = [data[i : i + 32] for i in range(0, len(data), 32)]
                hashes[slot] = root  # noqa: F821 - of the level below
            self.write(self.tile(level, number), b"".join(hashes))
            if len(hashes) < WIDTH:
                return
            root, slot, number = SHA256.root(hashes), number % WIDTH, number // WIDTH  # noqa: F841


Kind = Callable[[Folder, random.Random], Done]


def record_at(data: bytes, offset: int) -> int:
    """Which entry of a bundle a byte belongs to."""
    at = number = 0
    while at < len(data):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
        if offset < at:
            return number
        number += 1
    return number - 1


def bytes_done(folder: Folder, name: str, offset: int, before: bytes) -> Done:
    """What a change of the bytes from an offset on means."""
    if name.startswith("tile/entries/"):
        number = next(n for n in range(-(-folder.size // WIDTH)) if folder.bundle(n) == name)
        first = number * WIDTH + record_at(before, min(offset, len(before) - 1))
        return Done(frozenset({name}), first)
    if name == HISTORY:
        return Done(frozenset({f"{HISTORY}#{n}" for n in range(999)} | {HISTORY}))
    return Done(frozenset({name}))


def some(folder: Folder, random: random.Random) -> str:
    """Any file; bundles, tiles and the few others alike."""
    groups = [
        [n for n in folder.names if n.startswith("tile/entries/")],
        [n for n in folder.names if n.startswith("tile/") and not n.startswith("tile/entries/")],
        [n for n in folder.names if not n.startswith("tile/")],
    ]
    return random.choice(random.choices(groups, (5, 3, 1))[0])


def flip(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    data = bytearray(folder.read(name))
    at = random.randrange(len(data))
    data[at] ^= 1 << random.randrange(8)
    before = folder.read(name)
    folder.write(name, bytes(data))
    return bytes_done(folder, name, at, before)


def overwrite(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    at = random.randrange(len(before))
    more = bytes(b ^ random.randrange(1, 256) for b in before[at : at + random.randrange(1, 40)])
    folder.write(name, before[:at] + more + before[at + len(more) :])
    return bytes_done(folder, name, at, before)


def insert(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    at = random.randrange(len(before) + 1)
    folder.write(name, before[:at] + random.randbytes(random.randrange(1, 40)) + before[at:])
    after = folder.read(name)  # bytes like those behind them move the first that differs
    at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), at)
    return bytes_done(folder, name, at, before)


def delete(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    at = random.randrange(len(before))
    after = before[:at] + before[at + random.randrange(1, 40) :]
    folder.write(name, after)
    at = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after)
    )
    return bytes_done(folder, name, at, before)


def truncate(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    at = random.randrange(len(before))
    folder.write(name, before[:at])
    return bytes_done(folder, name, at, before)


def remove(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    folder.remove(name)
    return bytes_done(folder, name, 0, before)


def empty(folder: Folder, random: random.Random) -> Done:
    name = some(folder, random)
    before = folder.read(name)
    folder.write(name, b"")
    return bytes_done(folder, name, 0, before)


def another(folder: Folder, random: random.Random) -> Done:
    """One file's content in the place of another's."""
    while True:
        name, other = some(folder, random), some(folder, random)
        before, after = folder.read(name), folder.read(other)
        if before != after:
            break
    folder.write(name, after)
    at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return bytes_done(folder, name, at, before)


def _picked(folder: Folder, random: random.Random) -> tuple[int, list[bytes], int]:
    index = random.randrange(folder.size)
    number, at = divmod(index, WIDTH)
    return number, folder.entries(number), at


def edit(folder: Folder, random: random.Random) -> Done:
    """Another record in the place of one, well formed."""
    number, entries, at = _picked(folder, random)
    entries[at] = _forged(number * WIDTH + at + 1, random)
    folder.keep(number, entries)
    return Done(frozenset({folder.bundle(number)}), number * WIDTH + at)


def _forged(id: int, random: random.Random) -> bytes:
    words = list(row(id))
    words[random.choice((3, 6, 7))] = f"forged {random.random()}"
    return Canonical()(tuple(words))


def edit_and_tile(folder: Folder, random: random.Random) -> Done:
    """With the leaf hash beside it made to fit."""
    number, entries, at = _picked(folder, random)
    entries[at] = _forged(number * WIDTH + at + 1, random)
    folder.keep(number, entries)
    folder.retile(number, 0)
    return _whole(folder, number, at)


def _whole(folder: Folder, number: int, at: int) -> Done:
    names = {folder.bundle(number), folder.tile(0, number), NEWEST, HISTORY}
    names |= {f"{HISTORY}#{n}" for n in range(999)}
    return Done(frozenset(names), number * WIDTH + at, STEP)


def edit_and_all(folder: Folder, random: random.Random) -> Done:
    """With every hash up to the root made to fit; only the signature is not to be had."""
    number, entries, at = _picked(folder, random)
    entries[at] = _forged(number * WIDTH + at + 1, random)
    folder.keep(number, entries)
    folder.retile(number)
    return _whole(folder, number, at)


def drop_record(folder: Folder, random: random.Random) -> Done:
    number, entries, at = _picked(folder, random)
    del entries[at]
    folder.keep(number, entries)
    return Done(frozenset({folder.bundle(number)}), number * WIDTH + at)


def add_record(folder: Folder, random: random.Random) -> Done:
    number, entries, at = _picked(folder, random)
    entries.insert(at, _forged(7, random))
    folder.keep(number, entries)
    return Done(frozenset({folder.bundle(number)}), number * WIDTH + at)


def repeat(folder: Folder, random: random.Random) -> Done:
    """One record over another."""
    number, entries, at = _picked(folder, random)
    entries[at] = random.choice([e for e in entries if e != entries[at]] or [b"{}"])
    folder.keep(number, entries)
    return Done(frozenset({folder.bundle(number)}), number * WIDTH + at)


def reorder(folder: Folder, random: random.Random) -> Done:
    """Two records change places within a bundle."""
    while len(folder.entries(number := _picked(folder, random)[0])) < 2:
        continue
    entries = folder.entries(number)
    a, b = sorted(random.sample(range(len(entries)), 2))
    entries[a], entries[b] = entries[b], entries[a]
    folder.keep(number, entries)
    return Done(frozenset({folder.bundle(number)}), number * WIDTH + a)


def reorder_far(folder: Folder, random: random.Random) -> Done:
    """Two records of two bundles."""
    a, b = sorted(random.sample(range(-(-folder.size // WIDTH)), 2))
    first, second = folder.entries(a), folder.entries(b)
    i, j = random.randrange(len(first)), random.randrange(len(second))
    first[i], second[j] = second[j], first[i]
    folder.keep(a, first)
    folder.keep(b, second)
    return Done(frozenset({folder.bundle(a), folder.bundle(b)}), a * WIDTH + i)


def swap_bundles(folder: Folder, random: random.Random) -> Done:
    a, b = sorted(random.sample(range(folder.size // WIDTH), 2))
    first, second = folder.read(folder.bundle(a)), folder.read(folder.bundle(b))
    folder.write(folder.bundle(a), second)
    folder.write(folder.bundle(b), first)
    return Done(frozenset({folder.bundle(a), folder.bundle(b)}), a * WIDTH)


def swap_bundles_and_tiles(folder: Folder, random: random.Random) -> Done:
    done = swap_bundles(folder, random)
    assert done.record is not None
    names = sorted(done.files)
    tiles = [name.replace("tile/entries/", "tile/0/") for name in names]
    first, second = folder.read(tiles[0]), folder.read(tiles[1])
    folder.write(tiles[0], second)
    folder.write(tiles[1], first)
    return Done(frozenset({*names, *tiles}), done.record, WIDTH)


def swap_tiles(folder: Folder, random: random.Random) -> Done:
    a, b = random.sample(range(folder.size // WIDTH), 2)
    first, second = folder.read(folder.tile(0, a)), folder.read(folder.tile(0, b))
    folder.write(folder.tile(0, a), second)
    folder.write(folder.tile(0, b), first)
    return Done(frozenset({folder.tile(0, a), folder.tile(0, b)}))


def cut(folder: Folder, random: random.Random) -> Done:
    """The last records go, with their tiles; the checkpoint stays."""
    keep = random.randrange(folder.size - 1) + 1
    keep = max(keep, folder.size - WIDTH * 3)
    names = set()
    for number in range(keep // WIDTH, -(-folder.size // WIDTH)):
        for name in (folder.bundle(number), folder.tile(0, number)):
            names.add(name)
            folder.remove(name)
    left = keep % WIDTH
    number = keep // WIDTH
    if left:
        entries = list(split(folder._before[folder.bundle(number)] or b""))[:left]
        framed = b"".join(len(e).to_bytes(2, "big") + e for e in entries)
        folder.write(place("entries", number, left), framed)
        folder.write(place(0, number, left), b"".join(SHA256.leaves(entries)))
    return Done(frozenset(names), keep, WIDTH)


def back(folder: Folder, random: random.Random) -> Done:
    """An older checkpoint, rightly signed, in the place of the newest."""
    older = folder.read(HISTORY).split(END)[:-1]
    data = random.choice([one for one in older if one + b"\n" != folder.read(NEWEST)]) + b"\n"
    folder.write(NEWEST, data)
    size = read_checkpoint(data).size
    ahead = {folder.bundle(size // WIDTH), NEWEST}
    return Done(frozenset(ahead), size)


def back_and_history(folder: Folder, random: random.Random) -> Done:
    """The same, with the later checkpoints taken away too."""
    done = back(folder, random)
    size = read_checkpoint(folder.read(NEWEST)).size
    parts = folder.read(HISTORY).split(END)[: size // STEP]
    folder.write(HISTORY, b"".join(part + END for part in parts))
    return done


def forge(folder: Folder, random: random.Random) -> Done:
    """A checkpoint of one's own, signed by a stranger."""
    size = random.randrange(1, folder.size + 100)
    made = sign(STRANGER, Checkpoint(folder.now.origin, size, random.randbytes(32)))
    folder.write(NEWEST, bytes(made))
    return Done(frozenset({NEWEST}))


def cut_history(folder: Folder, random: random.Random) -> Done:
    """Kept checkpoints go, from the end, from the begin or between."""
    parts = folder.read(HISTORY).split(END)[:-1]
    del parts[random.randrange(len(parts))]
    folder.write(HISTORY, b"".join(part + END for part in parts))
    return Done(frozenset({HISTORY, *(f"{HISTORY}#{n}" for n in range(999))}))


KINDS: tuple[Kind, ...] = (
    flip, overwrite, insert, delete, truncate, remove, empty, another, edit, edit_and_tile,
    edit_and_all, drop_record, add_record, repeat, reorder, reorder_far, swap_bundles,
    swap_bundles_and_tiles, swap_tiles, cut, back, back_and_history, forge, cut_history,
)  # fmt: skip


def located(report: Report, done: Done) -> bool:
    """Whether a finding names a touched file and, where a record differs, that record."""
    return any(_fits(finding, done) for finding in report.findings[:3])


def _fits(finding: Finding, done: Done) -> bool:
    if finding.file not in done.files:
        return False
    if done.record is None:
        return True
    if finding.record is None:
        return False
    until = finding.until or finding.record + 1
    if done.span == 1:
        return finding.record == done.record
    return finding.record <= done.record < until and until - finding.record <= done.span

"""Verify a transparency log from its plain files, with nothing but this file.

    python verify_log.py FOLDER [--key KEY] [--checkpoint FILE] [--witness KEY] [--json]
    python verify_log.py --proof FILE --key KEY

Hashes every stored record again (RFC 6962, 2.1), compares it with the stored tiles, the tiles with
one another and the whole with the signed checkpoint; says which file and which record is damaged
first. Needs Python and `cryptography`; knows nothing of the platform and never writes.

FOLDER has the layout of https://c2sp.org/tlog-tiles: `checkpoint`, `tile/…`, `tile/entries/…`;
besides that `checkpoints`, every earlier checkpoint that was kept, and `key`, the log's public key.
Ends with 0: proved; 1: damaged; 2: it cannot be judged (no such folder, no key, misuse).
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .formats import (
    COSIGNED,
    END,
    ENTRIES,
    HISTORY,
    KINDS,
    NEWEST,
    SHA256,
    STEP,
    WIDTH,
    Checkpoint,
    Damaged,
    Key,
    Kind,
    climb,
    place,
    read_checkpoint,
    read_key,
    unbase64,
)
from .scan import Files, Finding, Scan

PAUSE_S, PATIENCE_S = 0.2, 4.0


@dataclass(slots=True)
class Report:
    """The outcome. Nothing is proved when `findings` is not empty."""

    origin: str = ""
    size: int = 0
    root: str = ""
    hashed: int = 0  # records
    key: str = ""
    key_given: bool = False
    signers: list[str] = field(default_factory=list)
    compared: int = 0  # earlier checkpoints
    findings: list[Finding] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.findings


def verify(
    folder: Path,
    key: Key | None = None,
    checkpoints: Sequence[tuple[str, bytes]] = (),
    witnesses: Sequence[Key] = (),
    tell: Callable[[int, int], None] = lambda done, of: None,
    kinds: Mapping[bytes, Kind] = KINDS,
    patience_s: float = 0.0,
) -> Report:
    """Everything in a folder, against its own checkpoint and those (name, bytes) kept elsewhere.

    patience_s: how long a writer is waited for whose files are ahead of its checkpoint.
    """
    report, find = Report(key_given=key is not None), []
    try:
        stored = (folder / "key").read_text(encoding="utf-8")
        own = read_key(stored, kinds)
        if stored != f"{key or own}\n":
            find.append(Finding("key", f"is not the key {key or own}"))
        key = key or own
    except (FileNotFoundError, UnicodeDecodeError, Damaged) as error:
        find.append(Finding("key", "is missing" if isinstance(error, OSError) else str(error)))
    if key is not None:
        report.key = str(key)
    known, wrong = _witnesses(folder, kinds)
    find += wrong
    now = _newest(folder, key, report, find)
    earlier = list(_kept(folder, key, checkpoints, [*known, *witnesses], report, find))
    if now is None:
        now = max((c for _, c in earlier), key=lambda c: c.size, default=None)
    if now is not None:
        _scan(folder, now, earlier, key, report, find, tell)
        if not _moved(folder, now):
            ahead = [*_later(now, earlier), *_ahead(folder, now)]
            waits = range(round(patience_s / PAUSE_S) if ahead else 0)
            if not any(_moved(folder, now, PAUSE_S) for _ in waits):
                find += ahead[:1]
    report.findings = find
    return report


def _witnesses(folder: Path, kinds: Mapping[bytes, Kind]) -> tuple[list[Key], list[Finding]]:
    try:
        text = (folder / "witnesses").read_text(encoding="utf-8")
        keys = [read_key(line, kinds) for line in text.splitlines()]
        if "".join(f"{key}\n" for key in keys) != text:
            raise Damaged("not in its canonical form")
        return keys, []
    except FileNotFoundError:
        return [], []
    except (UnicodeDecodeError, Damaged) as error:
        return [], [Finding("witnesses", str(error))]


def _newest(
    folder: Path, key: Key | None, report: Report, find: list[Finding]
) -> Checkpoint | None:
    try:
        now = read_checkpoint((folder / NEWEST).read_bytes())
        if key is not None:
            _signed(now, key, ())
    except FileNotFoundError:
        find.append(Finding(NEWEST, "is missing"))
    except (Damaged, OSError) as error:
        find.append(Finding(NEWEST, str(error)))
    else:
        report.origin, report.size = now.origin, now.size
        report.root = base64.b64encode(now.root).decode()
        return now
    return None


def _signed(checkpoint: Checkpoint, key: Key, witnesses: Sequence[Key]) -> list[str]:
    found = checkpoint.signers([key, *witnesses], strict=True)
    if checkpoint.origin != key.name or key not in [signer for signer, _ in found]:
        raise Damaged("is not signed by the log's key")
    return [signer.name for signer, _ in found if signer != key]


def _kept(
    folder: Path,
    key: Key | None,
    given: Sequence[tuple[str, bytes]],
    witnesses: Sequence[Key],
    report: Report,
    find: list[Finding],
) -> Iterator[tuple[str, Checkpoint]]:
    """Earlier checkpoints whose signatures hold: those of the folder, those kept elsewhere."""
    for name, data in [*_history(folder, find), *_cosigned(folder), *given]:
        try:
            one = read_checkpoint(data)
            if key is not None and name == COSIGNED:
                report.signers = _signed(one, key, witnesses)
            elif key is not None and key not in [k for k, _ in one.signers([key])]:
                raise Damaged("is not signed by the log's key")
        except Damaged as error:
            find.append(Finding(name, str(error)))
            continue
        number = name.partition("#")[2]
        if number and one.size != (int(number) + 1) * STEP:
            find.append(Finding(name, f"is of {one.size} records, not {(int(number) + 1) * STEP}"))
        yield name, one


def _history(folder: Path, find: list[Finding]) -> Iterator[tuple[str, bytes]]:
    """`checkpoints`: one of every STEP records, each followed by a line with a form feed."""
    try:
        own = (folder / HISTORY).read_bytes()
    except FileNotFoundError:
        return
    parts = [part + b"\n" for part in own.split(END)[:-1]]
    if b"".join(part[:-1] + END for part in parts) != own:
        find.append(Finding(HISTORY, "ends within a checkpoint"))
    for number, part in enumerate(parts):
        yield f"{HISTORY}#{number}", part


def _cosigned(folder: Path) -> Iterator[tuple[str, bytes]]:
    try:
        yield COSIGNED, (folder / COSIGNED).read_bytes()
    except FileNotFoundError:
        return


def _scan(
    folder: Path, now: Checkpoint, earlier: Sequence[tuple[str, Checkpoint]], key: Key | None,
    report: Report, find: list[Finding], tell: Callable[[int, int], None],
) -> None:  # fmt: skip
    hashing = key.kind.hashing if key is not None else SHA256
    scan = Scan(Files(folder), now.size, now.root, hashing, tell)
    within = [(name, one) for name, one in earlier if one.size <= now.size]
    roots = scan.run([one.size for _, one in within])
    report.hashed, report.compared = now.size, len(earlier)
    find += scan.findings
    sound = _compared(within, roots, scan, find)
    if scan.computed != now.root and not scan.findings:
        why = "its root is not that of the records: they were changed together with all hashes"
        find.append(Finding(NEWEST, why, sound, now.size))
    kept = [n for n, _ in within if n.startswith(f"{HISTORY}#")]
    if not any(f.file.startswith(HISTORY) for f in find) and len(kept) < now.size // STEP:
        find.append(Finding(HISTORY, f"holds {len(kept)} checkpoints, not {now.size // STEP}"))


def _compared(
    within: Sequence[tuple[str, Checkpoint]],
    roots: Mapping[int, bytes],
    scan: Scan,
    find: list[Finding],
) -> int:
    """Up to where earlier checkpoints agree with the records."""
    sound = 0
    for name, one in sorted(within, key=lambda pair: pair[1].size):
        if roots[one.size] == one.root:
            sound = max(sound, one.size)
        elif not scan.findings:
            why = f"its root is not that of the first {one.size} records: the past was changed"
            find.append(Finding(name, why, sound, one.size))
            break
    return sound


def _moved(folder: Path, now: Checkpoint, pause_s: float = 0.0) -> bool:
    """Whether a writer has gone on meanwhile."""
    if pause_s:
        threading.Event().wait(pause_s)
    try:
        newest = read_checkpoint((folder / NEWEST).read_bytes())
    except (OSError, Damaged):
        return False
    return newest.size > now.size


def _later(now: Checkpoint, earlier: Sequence[tuple[str, Checkpoint]]) -> Iterator[Finding]:
    for name, one in earlier:
        if one.size > now.size:
            why = f"{name} holds {one.size} records: the log was put back or cut"
            yield Finding(NEWEST, why, now.size, one.size)


def _ahead(folder: Path, now: Checkpoint) -> Iterator[Finding]:
    """Files that hold more than the checkpoint."""
    full, width = divmod(now.size, WIDTH)
    grown = (folder / place(ENTRIES, full, 1)).parent.glob("*")
    more = [int(p.name) for p in grown if p.name.isdigit() and int(p.name) > width]
    for name in (place(ENTRIES, full), *(place(ENTRIES, full, w) for w in more)):
        if (folder / name).exists():
            why = "holds more than the checkpoint: an unfinished write, or the checkpoint put back"
            yield Finding(name, why, now.size)


def verify_proof(data: bytes, key: Key, witnesses: Sequence[Key] = ()) -> tuple[bytes, Report]:
    """A proof after https://c2sp.org/tlog-proof whose extra data is the record; the record, and
    what its checkpoint says. Raises Damaged."""
    head, _, note = data.partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3 or not lines[1].startswith("extra "):
        raise Damaged("this is no proof with its record")
    entry = unbase64(lines[1].removeprefix("extra "))
    word, _, number = lines[2].partition(" ")
    if word != "index" or not number.isdigit() or str(int(number)) != number:
        raise Damaged("the proof names no index")
    now, hashing = read_checkpoint(note), key.kind.hashing
    signers = now.signers([key, *witnesses])
    if now.origin != key.name or key not in [signer for signer, _ in signers]:
        raise Damaged("the checkpoint is not signed by the log's key")
    path = [unbase64(line) for line in lines[3:]]
    if climb(int(number), now.size, hashing.leaf(entry), path, hashing) != now.root:
        raise Damaged(f"record {number} is not in the log of {now.size}")
    root = base64.b64encode(now.root).decode()
    names = [signer.name for signer, _ in signers if signer != key]
    return entry, Report(
        now.origin, now.size, root, hashed=1, key=str(key), key_given=True, signers=names
    )


# -- command line --------------------------------------------------------------------------------
def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    say = sys.stdout.write
    try:
        key = read_key(_text(options.key)) if options.key else None
        witnesses = [read_key(_text(word)) for word in options.witness]
        given = [(str(path), path.read_bytes()) for path in options.checkpoint]
        if options.proof:
            if key is None:
                raise Damaged("a proof is judged by a key: --key")
            return _one(options.proof, key, witnesses, say)
    except (Damaged, OSError) as error:
        sys.stderr.write(f"verify-log: {error}\n")
        return 2
    folder = found(options.folder) if options.folder else None
    if folder is None:
        sys.stderr.write(f"verify-log: {options.folder or 'no folder'}: 这里没有日志 no log here\n")
        return 2
    progress = _progress(options)
    report = verify(folder, key, given, witnesses, progress, patience_s=PATIENCE_S)
    if options.json:
        say(json.dumps(asdict(report) | {"good": report.good}, ensure_ascii=False) + "\n")
    else:
        _tell(report, say)
    return 0 if report.good else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify-log", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--key", default="", help="verifier key, or a file that holds it")
    parser.add_argument("--witness", action="append", default=[], help="key of a witness, or file")
    parser.add_argument("--checkpoint", action="append", default=[], type=Path, help="kept earlier")
    parser.add_argument("--proof", type=Path, help="one record's proof instead of a folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser.parse_args(arguments)


def found(folder: Path) -> Path | None:
    """The log in a folder: itself, or that of a node's data."""
    for one in (folder, folder / "audit" / "log", folder / "data" / "audit" / "log"):
        if (one / "checkpoint").exists() or (one / "tile").is_dir() or (one / "key").is_file():
            return one
    return None


def _text(word: str) -> str:
    return word if "+" in word else Path(word).read_text(encoding="utf-8")


def _progress(options: argparse.Namespace) -> Callable[[int, int], None]:
    if options.quiet or options.json or not sys.stderr.isatty():
        return lambda done, of: None

    def tell(done: int, of: int) -> None:
        if done % (WIDTH * 64) == 0 or done == of:
            sys.stderr.write(f"\r{done:,} / {of:,}" + "\n" * (done == of))

    return tell


def _one(path: Path, key: Key, witnesses: Sequence[Key], say: Callable[[str], Any]) -> int:
    try:
        entry, report = verify_proof(path.read_bytes(), key, witnesses)
    except Damaged as error:
        say(f"✗ {path}: {error}\n")
        return 1
    say(f"✓ 已证明 proved: in {report.origin}, size {report.size}, root {report.root}\n")
    say(entry.decode("utf-8", "replace") + "\n")
    return 0


def _tell(report: Report, say: Callable[[str], Any]) -> None:
    if report.good:
        say(f"✓ 已证明 proved: {report.hashed:,} records of {report.origin}, root {report.root}\n")
        say(f"  {report.compared} earlier checkpoints agree\n")
    else:
        say(f"✗ 已损坏 damaged: {report.origin or 'log'}, {report.size:,} records\n")
        for finding in report.findings:
            say(f"  {finding}\n")
    if report.signers:
        say(f"  见证 witnesses: {', '.join(report.signers)}\n")
    if not report.key_given:
        say("  ! 公钥取自文件夹本身；用 --key 给出另存的公钥 ")
        say("the key is the folder's own: give one that you kept elsewhere by --key\n")


if __name__ == "__main__":
    sys.exit(main())

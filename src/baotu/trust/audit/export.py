"""A log as one tar stream for outside witnesses: its files as a checkpoint has them, the verifier.

Never holds a secret: the log's private key is not in the folder of the log.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from .formats import COSIGNED, END, ENTRIES, HISTORY, NEWEST, STEP, WIDTH, Checkpoint, widths
from .formats import place as path_of
from .scan import Files
from .single import NAME, single

README = """\
这是一份审计日志的副本，任何人都可以验证。 This is a copy of an audit log; anybody can verify it.

    python {name} log [--key KEY] [--checkpoint FILE_YOU_KEPT_EARLIER]

{size} records, root {root}. The key is worth something only when you have it from elsewhere.
"""


def files(folder: Path, now: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file that a log of this checkpoint has. Raises OSError."""
    yield NEWEST, bytes(now)
    for name in ("key", "witnesses", COSIGNED):
        if (folder / name).exists():
            yield name, (folder / name).read_bytes()
    if now.size >= STEP:
        parts = (folder / HISTORY).read_bytes().split(END)[: now.size // STEP]
        yield HISTORY, b"".join(part + END for part in parts)
    stored = Files(folder)
    levels: list[tuple[int | str, int, int]] = [
        (level, full, width) for level, (full, width) in enumerate(widths(now.size))
    ]
    for level, full, width in [(ENTRIES, *divmod(now.size, WIDTH)), *levels]:
        for number in range(full + bool(width)):
            wide = WIDTH if number < full else width
            data, name = stored.read(level, number, wide)
            if data is None:
                raise FileNotFoundError(2, "is missing", name)
            yield path_of(level, number, wide), data


def tar(folder: Path, now: Checkpoint) -> Iterator[bytes]:
    """An uncompressed tar: `audit/log/…`, the verifier and a few words on how to use it."""
    about = README.format(name=NAME, size=now.size, root=now.text.decode().split("\n")[2])
    yield from _member("audit/README.txt", about.encode())
    yield from _member(f"audit/{NAME}", single().encode())
    for name, data in files(folder, now):
        yield from _member(f"audit/log/{name}", data)
    yield b"\0" * 1024


def _member(name: str, data: bytes) -> Iterator[bytes]:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(data), 0o644
    yield about.tobuf(tarfile.PAX_FORMAT)
    yield data + b"\0" * (-len(data) % 512)


def copy(folder: Path, to: Path, now: Checkpoint) -> None:
    """The same as files in a folder."""
    for name, data in files(folder, now):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(data)

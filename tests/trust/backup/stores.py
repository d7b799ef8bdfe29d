"""A small node's worth of files, and a store of backups of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from baotu.trust.backup.node import Memory, begin, remembered
from baotu.trust.backup.objects import Folder
from baotu.trust.backup.settings import rules
from baotu.trust.backup.take import Taken, sources_in, take
from baotu.trust.primitives import suite

PHRASE = "泉水叮咚 2026"
DAY = 86_400 * 10**9
BEGIN = 1_780_000_000 * 10**9


@dataclass
class Plant:
    """files: what is kept; store: where; memory: what the node knows of it."""

    folder: Path
    suite_name: str = "international"
    keep: str = "30d"
    day: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.suite = suite(self.suite_name)
        self.files, self.state, self.path = (self.folder / n for n in ("files", "state", "store"))
        self.path.mkdir(parents=True, exist_ok=True)
        self.objects = Folder(self.path)
        self.write("history/segments/a.parquet", self.random.randbytes(90_000))
        self.write("records.db", b"page of zeros\0" * 60_000)
        self.write("trust/empty", b"")
        _, self.state = begin(self.objects, self.state, self.suite, PHRASE)

    def write(self, name: str, data: bytes) -> None:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    @property
    def memory(self) -> Memory:
        found = remembered(self.state)
        assert found is not None
        return found

    def distrust(self, names: list[str]) -> None:
        from baotu.trust.backup.node import remember

        remember(self.state, msgspec.structs.replace(self.memory, distrusted=names))

    def take(self, objects: Folder | None = None) -> Taken:
        self.day += 1
        return take(
            objects or self.objects, self.state, self.memory, self.suite,
            list(sources_in(self.files, lambda path: path.endswith(".parquet"))),
            node="jinan", now=BEGIN + self.day * DAY, rules=rules(self.keep), facts={"rows": self.day},
            covers=["history"], without=[],
        )  # fmt: skip

    def content(self, folder: Path | None = None) -> dict[str, bytes]:
        top = folder or self.files
        return {
            p.relative_to(top).as_posix(): p.read_bytes() for p in top.rglob("*") if p.is_file()
        }

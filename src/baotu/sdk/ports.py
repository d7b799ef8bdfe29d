"""Ports: what rooms promise one another. Rooms implement them, `house.py` wires them.

History, Plant, Live, Board, Desk and Elements are what the console stands on, so an outside console could too.
All are safe to call from any thread; none needs an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from .app import Caller
from .asset import Asset, AssetType
from .errors import ConfigError
from .health import Health
from .link import Batch
from .reply import Reply as Reply
from .samples import Samples
from .tag import Tag

Stop = Callable[[], None]
Format = Literal["parquet", "csv", "arrow"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Buckets:
    """Aggregates of one tag in equal buckets; empty buckets are left out.

    start: int64 ns, begin of each bucket. count: int64, good samples in it. low, high, mean,
    first, last, total: float64 over the good samples. duration_ns: width of every bucket.
    """

    duration_ns: int
    start: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    first: np.ndarray
    last: np.ndarray
    total: np.ndarray


class History(Protocol):
    """What happened. Times are ns UTC, intervals [start, end), tags numbered by the hub."""

    def append(self, batches: Sequence[Batch]) -> list[bool]:
        """All in one durable transaction, with their sequences. For each: True, it is in history
        now or was before; False, it does not follow what is there: nothing of it was taken."""

    def spans(self, log: str) -> list[tuple[int, int]]:
        """The closed, disjoint intervals of sequences of a log that are in history."""

    def latest(self, tags: np.ndarray) -> list[Samples]:
        """The newest sample of each of `tags` that has one: numbers, then texts."""

    def read(self, tag: int, start: int, end: int, limit: int | None = None) -> Samples:
        """In order of time, at most `limit` of them."""

    def window(self, tag: int, start: int, end: int, points: int) -> Samples:
        """At most `points` samples that look like all: first, lowest, highest, last of each
        bucket are kept, so no spike is lost."""

    def aggregate(self, tag: int, start: int, end: int, bucket_ns: int) -> Buckets: ...

    def export(self, path: Path, tags: Sequence[int], start: int, end: int, format: Format) -> int:
        """Write a file; the number of samples in it."""

    def retain(self, before: int) -> int:
        """Forget what is older than `before`; the number of segments dropped."""

    def figures(self) -> Mapping[str, float]:
        """Samples held, bytes on disk, segments, commit times … for the console and /metrics."""


Place = tuple[int, ...]
"""How far a reader of the journal has come. Opaque: kept, given back, compared for equality."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrival:
    """What history committed between two places, each tag in its order; numbers before texts.

    live: what arrived as it happened. late: what came from a backlog, for those who look at the
    past. missing: samples in between that history has, but no longer in the order of arrival.
    """

    start: Place
    end: Place
    live: tuple[Samples, ...] = ()
    late: tuple[Samples, ...] = ()
    missing: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.live)) + sum(map(len, self.late))


class Journal(Protocol):
    """History in the order of its commits, for a reader that must miss nothing and repeat nothing."""

    def place(self) -> Place:
        """Behind everything that is committed."""

    def after(self, place: Place, limit: int) -> Arrival:
        """About `limit` samples that were committed after `place`. Where there are none, `end` is
        `place()`: what is committed next begins exactly there."""

    def follow(self, tell: Callable[[Arrival], None]) -> Stop:
        """`tell` hears each commit, in their order; it is called by the one who commits, while
        nobody else can: it must be quick and must not commit."""

    def hold(self, place: Place) -> None:
        """Someone has come as far as `place` and wants the rest in order. A bound limits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of an edge's log: sequences of its first and last frame, bytes on the disk."""

    first: int
    last: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """Frames read from an edge's log. last: all up to this sequence has been looked at.

    frames: (sequence, samples), in order. lost: frames among them that are no longer there.
    """

    last: int
    frames: tuple[tuple[int, Samples], ...] = ()
    lost: int = 0


class Past(Protocol):
    """What an edge has acquired, as it lies in its log: frames with sequences from 1 on."""

    @property
    def id(self) -> str:
        """Random; another one when the log began anew."""

    @property
    def last(self) -> int:
        """The newest sequence written, 0 for none."""

    @property
    def durable(self) -> int:
        """The newest one that survives a power cut."""

    def segments(self) -> Sequence[Segment]: ...

    def read(self, after: int, upto: int, size: int) -> Stretch:
        """after < sequence <= upto, about `size` bytes of the log. Takes milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPage:
    """Tags found, in order of name; `cursor` asks for the next ones, empty at the end."""

    tags: Sequence[Tag]
    total: int
    cursor: str = ""


class Plant(Protocol):
    """What exists: assets, their types, and the tag table of this node."""

    def tags(
        self, search: str = "", limit: int = 100, cursor: str = "", under: str = ""
    ) -> TagPage:
        """By part of name or title, Chinese or English, every word of `search` somewhere;
        `under`: only below this asset path."""

    def tag(self, name: str) -> Tag:
        """By name (`asset/property`) or number as text. Raises Invalid("tag", …) with the nearest."""

    def by_id(self, id: int) -> Tag | None: ...

    def all_tags(self) -> Sequence[Tag]: ...

    def ids(self, asset_type: str, property: str) -> np.ndarray:
        """int32: tags of this property of every asset of this type."""

    def assets(self, under: str = "") -> Sequence[Asset]: ...

    def asset(self, path: str) -> Asset | None: ...

    def types(self) -> Mapping[str, AssetType]: ...

    def version(self) -> int:
        """Grows with every change of tags or assets."""


class Live(Protocol):
    """Committed samples as they come."""

    def watch(self, tell: Callable[[Samples], None]) -> Stop:
        """`tell` must be quick; it is called on the hub's commit thread."""


class Board(Protocol):
    """How everything fares."""

    def healths(self, kind: str = "") -> list[Health]: ...

    def put(self, health: Health) -> None:
        """Replaces what was known of (kind, name). A change of state is logged once."""


class Actuators(Protocol):
    """Carries a decided write to the edge that has the tag, and its answer back."""

    def write(self, tag: int, value: float | str, deadline: int) -> Reply: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRow:
    """One of the 25 elements, with the newest evidence of each claim made for it."""

    id: str
    wing: Literal["network", "platform", "security"]
    title: str  # 中文 English
    asks: str  # 中文 English
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Evidence as it was recorded: when (ns UTC), by which app or part, what, with which figures."""

    time: int
    by: str
    claim: str
    figures: Mapping[str, str | int | float | bool]
    page: str = ""
    count: int = 1


class Elements(Protocol):
    def elements(self) -> list[ElementRow]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    time: int
    caller: str
    verb: str
    permission: str
    outcome: str
    reason: str
    id: int = 0


class Audit(Protocol):
    def records(
        self,
        limit: int = 200,
        search: str = "",
        before: int | None = None,
        organisations: frozenset[str] | None = None,
    ) -> list[AuditRow]:
        """The newest first. before: ns UTC. organisations: of these only; None: of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditState:
    """How the tamper-evident log fares. verified: when it was hashed again last, ns UTC, 0 never;
    hashed: how many records then; whole: all of them. findings: what is damaged, and where."""

    state: str
    why: str
    key: str
    origin: str
    size: int
    root: str
    waiting: int
    verified: int = 0
    hashed: int = 0
    whole: bool = False
    witnesses: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProof:
    """Record `index` is in the log of `size` with this root. text: c2sp.org/tlog-proof."""

    index: int
    size: int
    root: str
    text: bytes


class AuditLog(Protocol):
    """The log over the audit, read only. Raises Conflict when it cannot be read."""

    def state(self) -> AuditState: ...

    def checkpoint(self) -> bytes:
        """c2sp.org/tlog-checkpoint, with cosignatures where witnesses gave them."""

    def prove(self, record: int) -> AuditProof | None:
        """Of a row by its id; None: not sealed yet."""

    def consistency(self, old: int) -> list[bytes]:
        """RFC 9162, 2.1.4: that the log begins with its first `old` records."""

    def tile(self, level: int | None, number: int, width: int) -> bytes | None:
        """c2sp.org/tlog-tiles; level None: the records. None: there is no such tile."""

    def entries(self, since: int, limit: int) -> list[tuple[int, bytes]]:
        """(position, record) from a position on."""

    def export(self) -> Iterator[bytes]:
        """A tar of the log and its verifier."""


class Desk(Protocol):
    """The configuration: read, checked without effect, replaced."""

    def text(self) -> str: ...

    def path(self) -> Path: ...

    def check(self, text: str) -> list[ConfigError]:
        """Everything wrong with it, in order of the lines; empty when it would start."""

    def changes(self, text: str) -> list[str]:
        """What would start, stop or change, one line each (中文 English)."""

    def replace(self, text: str, caller: Caller, reason: str) -> list[str]:
        """Check, write the file (the old one is kept beside it), apply. Raises ConfigError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProcess:
    """A third-party app's own process.

    confined: by what, in words; empty: by nothing. limits: memory_mb, call_s, scratch_mb. figures:
    private_mb, rss_mb, cpu_s, calls, starts. state: granted, waiting, more or revoked.
    """

    source: str
    version: str
    confined: tuple[str, ...]
    limits: Mapping[str, float]
    figures: Mapping[str, float]
    state: str
    asks: tuple[str, ...]
    granted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppCard:
    """An installed app: what it is, what it may do, how it fares."""

    name: str
    title: str
    summary: str
    serves: tuple[str, ...]
    settings: Mapping[str, str | int | float | bool]
    listens: tuple[str, ...]
    permissions: tuple[str, ...]
    health: Health
    process: AppProcess | None = None  # of its own; None: it runs in the hub


class Apps(Protocol):
    def cards(self) -> list[AppCard]: ...


class Faults(Protocol):
    """Switches of the demo plant; absent when there is none."""

    def faults(self) -> list[Mapping[str, str | float | bool]]: ...

    def switch(self, name: str, on: bool) -> None: ...

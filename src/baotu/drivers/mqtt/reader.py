"""Messages in, columns out: which tags a topic holds, and their values, times and qualities.

Pure but for the line it declares to; a message that cannot be read is counted and kept, and
never stops the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from baotu.sdk import Found, Line, Malformed, Quality, Samples, Tag

from .address import Path, Pattern, parse_address, parse_path, walk
from .values import as_kind, as_time, kind_of, parse_json, raw_value

MOST_TOPICS = 200_000  # remembered; beyond it new topics are counted, not read
KEPT = 20  # unreadable messages kept, of at most KEPT_BYTES each
KEPT_BYTES = 4096
Message = tuple[str, bytes, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How payloads are read; paths as in an address.

    each: path of a list whose elements are read as a message each. value: where a pattern's
    value is; values: property → path, when a message carries several ("*": every scalar there).
    time: path of the time stamp, "" for the time of arrival; form: see `as_time`.
    retained: what an old message without a time stamp is: "uncertain", "good" or "ignored".
    """

    patterns: Sequence[Pattern] = ()
    value: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    time: str = ""
    form: str = "auto"
    each: str = ""
    retained: str = "uncertain"


@dataclass(slots=True)
class _Topic:
    """The tags of one topic. holes: of the pattern it fits, None when it fits none."""

    tags: list[tuple[Path, Tag]] = field(default_factory=list)
    holes: dict[str, str] | None = None
    known: set[Path] = field(default_factory=set)


class _Columns:
    def __init__(self) -> None:
        self.tag: list[int] = []
        self.time: list[int] = []
        self.value: list[float | str] = []
        self.quality: list[int] = []

    def add(self, tag: int, time: int, value: float | str, quality: int) -> None:
        self.tag.append(tag)
        self.time.append(time)
        self.value.append(value)
        self.quality.append(quality)

    def samples(self) -> Samples:
        return Samples.of(self.tag, self.time, self.value, self.quality)  # type: ignore[arg-type]


class Reader:
    """One for each session."""

    def __init__(self, line: Line, tags: Sequence[Tag], rules: Rules) -> None:
        self.line, self.rules = line, rules
        self.counts = dict.fromkeys(
            ("messages", "malformed", "mismatched", "unknown", "bad_times"), 0
        )
        self.kept: deque[tuple[str, str, bytes]] = deque(maxlen=KEPT)
        self.watchers: dict[int, Callable[[float | str], None]] = {}
        self.last: dict[int, float | str] = {}
        self._time, self._each = parse_path(rules.time), parse_path(rules.each)
        self._value = parse_path(rules.value)
        self._values = {name: parse_path(path) for name, path in rules.values.items()}
        self._topics: dict[str, _Topic] = {}
        self._ignored: set[str] = set()
        for tag in tags:
            topic, path = parse_address(tag)
            entry = self._topics.setdefault(topic, _Topic())
            entry.tags.append((path, tag))
            entry.known.add(path)
        for topic, entry in self._topics.items():
            entry.holes = self._fits(topic)

    def receive(self, messages: Sequence[Message]) -> None:
        """Read messages in their order and give the line at most one Samples of each kind."""
        numbers, texts = _Columns(), _Columns()
        now = self.line.now()
        self.counts["messages"] += len(messages)
        for topic, payload, retained in messages:
            entry = self._topics.get(topic) or self._meet(topic)
            if entry is None or (retained and self.rules.retained == "ignored"):
                continue
            try:
                self._read(topic, entry, payload, retained, now, numbers, texts)
            except Malformed as wrong:
                self.counts["malformed"] += 1
                self.kept.append((topic, str(wrong), payload[:KEPT_BYTES]))
        for columns in (numbers, texts):
            if columns.tag:
                self.line.deliver(columns.samples())
                self._remember(columns)

    def _read(
        self, topic: str, entry: _Topic, payload: bytes, retained: bool, now: int,
        numbers: _Columns, texts: _Columns,
    ) -> None:  # fmt: skip
        whole = not self._time and not self._each and self._is_raw(entry)
        document = raw_value(payload) if whole else parse_json(payload)
        for part in self._parts(document):
            if entry.holes is not None:
                self._discover(topic, entry, part)
            time, floor = self._when(part, document, retained, now)
            for path, tag in entry.tags:
                try:
                    value = walk(part, path) if path else part
                except LookupError:
                    continue  # a message need not tell everything
                columns = texts if tag.kind == "text" else numbers
                try:
                    told = as_kind(value, tag.kind)
                    quality = floor if told is not None else Quality.BAD_NO_DATA
                except ValueError as wrong:
                    told, quality = None, Quality.BAD_DECODING
                    self.counts["mismatched"] += 1
                    self.kept.append((f"{topic}: {tag.name}", str(wrong), payload[:KEPT_BYTES]))
                if told is None:
                    told = "" if tag.kind == "text" else float("nan")
                columns.add(tag.id, time, told, quality)

    def _parts(self, document: object) -> list[object]:
        if not self._each:
            return [document]
        try:
            parts = walk(document, self._each)
        except LookupError:
            return []
        return parts if isinstance(parts, list) else [parts]

    def _when(
        self, part: object, document: object, retained: bool, now: int
    ) -> tuple[int, Quality]:
        """The time of a message and the best quality its values can have. An element of a list
        without a time of its own has that of the whole."""
        if self._time:
            for place in (part, document):
                try:
                    time = as_time(walk(place, self._time), self.rules.form)
                except LookupError:
                    continue
                if time is not None:
                    return time, Quality.GOOD
            self.counts["bad_times"] += 1
        old = retained and self.rules.retained == "uncertain"
        return now, Quality.UNCERTAIN_LAST_USABLE if old else Quality.GOOD

    def _is_raw(self, entry: _Topic) -> bool:
        """Whether nothing needs a JSON document: the payload itself is the value."""
        asked = entry.holes is not None and (self._value or self._values)
        return not asked and all(not path for path, _ in entry.tags)

    # ------------------------------------------------------------------ tags met at run time
    def _fits(self, topic: str) -> dict[str, str] | None:
        for pattern in self.rules.patterns:
            holes = pattern.match(topic)
            if holes is not None:
                return holes
        return None

    def _meet(self, topic: str) -> _Topic | None:
        """A topic nobody configured: worth reading when it fits a pattern."""
        holes = None if topic in self._ignored else self._fits(topic)
        if holes is None or len(self._topics) >= MOST_TOPICS:
            self.counts["unknown"] += 1
            if len(self._ignored) < MOST_TOPICS:
                self._ignored.add(topic)
            return None
        entry = self._topics[topic] = _Topic(holes=holes)
        return entry

    def _discover(self, topic: str, entry: _Topic, part: object) -> None:
        """Declare what this message holds beyond the tags that are known."""
        found: list[tuple[Path, Found]] = []
        for name, path in self._wanted(entry, part):
            if path in entry.known:
                continue
            try:
                value = walk(part, path)
            except LookupError:
                continue
            kind = kind_of(value)
            if isinstance(value, str) and not path and value[:1] in ("{", "["):
                kind = None  # a document, and the pattern does not say where its values are
            if kind is not None:
                entry.known.add(path)
                place = (v for hole, v in (entry.holes or {}).items() if hole != "property")
                found.append((path, Found(address=_address(topic, path), name=name, kind=kind,
                                          path=tuple(place))))  # fmt: skip
        if not found:
            return
        tags = self.line.declare([one for _, one in found])
        entry.tags += [
            (path, tag) for (path, _), tag in zip(found, tags, strict=True) if tag.id >= 0
        ]

    def _wanted(self, entry: _Topic, part: object) -> list[tuple[str, Path]]:
        """(property, path) of the values a message of this topic may hold."""
        if not self._values:
            holes = entry.holes or {}
            last = str(self._value[-1]) if self._value else "value"
            return [(holes.get("property", last), self._value)]
        rows = [(name, path) for name, path in self._values.items() if name != "*"]
        if "*" in self._values:
            base = self._values["*"]
            try:
                under = walk(part, base)
            except LookupError:
                under = None
            if isinstance(under, dict):
                rows += [(key, (*base, key)) for key in under if (*base, key) != self._time]
        return rows

    def _remember(self, columns: _Columns) -> None:
        self.last.update(zip(columns.tag, columns.value, strict=True))
        for tag, value in zip(columns.tag, columns.value, strict=True) if self.watchers else ():
            if tag in self.watchers:
                self.watchers[tag](value)


def _address(topic: str, path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{topic}#{text.removeprefix('.')}" if path else topic

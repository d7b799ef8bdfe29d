"""Addresses, JSON paths and topic patterns of plain MQTT. Pure: nothing here waits or connects."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from baotu.sdk import ConfigError, Tag

ADDRESS_HELP = (
    "topic#路径 path，例 e.g. plant/press3#temperature.value、plant/press3#readings[0].v；"
    "整个报文即为值时只写主题 the topic alone when the whole payload is the value: "
    "plant/press3/temperature"
)
Step = str | int
Path = tuple[Step, ...]
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_HOLE = re.compile(r"\{(\w+)\}")
MANY = 8  # topics that differ in one level alone become one subscription with a wildcard


def parse_path(text: str) -> Path:
    """`readings[0].v` → ("readings", 0, "v"). Raises ValueError saying where it is wrong."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"path {text!r} is wrong at {text[at:]!r}; write like a.b[0].c")
        steps.append(found[1] if found[1] is not None else int(found[2]))
        at = found.end()
    return tuple(steps)


def parse_address(tag: Tag) -> tuple[str, Path]:
    """(topic, path in its JSON payload; () for the whole). Raises ConfigError naming the tag."""
    topic, _, text = tag.address.partition("#")
    try:
        path = parse_path(text)
    except ValueError as wrong:
        raise ConfigError(f"address of tag {tag.name}: {wrong}") from None
    if not topic or "+" in topic or "\0" in topic or len(topic.encode()) > 65535:
        raise ConfigError(
            f"address {tag.address!r} of tag {tag.name} names no single topic",
            hint="one topic without wildcards, then # and the path: plant/press3#temperature",
        )
    return topic, path


def walk(document: object, path: Path) -> object:
    """What lies at a path. Raises LookupError when there is nothing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list):
                raise LookupError(step)
            document = document[step]
        elif isinstance(document, dict):
            document = document[step]
        else:
            raise LookupError(step)
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Topics that become tags when met: `factory/{asset}/{property}`; + and a last # fit anything.

    A hole is one level of the topic. {property} names the property; the others, in their order,
    are where the tag goes.
    """

    text: str
    filter: str
    expression: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Raises ConfigError for a pattern that is no topic."""
        levels, parts = text.split("/"), []
        for i, level in enumerate(levels):
            hole = _HOLE.fullmatch(level)
            if hole:
                parts.append(f"(?P<{hole[1]}>[^/]+)")
            elif level == "#" and i == len(levels) - 1:
                parts.append(".*")
            elif level == "+":
                parts.append("[^/]*")
            elif set(level) & set("{}+#"):
                raise ConfigError(
                    f"topic pattern {text!r} is wrong at {level!r}",
                    hint="a hole is a whole level: factory/{asset}/{property}",
                )
            else:
                parts.append(re.escape(level))
        filter = "/".join("+" if _HOLE.fullmatch(level) else level for level in levels)
        try:
            return cls(text=text, filter=filter, expression=re.compile("/".join(parts)))
        except re.error as wrong:
            raise ConfigError(f"topic pattern {text!r}: {wrong}") from None

    def match(self, topic: str) -> dict[str, str] | None:
        found = self.expression.fullmatch(topic)
        return found.groupdict() if found else None


def subscriptions(topics: Iterable[str], patterns: Sequence[Pattern] = ()) -> list[str]:
    """The filters to subscribe to. Where more than MANY topics differ in one level alone, that
    level becomes +: a few filters in place of thousands, at the price of some unwanted messages.

    >>> subscriptions(f"plant/press{i}/state" for i in range(20))
    ['plant/+/state']
    """
    rows = {tuple(topic.split("/")) for topic in topics}
    depth = max(map(len, rows), default=0)
    for level in reversed(range(depth)):
        groups: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
        for row in rows:
            if len(row) > level and not row[0].startswith("$"):
                groups[(*row[:level], "+", *row[level + 1 :])].append(row)
        for general, members in groups.items():
            if len(members) > MANY:
                rows.difference_update(members)
                rows.add(general)
    filters = {"/".join(row) for row in rows} | {pattern.filter for pattern in patterns}
    return sorted(one for one in filters if not any(covers(o, one) for o in filters if o != one))


def covers(wide: str, narrow: str) -> bool:
    """Whether all topics of the filter or topic `narrow` are topics of the filter `wide`."""
    ours, theirs = wide.split("/"), narrow.split("/")
    if ours[-1] == "#":
        ours, theirs = ours[:-1], theirs[: len(ours) - 1]
    return len(ours) == len(theirs) and all(
        a == "+" or a == b for a, b in zip(ours, theirs, strict=True)
    )

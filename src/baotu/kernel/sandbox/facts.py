"""What an app's process yielded, looked at before it becomes a fact. A lie drops the whole answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from baotu.sdk import Alarm, Event, Evidence, Fact, Job, Priority, Samples, Write

from . import frames
from .frames import Answer, Broken, Reader, bounded

MOST_FACTS = 10_000  # of one call
MOST_FIGURES, LONGEST = 64, 4000
LONGEST_PROBLEM = 4 << 20


class Lie(Broken):
    """A fact that this app may not tell; says which and why."""


class Elsewhere(Lie):
    """A write to a tag of another organisation, or to none."""

    def __init__(self, tag: int) -> None:
        self.tag = tag
        super().__init__(f"a write to tag {tag}, which is not there for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an app sees of the plant in one call.

    listens: tags that it may raise alarms on. within: whether a tag belongs to the caller's
    organisation. out: tags it derives here. solvers: by path.
    """

    app: str
    listens: Set[int]
    within: Callable[[int], bool]
    out: Set[int]
    serves: Set[str]
    solvers: Mapping[str, Callable[..., Any]]


def facts_of(answer: Answer, reader: Reader, sight: Sight) -> list[Fact]:
    """Raises Lie, Broken."""
    if len(answer.facts) > MOST_FACTS:
        raise Lie(f"{len(answer.facts)} facts in one answer, at most {MOST_FACTS} are taken")
    found = [_fact(told, reader, sight) for told in answer.facts]
    reader.end()
    return found


def _fact(told: frames.Told, reader: Reader, sight: Sight) -> Fact:
    match told:
        case frames.Raised():
            return _alarm(told, sight)
        case frames.Happened():
            if (
                not told.kind
                or len(told.kind) > 200
                or not bounded(told.data, MOST_FIGURES, LONGEST)
            ):
                raise Lie("an event that is too long")
            return Event(told.kind, told.data)
        case frames.Derived():
            return _samples(told, reader, sight)
        case frames.Wished():
            return _write(told, sight)
        case frames.Queued():
            return _job(told, sight)
        case frames.Proved():
            if told.element not in sight.serves:
                raise Lie(f"evidence for element {told.element[:20]!r}, which it does not serve")
            if len(told.claim) > LONGEST or not bounded(told.figures, MOST_FIGURES, LONGEST):
                raise Lie("evidence that is too long")
            if not _page(told.page):
                raise Lie("evidence with a page elsewhere")
            return Evidence(told.element, told.claim, told.figures, told.page)
    raise Broken(type(told).__name__)


def _alarm(told: frames.Raised, sight: Sight) -> Alarm:
    if told.tag not in sight.listens or not sight.within(told.tag):
        raise Lie(f"an alarm on tag {told.tag}, which it does not listen to")
    if not 0 <= told.time < 2**63:
        raise Lie("an alarm of another time")
    if len(told.message) > LONGEST or len(told.kind) > 200:
        raise Lie("an alarm with a text that is too long")
    try:
        priority = Priority(told.priority)
    except ValueError:
        raise Lie(f"an alarm of priority {told.priority}") from None
    return Alarm(told.tag, told.time, told.active, told.message, told.kind, priority)


def _samples(told: frames.Derived, reader: Reader, sight: Sight) -> Samples:
    samples = reader.take(told.columns)
    strange = set(np.unique(samples.tag).tolist()) - sight.out
    if strange:
        raise Lie(f"samples of tag {min(strange)}, which it does not derive")
    if len(samples) and int(samples.time.min()) < 0:
        raise Lie("samples of another time")
    return samples


def _write(told: frames.Wished, sight: Sight) -> Write:
    """Whether the app may write is decided where every write is: see `kernel.writes`."""
    for tag in (told.tag, *told.evidence[:100]):
        if not sight.within(tag):
            raise Elsewhere(tag)
    if len(told.reason) > LONGEST or len(told.evidence) > 100 or not 0 < told.expires_s <= 3600:
        raise Lie("a write that is too long or waits too long")
    return Write(told.tag, told.value, told.reason, told.expires_s, tuple(told.evidence))


def _job(told: frames.Queued, sight: Sight) -> Job:
    solve = sight.solvers.get(told.solve)
    if solve is None:
        raise Lie(f"a job {told.solve[:200]!r}, whose result it does not take")
    if len(told.problem) > LONGEST_PROBLEM or not -(2**63) <= told.seed < 2**63:
        raise Lie("a job that is too long")
    try:
        problem = msgspec.json.decode(told.problem)
    except (msgspec.MsgspecError, RecursionError):
        raise Lie("a job whose problem is no JSON") from None
    return Job(solve, problem, told.seed)


def _page(page: str) -> bool:
    return len(page) <= 500 and (not page or (page.startswith("/") and not page.startswith("//")))


def names(answer: Answer) -> Iterator[str]:
    """What it was seen trying, cut to what a line of the audit takes."""
    for text in answer.tried[:20]:
        yield text[:200]

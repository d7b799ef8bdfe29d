"""What a handler may yield. The kernel does it, in the transaction of the handler."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from .samples import Samples

Plain = str | int | float | bool


class Priority(IntEnum):
    """ISA-18.2 alarm priority: shape, colour and number on every screen."""

    URGENT = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


@dataclass(frozen=True, slots=True)
class Alarm:
    """An abnormal state that needs a response began (`active`) or ended, at `time` (ns UTC).

    Deduplicated by (app, tag, kind): telling the same state twice has one effect.
    """

    tag: int
    time: int
    active: bool
    message: str
    kind: str = ""
    priority: Priority = Priority.MEDIUM


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened that other apps or people may care about."""

    kind: str
    data: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """Please set this tag, for this reason, within `expires_s` seconds or not at all.

    evidence: tags whose latest sample must be good for the write to happen.
    """

    tag: int
    value: float | str
    reason: str
    expires_s: float = 5.0
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """Please run `solve(problem, stop, seed)` in a worker process.

    `solve` is a module-level function; `problem` and what it returns are dataclasses, because
    both rest in the database. The app method marked `@result(of=solve)` gets the result.
    """

    solve: Callable[..., object]
    problem: object
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """This element (`"2.7"`) has just really been proved: by what, with which figures."""

    element: str
    claim: str  # 中文 English
    figures: Mapping[str, Plain] = field(default_factory=dict)
    page: str = ""  # the address of the page that shows it working


Fact = Alarm | Event | Samples | Write | Job | Evidence
Answer = TypeVar("Answer")
Facts = Generator[Fact, None, Answer]
"""`-> Facts[int]`: this handler yields facts and answers with an int."""

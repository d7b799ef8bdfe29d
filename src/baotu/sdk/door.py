"""The one way in for people, programs and agents. The kernel is behind it, every face before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .app import Caller, Duty
from .view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """All a face needs to know about a command, query or page."""

    app: str
    name: str
    kind: str
    title: str
    summary: str
    permission: str
    takes: Mapping[str, Any]  # JSON Schema of the arguments
    gives: Mapping[str, Any]  # JSON Schema of the answer
    duty: Duty = "see"  # whose work it is


@dataclass(frozen=True, slots=True)
class Look:
    """A page as it is now, and the tables it was made from."""

    view: View
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What a committed transaction touched."""

    organisation: str
    tables: frozenset[str]
    facts: tuple = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event as it was kept: `position` grows; time is ns UTC; data is plain JSON."""

    position: int
    time: int
    organisation: str
    app: str
    kind: str
    data: Mapping[str, Any]


class Door(Protocol):
    def verbs(self) -> list[Verb]: ...

    def call(
        self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller, key: str = ""
    ) -> Any:
        """Run a command or a query; the answer is plain JSON. Raises Denied, Invalid, Conflict."""

    def look(self, app: str, name: str, arguments: Mapping[str, Any], caller: Caller) -> Look: ...

    def watch(self, tell: Callable[[Change], None]) -> Callable[[], None]:
        """`tell` hears every committed change, on the kernel's thread; returns the way to stop."""

    def events(self, after: int, limit: int = 1000) -> list[Happening]:
        """Events after a position, in the order they became true. A reader keeps its own place:
        what it has not read is still there, after a fall too."""

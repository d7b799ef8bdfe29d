"""An app is a plain class; what its handlers yield, the kernel does.

It does no I/O, starts no thread, reads no clock: what it needs comes as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar, overload

from .records import Table
from .samples import Samples

Handler = TypeVar("Handler", bound=Callable[..., Any])
Duty = Literal["see", "operate", "maintain", "engineer", "administer", "guard", "review"]
"""Whose work something is; see `trust.DUTIES`."""
CallerKind = Literal["person", "token", "app", "device", "node", "platform"]


class parameter:
    """A setting of an app: `limit = parameter(80.0, unit="Cel", title="温度上限 Limit")`."""

    def __init__(self, default: Any, *, unit: str = "", title: str = "") -> None:
        self.default, self.unit, self.title, self.name = default, unit, title, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, app: None, owner: type) -> parameter: ...
    @overload
    def __get__(self, app: App, owner: type) -> Any: ...
    def __get__(self, app: App | None, owner: type) -> Any:
        return self if app is None else app.settings.get(self.name, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class derived:
    """A property that an app computes for every asset of a type; the kernel allots the tags.

    `efficiency = derived(asset="Pump", property="efficiency", unit="%", title="效率 Efficiency")`
    """

    asset: str
    property: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for which organisation, and what that person, program or agent may do at most.

    permissions: a bound, never a decision: an API token has fewer than its owner. via: session,
    token or certificate that proved the name.
    """

    name: str
    organisation: str
    permissions: frozenset[str]
    roles: frozenset[str] = frozenset()
    kind: CallerKind = "person"
    via: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """What the kernel knows about this call. A handler that wants it takes `call: Call`."""

    caller: Caller
    now: datetime
    key: str = ""
    late: bool = False  # samples from minutes or hours ago, while the platform was down


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one asset said in [start, end), for an `@every` handler.

    start, end: nanoseconds UTC. samples: by the property names that the handler asked for,
    in order of time. out: tag numbers of the app's `derived` properties of this asset.
    again: late samples have come, the window is computed once more. Derived samples replace the
    earlier ones; other facts are not taken, they would be about the past. A handler that keeps
    rows must not take this window for the newest.
    """

    asset: str
    start: int
    end: int
    samples: Mapping[str, Samples]
    out: Mapping[str, int]
    again: bool = False

    def __getitem__(self, property: str) -> Samples:
        return self.samples[property]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a decorator noted about a handler."""

    kind: str  # stream | every | command | query | page | result
    permission: str = ""
    duty: Duty = "see"
    told_once: bool = False
    title: str = ""
    asset: str = ""
    property: str = ""
    inputs: tuple[str, ...] = ()
    every_s: float = 0.0
    solve: Callable[..., Any] | None = None


def stream(*, asset: str, property: str) -> Callable[[Handler], Handler]:
    """Samples of this property of every asset of this type, as they arrive; hub or edge."""
    return _marked(Mark(kind="stream", asset=asset, property=property))


def every(period: str, *, asset: str, inputs: tuple[str, ...]) -> Callable[[Handler], Handler]:
    """A window of history of each asset of this type, when it is due: `@every("5 min", …)`.

    Windows start at whole multiples of the period since 1970-01-01 UTC.
    """
    return _marked(Mark(kind="every", asset=asset, inputs=inputs, every_s=seconds(period)))


def command(
    *, permission: str, title: str = "", duty: Duty = "operate", told_once: bool = False
) -> Callable[[Handler], Handler]:
    """A change: one decision, one transaction, one audit record. duty: whose work it is.

    told_once: the answer is a secret. It is kept nowhere, so the same key asked again is a Conflict.
    """
    if not permission:
        raise ValueError("a command names the permission it needs")
    return _marked(
        Mark(kind="command", permission=permission, title=title, duty=duty, told_once=told_once)
    )


def query(
    *, permission: str = "", title: str = "", duty: Duty = "see"
) -> Callable[[Handler], Handler]:
    """A question: changes nothing. Without a permission, `<app>.read` is needed."""
    return _marked(Mark(kind="query", permission=permission, title=title, duty=duty))


def page(*, title: str, permission: str = "", duty: Duty = "see") -> Callable[[Handler], Handler]:
    """A question whose answer is a view."""
    return _marked(Mark(kind="page", permission=permission, title=title, duty=duty))


def result(*, of: Callable[..., Any]) -> Callable[[Handler], Handler]:
    """Gets the result of a job that this app asked for; no face shows it."""
    return _marked(Mark(kind="result", solve=of))


def _marked(mark: Mark) -> Callable[[Handler], Handler]:
    def decorate(handler: Handler) -> Handler:
        handler.mark = mark  # type: ignore[attr-defined] # read back by App.marked
        return handler

    return decorate


class App:
    """Base of every app. Class attributes declare, marked methods handle."""

    title: str = ""
    serves: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()  # actions of the platform that it needs: see `trust.ACTIONS`
    tables: tuple[type[Table], ...] = ()

    def __init__(self, **settings: Any) -> None:
        if unknown := settings.keys() - self.parameters().keys():
            raise ValueError(
                f"{type(self).__name__} has no parameter {', '.join(sorted(unknown))}; "
                f"it has {', '.join(self.parameters()) or 'none'}"
            )
        self.settings = settings
        self.start()

    def start(self) -> None:
        """Set up state. Runs once, before the first samples."""

    @classmethod
    def name(cls) -> str:
        """How addresses and files call it: `OverheatAlarm` is `overheat_alarm`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def parameters(cls) -> dict[str, parameter]:
        return {n: v for n, v in _attributes(cls) if isinstance(v, parameter)}

    @classmethod
    def derives(cls) -> dict[str, derived]:
        return {n: v for n, v in _attributes(cls) if isinstance(v, derived)}

    @classmethod
    def marked(cls, *kinds: str) -> list[tuple[Mark, Callable[..., Any]]]:
        """Handlers with their marks, in the order they were written; of these kinds, or all."""
        found = [(v.mark, v) for _, v in _attributes(cls) if hasattr(v, "mark")]
        return [(mark, f) for mark, f in found if not kinds or mark.kind in kinds]


def _attributes(cls: type) -> Iterator[tuple[str, Any]]:
    """Class attributes, those of bases first, each name once."""
    merged: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        merged.update(vars(base))
    return iter(merged.items())


UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(period: str) -> float:
    """`seconds("5 min")` is 300.0. Raises ValueError that names the units known."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", period)
    if match is None or match[2] not in UNITS_S or float(match[1]) <= 0:
        raise ValueError(f"{period!r} is not a period; write a number and {', '.join(UNITS_S)}")
    return float(match[1]) * UNITS_S[match[2]]

"""What every business app must survive, told along a story: a list of steps that works.

The checks speak to a bench (a platform in memory), never to the kernel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

from ..app import App
from ..clock import Clock
from ..door import Verb
from ..errors import Conflict, Denied, Invalid
from ..facts import Fact
from ..samples import Samples
from ..view import Form, View, in_language, plain, walk


@dataclass(frozen=True)
class Do:
    """Someone gives a command."""

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Feed:
    """Samples of a property of assets of this type arrive; the first tag is the first asset's."""

    asset: str
    property: str
    samples: Samples


@dataclass(frozen=True)
class Say:
    """Another app yields this fact."""

    fact: Fact


@dataclass(frozen=True)
class Wait:
    """Time passes: `Wait("10 min")`; what is due in it is done."""

    period: str


@dataclass(frozen=True)
class Work:
    """Run the queued jobs."""


Step = Do | Feed | Say | Wait | Work


class Fault(Exception):
    """The accident that the bench arranges."""


class Bench(Protocol):
    app: str
    clock: Clock
    facts: list[Fact]
    apps: Sequence[App]

    def __init__(self, *apps: App) -> None: ...
    def do(self, name: str, /, _key: str = "", **arguments: Any) -> Any: ...
    def ask(self, name: str, /, **arguments: Any) -> Any: ...
    def see(self, name: str, /, **arguments: Any) -> View: ...
    def feed(self, asset: str, property: str, samples: Samples, until: int = 0) -> None: ...
    def hold(self, asset: str, property: str, samples: Samples) -> None: ...  # on their way
    def late(self, asset: str, property: str, samples: Samples) -> None: ...  # from a backlog
    def derived(self) -> Mapping[tuple[str, int], tuple[float, int]]: ...
    def say(self, *facts: Fact) -> None: ...
    def wait(self, period: str) -> None: ...
    def work(self) -> None: ...
    def broken(self) -> AbstractContextManager[None]: ...  # raise Fault after the first write
    def as_other(self, **change: Any) -> Bench: ...
    def dump(self, *but: str) -> Mapping[str, list[tuple[Any, ...]]]: ...
    def verbs(self) -> list[Verb]: ...


AUDIT = "ledger_audit_record"
REST = 4  # times 15 s: windows that look at derived samples come to rest after those
KERNELS = ("ledger_", "jobs_", "alarms_")


def play(bench: Bench, story: tuple[Step, ...], cut: int = 0) -> Bench:
    for step in story:
        match step:
            case Do(command, arguments):
                bench.do(command, **arguments)
            case Feed(asset, property, samples):
                place = np.arange(len(samples))
                until = int(samples.time.max(initial=0))
                for at in range(0, len(samples), size := cut or max(len(samples), 1)):
                    piece = samples.where((place >= at) & (place < at + size))
                    bench.feed(asset, property, piece, until)
            case Say(fact):
                bench.say(fact)
            case Wait(period):
                bench.wait(period)
            case Work():
                bench.work()
    return bench


def check_business(kind: type[App], bench: type[Bench], story: tuple[Step, ...]) -> None:
    def new(steps: tuple[Step, ...]) -> Bench:
        return play(bench(kind()), steps)

    check_declaration(kind, bench(kind()), story)
    told = new(story).dump()
    own = {table.__tablename__ for table in kind.tables}
    others = {name for name, rows in told.items() if rows and not name.startswith(KERNELS)} - own
    assert not others, f"an app writes only the tables it names: {others}"
    assert new(story).dump() == told, (
        "the same story gives the same rows: time and chance are arguments"
    )
    cut = play(bench(kind()), story, cut=3).dump()
    assert stories(cut) == stories(told), "how the stream is cut must not matter"
    check_late(kind, bench, story)
    for n, step in enumerate(story):
        if isinstance(step, Do):
            check_command(partial(new, story[:n]), step)
    check_questions(kind, new(story))
    check_organisations(kind, bench, story)


def check_late(kind: type[App], bench: type[Bench], story: tuple[Step, ...]) -> None:
    """What `@every` looks at comes hours later, from the backlog of an edge that was offline."""
    inputs = {(mark.asset, name) for mark, _ in kind.marked("every") for name in mark.inputs}
    timely, late = play(bench(kind()), story), bench(kind())
    held: list[Feed] = []
    for step in story:
        if isinstance(step, Feed) and (step.asset, step.property) in inputs:
            late.hold(step.asset, step.property, step.samples)
            held.append(step)
        else:
            play(late, (step,))
    for step in held:
        late.late(step.asset, step.property, step.samples)
    for one in (timely, late):
        for _ in range(REST):
            one.wait("15 s")
    want, have = timely.derived(), late.derived()
    other = [key for key, value in want.items() if have.get(key) != value]
    assert not other, (
        f"late samples give the same derived samples as timely ones: {len(other)} of {len(want)} "
        f"differ, the first is {other[0]}; what crosses windows belongs into records or the samples"
    )


def stories(rows: Mapping[str, list[tuple[Any, ...]]]) -> dict[str, Any]:
    """Rows as they are compared after another cut: between tags it may change the order in which
    the kernel notes facts, and how often it was told the same evidence. The last columns of a row
    are its id and its organisation; the last before them, of evidence, the count."""
    return {
        name: sorted([str(row[:-3] if name == "ledger_evidence_row" else row[:-2]) for row in of])
        if name.startswith(KERNELS)
        else of
        for name, of in rows.items()
        if name != "alarms_alarm_event"  # it refers to alarms by their number
    }


def check_declaration(kind: type[App], bench: Bench, story: tuple[Step, ...]) -> None:
    verbs = [v for v in bench.verbs() if v.app == bench.app]
    commands = {v.name for v in verbs if v.kind == "command"}
    assert commands == {s.command for s in story if isinstance(s, Do)}, (
        "the story uses every command"
    )
    for verb in verbs:
        where = f"{verb.app}.{verb.name}"
        assert verb.permission, f"{where} demands a permission"
        for title in (verb.title, *(a["title"] for a in verb.takes["properties"].values())):
            assert in_language(title, "zh") != in_language(title, "en"), (
                f"{where}: '{title}' has both languages"
            )


def check_command(before: Callable[[], Bench], step: Do) -> None:
    name = step.command
    bench = before()
    rows, state = bench.dump(AUDIT), dict(vars(bench.apps[0]))
    stranger = bench.as_other(permissions=frozenset())
    assert raises(Denied, stranger, step), f"{name}: a caller without the permission is denied"
    assert bench.dump(AUDIT) == rows, f"{name}: what was denied changed nothing"
    with bench.broken():
        assert raises(Fault, bench, step), f"{name}: writes, and does not hide an error"
    assert bench.dump(AUDIT) == rows, f"{name}: is atomic, after an error nothing remains"
    assert vars(bench.apps[0]) == state, f"{name}: keeps its state in records, not in the app"
    first = bench.do(name, _key="k", **step.arguments)
    rows = bench.dump(AUDIT)
    if told_once(bench, name):
        assert raises(Conflict, bench, step, "k"), f"{name}: its answer is kept nowhere"
    else:
        again = bench.do(name, _key="k", **step.arguments)
        assert again == first, f"{name}: same key, same answer"
    assert bench.dump(AUDIT) == rows, f"{name}: same key, one effect"


def told_once(bench: Bench, name: str) -> bool:
    marks = {handler.__name__: mark for mark, handler in bench.apps[0].marked("command")}
    return name in marks and marks[name].told_once


def check_questions(kind: type[App], bench: Bench) -> None:
    rows = bench.dump()
    verbs = [v for v in bench.verbs() if v.app == bench.app and not v.takes.get("required")]
    for verb in verbs:
        if verb.kind == "query":
            assert bench.ask(verb.name) == bench.ask(verb.name), (
                f"{verb.name}: asked twice, same answer"
            )
        elif verb.kind == "page":
            seen = bench.see(verb.name)
            assert seen == bench.see(verb.name), f"{verb.name}: a view is a value"
            json.dumps(plain(seen))
            kinds = ("command", "page")
            known = {v.name for v in bench.verbs() if v.app == bench.app and v.kind in kinds}
            assert all(i.command in known for i in walk(seen) if isinstance(i, Form)), (
                "forms name commands or pages"
            )
    assert bench.dump() == rows, "questions change nothing"


def check_organisations(kind: type[App], bench: type[Bench], story: tuple[Step, ...]) -> None:
    full, empty = play(bench(kind()), story), bench(kind())
    other = full.as_other(organisation="brook")
    for verb in full.verbs():
        if verb.app == full.app and verb.kind != "command" and not verb.takes.get("required"):
            look = Bench.ask.__name__ if verb.kind == "query" else Bench.see.__name__
            blank = getattr(empty, look)(verb.name)
            assert getattr(other, look)(verb.name) == blank, (
                f"{verb.name}: a neighbour sees nothing"
            )
    ours = rows_of(full, "spring")
    for step in story:
        if isinstance(step, Wait):
            continue  # time passes for us too
        try:
            play(other, (step,))
        except Invalid:
            continue  # it may not exist for the neighbour
    assert rows_of(full, "spring") == ours, "a neighbour changes nothing of ours"


def rows_of(bench: Bench, organisation: str) -> dict[str, list[tuple[Any, ...]]]:
    return {name: [r for r in rows if organisation in r] for name, rows in bench.dump().items()}


def raises(kind: type[Exception], bench: Bench, step: Do, key: str = "") -> bool:
    try:
        bench.do(step.command, _key=key, **step.arguments)
    except kind:
        return True
    return False

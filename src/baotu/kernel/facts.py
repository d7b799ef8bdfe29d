"""From fact to effect: what each kind of fact becomes, inside the transaction and after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from baotu.sdk import Alarm, Caller, Event, Evidence, Fact, Invalid, Job, Samples, Write
from baotu.sdk.ports import Actuators, Board, History, Plant

from . import alarms
from .handlers import path_of
from .ledger import Rows
from .store import Writer

ELEMENT = "of the 25 elements; see sdk/evidence.py"


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What the chain can touch outside its store; None: there is no such thing here.

    emit: takes derived samples on their way into history. grants: what each app may do.
    """

    emit: Callable[[Samples], None] | None = None
    actuators: Actuators | None = None
    history: History | None = None
    plant: Plant | None = None
    board: Board | None = None
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A write that was asked for, on its way through `Writes`.

    asked: ns UTC; its time runs from here. key: see `sdk.writing.Writing`. request, approver: it
    waited, as this request, and was approved by this person. source: server and address it came by.
    """

    app: str
    caller: Caller
    write: Write
    asked: int
    key: str = ""
    override: bool = False
    source: str = ""
    request: int = 0
    approver: Caller | None = None


@dataclass(slots=True)
class Part:
    """What one command or handler adds to its transaction, once it stands."""

    rows: Rows = field(default_factory=Rows)
    facts: list[Fact] = field(default_factory=list)
    samples: list[Samples] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)


def apply(
    facts: Sequence[Fact], app: str, caller: Caller, now: int, writer: Writer, part: Part
) -> None:
    """Each fact becomes a row of this transaction, or something to do after it."""
    organisation = caller.organisation
    for fact in facts:
        if isinstance(fact, Alarm):
            if what := alarms.tell(writer, organisation, app, fact, now):
                part.tables.update(alarms.NAMES)
                part.facts.append(fact)
                data = {"tag": fact.tag, "time": fact.time, "message": fact.message}
                part.rows.add("outbox", organisation, now, app, f"alarm.{what}", json.dumps(data))
            continue
        if isinstance(fact, Samples):
            if len(fact):
                part.samples.append(fact)
        elif isinstance(fact, Event):
            text = json.dumps(dict(fact.data))
            part.rows.add("outbox", organisation, now, app, fact.kind, text)
            part.tables.add("ledger_outbox")
        elif isinstance(fact, Write):
            part.orders.append(Order(app=app, caller=caller, write=fact, asked=now))
        elif isinstance(fact, Job):
            problem = TypeAdapter(type(fact.problem)).dump_json(fact.problem).decode()
            path = path_of(fact.solve)
            part.rows.add("job", organisation, app, path, problem, fact.seed, caller.name, now)
            part.tables.add("jobs_job_run")
        elif isinstance(fact, Evidence):
            figures = json.dumps(dict(fact.figures))
            part.rows.add(
                "evidence", organisation, fact.element, app, fact.claim, now, figures, fact.page
            )
            part.tables.add("ledger_evidence_row")
        else:
            raise Invalid("fact", f"{app} yielded {type(fact).__name__}, which is no fact")
        part.facts.append(fact)

"""The hub's rooms, wired: what exists, what happened, what was agreed, the apps on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from baotu.assets import PlantModel
from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.kernel.alarm_app import Alarms, unshelve_due
from baotu.kernel.audit import AuditReader
from baotu.kernel.board import HealthBoard
from baotu.kernel.effects import Chain
from baotu.kernel.evidence import EvidenceReader
from baotu.kernel.facts import Reach
from baotu.kernel.jobs import Jobs, Runner
from baotu.kernel.lifecycle import Stack
from baotu.kernel.live import LiveBus
from baotu.kernel.notes import Notes
from baotu.kernel.registry import Registry
from baotu.kernel.schedule import DAY_S, Schedule
from baotu.kernel.streams import Streams
from baotu.kernel.writes import PERMISSION, Writes
from baotu.records import open_store
from baotu.sdk import App, Caller, ConfigError, Invalid, Refused, Samples, Tag, Unreachable
from baotu.sdk.clock import Clock
from baotu.sdk.ports import Actuators, Reply
from baotu.sdk.trust import ACTIONS
from baotu.trust.policy import CedarPolicy, Organisations, Policies, PolicyKeeper

from .file import HouseConfig
from .proofs import Prover

log = structlog.get_logger("baotu.hub")
LOCAL = "local"  # the engineer at the machine; policies call it Platform::"local"


@dataclass(frozen=True, slots=True)
class _Hands:
    """Implements `Actuators` once the link is there; before that it says so."""

    hub: Hub

    def write(self, tag: int, value: float | str, deadline: int) -> Reply:
        link = self.hub.link
        if link is None:
            return Reply(done=False, why="no edge is linked to this hub yet")
        edge, local = self.hub.plant.table.owner(tag)
        return link.write(edge, local, value, deadline)


class Hub:
    """Rooms of a node that keeps. `link` is set by the node when its wire is open."""

    def __init__(self, config: HouseConfig, board: HealthBoard, clock: Clock) -> None:
        self.config, self.board, self.clock = config, board, clock
        self.organisation = config.basics.node.organisation
        data = config.basics.node.data
        self.link: Any = None  # fabric.hub.HubLink
        self._stack = Stack()
        self.plant = PlantModel(data / "assets.db", self.organisation)
        self._stack.add("assets", self.plant.close)
        self.policy = CedarPolicy(self.plant, house=self.organisation)
        self.configure(config)
        self.live = LiveBus()
        self.history = DuckHistory(data / "history", config.basics.history, clock.now)
        self._stack.add("history", self.history.close)
        self.apps = made_apps(config)
        self.chain = self._chain(data)
        self.policies = PolicyKeeper(self.chain.store, self.policy, self.clock)
        for app in self.apps:
            if isinstance(app, Policies | Organisations):
                app.engine = self.policy
            if isinstance(app, Organisations):
                app.deals = self.policies.deals
        self.policies.look()
        self.caller = local_caller(self.chain, self.organisation)

    def _chain(self, data: Path) -> Chain:
        hands: Actuators = _Hands(self)
        store = open_store(self.config.basics.records, data)
        self._stack.add("records", store.close)
        granted = {name: frozenset({PERMISSION}) for name in self.config.basics.apps.may_write}
        reach = Reach(
            grants=granted,
            emit=self.emit,
            actuators=hands,
            history=self.history,
            plant=self.plant,
            board=self.board,
        )
        chain = Chain(store, self.clock, self.apps, policy=self.policy, reach=reach)
        self.policy.learn(chain.verbs())
        return chain

    def start(self) -> None:
        """Everything that has a thread. Stopped by `stop` in reverse."""
        jobs, stack = self.config.basics.jobs, self._stack
        self.policies.start(self.chain.watch)
        stack.add("policy", self.policies.stop)
        streams = self._streams()  # before the keeper: it says what must not be sealed yet
        keeper = Keeper(self.history, self.board.put)
        keeper.start()
        stack.add("keeper", keeper.stop)
        writes = self.writes = Writes(self.chain)
        writes.start()
        stack.add("writes", writes.stop)
        runner = Runner(
            self.chain, workers=jobs.workers, memory_mb=jobs.memory_mb, time_s=jobs.limit_s
        )
        runner.start()
        stack.add("jobs", runner.stop)
        streams.start()
        stack.add("apps", streams.stop)

    def _streams(self) -> Streams:
        basics = self.config.basics
        days = min(basics.apps.again_days, basics.history.raw_days or basics.apps.again_days)
        schedule = Schedule(
            self.chain, self.plant, self.history, self.plant.allot,
            organisation=self.organisation, horizon_s=days * DAY_S,
        )  # fmt: skip
        prover = Prover(self.chain, self.board, self.history, self.plant, self.organisation)
        return Streams(
            self.chain, self.plant, self.history, organisation=self.organisation,
            ticks=(schedule.tick, lambda: unshelve_due(self.chain), prover.tick),
            marks=schedule.marks if schedule.handlers else None,
            replay_s=basics.apps.replay_h * 3600.0,
        )  # fmt: skip

    def stop(self) -> None:
        self._stack.close()

    def configure(self, config: HouseConfig) -> None:
        self.plant.configure(config.assets, config.types)
        self.policy.place(config.zones)

    # what the link needs ------------------------------------------------------

    def adopt(self, edge: str, tags: Sequence[Tag]) -> np.ndarray:
        return self.plant.adopt(edge, tags)

    def emit(self, samples: Samples) -> None:
        """Samples that an app derived: into history, then, if they are new, to all who watch."""
        newest: dict[int, int] = {}
        for part in self.history.latest(np.unique(samples.tag)):
            newest.update(zip(part.tag.tolist(), part.time.tolist(), strict=True))
        known = np.array([newest.get(tag, -1) for tag in samples.tag.tolist()], "i8")
        self.history.keep([samples])
        if (samples.time > known).any():
            self.live.publish(samples.where(samples.time > known))

    def note(self, what: str, about: Mapping[str, Any]) -> None:
        """A line in the audit about the platform itself: a gap, a quarantined frame."""
        caller = Caller("platform", self.organisation, frozenset(), kind="platform")
        why = ", ".join(f"{k} {v}" for k, v in about.items())
        try:
            self.chain.note("fabric", what, caller, "noted", why)
        except Unreachable as away:  # the link must go on without its line in the audit
            log.warning("not in the audit", what=what, why=why, records=str(away))

    # for the console ----------------------------------------------------------

    def audit(self) -> AuditReader:
        return AuditReader(self.chain.store)

    def elements(self) -> EvidenceReader:
        return EvidenceReader(self.chain.store)

    def write(self, tag: str, value: str, reason: str) -> float | str | None:
        """Set a tag for the engineer at the machine; what was read back. Refusals are raised."""
        found = self.plant.tag(tag)
        if not reason.strip():
            raise Invalid("reason", "say why: it stays in the audit")
        try:
            wanted = value if found.kind == "text" else float(value)
            if isinstance(wanted, float) and not isfinite(wanted):
                raise ValueError("no device takes it")
        except ValueError:
            raise Invalid("value", f"{value!r} is not a number, and {found.name} is one") from None
        reply = self.writes.write(found.id, wanted, self.caller, reason)
        if not reply.done:
            raise Refused(reply.why)
        return reply.value

    def call(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        """`app.verb` for the engineer at the machine."""
        app, _, name = verb.partition(".")
        if not name:
            raise Invalid("verb", f"{verb!r} is written app.verb")
        return self.chain.call(app, name, arguments, self.caller)


def made_apps(config: HouseConfig) -> list[App]:
    """Every installed app that is not switched off, with its parameters. Raises ConfigError."""
    off, writing = set(config.basics.apps.off), set(config.basics.apps.may_write)
    policies = Policies(second=config.basics.policy.second_officer)
    made: list[App] = [Alarms(), Jobs(), Notes(), policies, Organisations()]
    known = Registry(config.basics.node.plugins).apps()
    if unknown := (off | writing) - known.keys():
        raise ConfigError(
            f"no app {sorted(unknown)[0]!r}", "[apps]", f"installed: {', '.join(sorted(known))}"
        )
    for name, kind in known.items():
        if name in off:
            continue
        try:
            made.append(kind(**config.apps.get(name, {})))
        except ValueError as error:
            raise ConfigError(str(error), f"[app.{name}]") from None
    return made


def local_caller(chain: Chain, organisation: str) -> Caller:
    """Its bound is everything there is; the policy `owner` lets it."""
    permissions = {v.permission for v in chain.verbs()} | ACTIONS.keys()
    return Caller(LOCAL, organisation, frozenset(permissions), kind="platform")

"""The hub's rooms, wired: what exists, what happened, what was agreed, the apps on top of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from baotu.assets import PlantModel
from baotu.history.duck import DuckHistory
from baotu.history.keeper import Keeper
from baotu.kernel.alarm_app import Alarms, unshelve_due
from baotu.kernel.approvals import Approvals
from baotu.kernel.audit import AuditReader
from baotu.kernel.board import HealthBoard
from baotu.kernel.bridge import OutsideWrites
from baotu.kernel.commit import Body, Deed
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
from baotu.kernel.writes import Writes
from baotu.records import open_store
from baotu.sdk import (
    Alarm,
    App,
    Caller,
    ConfigError,
    Evidence,
    Fact,
    Invalid,
    Priority,
    Refused,
    Samples,
    Tag,
    Unreachable,
)
from baotu.sdk.clock import Clock
from baotu.sdk.link import Bridged, SignIn
from baotu.sdk.ports import Actuators
from baotu.sdk.reply import Reply
from baotu.sdk.tags import Tags
from baotu.sdk.trust import ACTIONS
from baotu.sdk.view import in_language
from baotu.sdk.writing import Authenticator
from baotu.trust.audit.app import Audit
from baotu.trust.audit.desk import AuditDesk
from baotu.trust.backup.app import Backups
from baotu.trust.devices.app import Devices
from baotu.trust.devices.nodes import Known, Nodes
from baotu.trust.oidc.clients import Oidc
from baotu.trust.people import People
from baotu.trust.people import Service as PeopleService
from baotu.trust.policy import CedarPolicy, Organisations, Policies, PolicyKeeper
from baotu.trust.sandbox.grants import Apps
from baotu.trust.secrets import Resolver, Scrubber
from baotu.trust.secrets.app import Secrets

from .auditing import audit_watch
from .authority import start_devices
from .bringing import Bringing
from .file import HouseConfig
from .guests import Guests
from .outsiders import Outsiders
from .proofs import Prover
from .signon import OutsideDoors, provider_of
from .vault import resolver_of

log = structlog.get_logger("baotu.hub")
NO_TAG = -1  # an alarm of the platform itself
PROVED = "备份已恢复到新文件夹，逐字节、逐表一致 A backup was restored and is the same, byte by byte and table by table"
LOCAL = "local"  # whoever may open the control socket; policies call it Platform::"local"


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
    """Rooms of a node that keeps. `link` is set by the node when its wire is open.

    outsiders: who signs in to our servers; the accounts of this platform unless it is said.
    resolver: opens secrets that settings refer to; by default that of the configuration.
    """

    def __init__(
        self, config: HouseConfig, board: HealthBoard, clock: Clock,
        outsiders: Authenticator | None = None, resolver: Resolver | None = None,
    ) -> None:  # fmt: skip
        self.config, self.board, self.clock = config, board, clock
        self.resolver = resolver or resolver_of(config, Scrubber())
        self.organisation = config.basics.node.organisation
        data = config.basics.node.data
        self.doors: OutsideDoors | None = None
        self.link: Any = None  # fabric.hub.HubLink
        self.devices: Any = None  # trust.devices.service.DeviceTrust, where there is an authority
        self._stack = Stack()
        self.plant = PlantModel(data / "assets.db", self.organisation)
        self._stack.add("assets", self.plant.close)
        self.policy = CedarPolicy(self.plant, house=self.organisation)
        self.nodes: Nodes | None = None  # which may link, where there is an authority
        self.bringing = Bringing(
            self.plant, self.policy, own=config.basics.node.name, house=self.organisation,
            note=self._brought, nodes=self.known_nodes,
        )  # fmt: skip
        self.configure(config)
        self.live = LiveBus()
        self.history = DuckHistory(data / "history", config.basics.history, clock.now)
        self._stack.add("history", self.history.close)
        self.backups = Backups()
        own = [*made_apps(config), Secrets.over(self.resolver.store), self.backups]
        self.guests = Guests(config, own)
        self._stack.add("guests", self.guests.stop)
        self.apps = [*own, *self.guests.apps]
        self.chain = self._chain(data)
        self.guests.join(self.chain, self.plant)
        self.policies = PolicyKeeper(self.chain.store, self.policy, self.clock)
        for app in self.apps:
            if isinstance(app, Policies | Organisations):
                app.engine = self.policy
            if isinstance(app, Organisations):
                app.deals = self.policies.deals
        self.policies.look()
        self.people = PeopleService(
            self.chain, config.basics.people, self.organisation, data, issuer=issuer(config)
        )
        self._stack.add("people", self.people.stop)
        self.oidc = provider_of(self.chain, self.people, data, clock, self.organisation)
        self.doors = OutsideDoors(self.people, clock, self.resolver)
        self.doors.configure(config.identity_providers)
        self.outsiders = outsiders or Outsiders(
            self.people, lambda: self.devices, self.organisation
        )
        self.caller = local_caller(self.chain, self.organisation)
        basics = config.basics
        self.watch = audit_watch(
            basics.audit, data, basics.node.name, self.organisation, self.chain, board
        )

    def _chain(self, data: Path) -> Chain:
        hands: Actuators = _Hands(self)
        store = open_store(self.resolver.settings(self.config.basics.records, "[records]"), data)
        self._stack.add("records", store.close)
        reach = Reach(
            grants=self.guests.book,
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
        self.watch.start()  # the first to start: it seals what the others still do as they stop
        stack.add("audit", self.watch.stop)
        self.policies.start(self.chain.watch)
        stack.add("policy", self.policies.stop)
        writes = self.writes = Writes(
            self.chain, settings=self.config.basics.writes, people=self.outsiders
        )
        self.outside = OutsideWrites(
            writes, self.outsiders, self.organisation, self.config.basics.node.name
        )
        streams = self._streams()  # before the keeper: it says what must not be sealed yet
        keeper = Keeper(self.history, self.board.put)
        keeper.start()
        stack.add("keeper", keeper.stop)
        writes.start()
        stack.add("writes", writes.stop)
        runner = Runner(
            self.chain, workers=jobs.workers, memory_mb=jobs.memory_mb, time_s=jobs.limit_s,
            elsewhere=self.guests.solving,
        )  # fmt: skip
        runner.start()
        stack.add("jobs", runner.stop)
        self.guests.begin(streams, self.board)
        streams.start()
        stack.add("apps", streams.stop)
        self.devices = start_devices(self, stack)
        if self.devices is not None:
            self.nodes = Nodes(self.chain)
            stack.add("nodes", self.nodes.close)
        self.people.start()

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
            ticks=(
                schedule.tick, lambda: unshelve_due(self.chain), prover.tick,
                self.guests.tick,
                self.writes.requests.expire,
            ),
            marks=schedule.marks if schedule.handlers else None,
            replay_s=basics.apps.replay_h * 3600.0,
        )  # fmt: skip

    def stop(self) -> None:
        self._stack.close()

    def configure(self, config: HouseConfig) -> None:
        self.plant.configure(config.assets, config.types)
        self.policy.place(config.zones)
        if self.doors is not None:
            self.doors.configure(config.identity_providers)
        if self.link is not None and config.assets != self.config.assets:
            self.link.forget()  # whose an asset is may have changed: tags are adopted anew
        self.config = config

    # what the link needs ------------------------------------------------------

    def adopt(self, edge: str, tags: Sequence[Tag]) -> np.ndarray:
        return self.bringing.adopt(edge, Tags.of(tags))

    def known_nodes(self) -> Mapping[str, Known]:
        return self.nodes.rows() if self.nodes is not None else {}

    def _brought(self, caller: Caller, why: str) -> None:
        """Tags that an edge may not bring: in the audit, as a decision about it."""
        try:
            self.chain.note("tags", "bring", caller, "denied", why, "tags.bring")
        except Unreachable as away:
            log.warning("not in the audit", what="tags.bring", why=why, records=str(away))

    def bridge(self) -> _Outside:
        """For writes of outside clients of the servers of any edge."""
        return _Outside(self)

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

    def backup_alarm(self, why: str, active: bool) -> None:
        alarm = Alarm(NO_TAG, self.clock.now(), active, why, kind="backup", priority=Priority.HIGH)
        self._told("backups", "watch", alarm)

    def backup_proved(self, figures: Mapping[str, str | int]) -> None:
        self._told("backups", "prove", Evidence("3.5", PROVED, figures, "/app/backups"))

    def _told(self, app: str, name: str, fact: Fact) -> None:
        caller = Caller("platform", self.organisation, frozenset(), kind="platform")
        body: Body = lambda records: (None, (fact,))  # noqa: E731 - a fact and nothing else
        self.chain.submit(Deed(app=app, name=name, caller=caller, body=body, audited=False))

    # for the console ----------------------------------------------------------

    def audit(self) -> AuditReader:
        return AuditReader(self.chain.store)

    def audit_log(self) -> AuditDesk:
        return AuditDesk(self.watch)

    def elements(self) -> EvidenceReader:
        return EvidenceReader(self.chain.store)

    def write(
        self, tag: str, value: str, reason: str, key: str = "", override: bool = False
    ) -> dict[str, Any]:
        """Set a tag for the engineer at the machine. Refusals are raised; see `Reply`."""
        found = self.plant.tag(tag)
        wanted = parsed(found, value)
        reply = self.writes.write(found.id, wanted, self.caller, reason, key=key, override=override)
        if not reply.done and not reply.request:
            raise Refused(reply.why)
        return asdict(reply)

    def call(self, verb: str, arguments: Mapping[str, Any]) -> Any:
        """`app.verb` for the engineer at the machine."""
        app, _, name = verb.partition(".")
        if not name:
            raise Invalid("verb", f"{verb!r} is written app.verb")
        return self.chain.call(app, name, arguments, self.caller)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Implements `sdk.link.Bridge`: an edge's own number of a tag becomes the hub's."""

    hub: Hub

    def sign_in(self, edge: str, asked: SignIn) -> str:
        return self.hub.outside.sign_in(edge, asked)

    def write(self, edge: str, asked: Bridged) -> Reply:
        if self.hub.link is None:
            raise Unreachable("no edge is linked to this hub yet")
        return self.hub.outside.write(edge, self.hub.link.number(edge, asked.tag), asked)


def parsed(tag: Tag, value: str) -> float | str:
    """Raises Invalid when a tag of numbers is given none."""
    if tag.kind == "text":
        return value
    try:
        wanted = float(value)
        if not isfinite(wanted):
            raise ValueError("no device takes it")
    except ValueError:
        raise Invalid("value", f"{value!r} is not a number, and {tag.name} is one") from None
    return wanted


def made_apps(config: HouseConfig) -> list[App]:
    """Every installed app that is not switched off, with its parameters. Raises ConfigError."""
    off, writing = set(config.basics.apps.off), set(config.basics.apps.may_write)
    policies = Policies(second=config.basics.policy.second_officer)
    made: list[App] = [
        Alarms(), Approvals(), Jobs(), Notes(), Devices(), Audit(), policies, Organisations(),
        People(), Oidc(), Apps(),
    ]  # fmt: skip
    registry = Registry(config.basics.node.plugins, config.basics.apps.trusted)
    known = registry.apps()
    others = {source.name for source in registry.guests()}
    if named := sorted(writing & others):
        raise ConfigError(
            f"{named[0]} is a third-party app", "[apps] may_write",
            "grant it on the page of apps",
        )  # fmt: skip
    if unknown := (off | writing) - known.keys() - others:
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


def issuer(config: HouseConfig) -> str:
    """What authenticator apps call this platform."""
    return in_language(config.basics.node.title, "en")[:40] or "Baotu"


def local_caller(chain: Chain, organisation: str) -> Caller:
    """Its bound is everything there is; the policy `owner` lets it."""
    permissions = {v.permission for v in chain.verbs()} | ACTIONS.keys()
    return Caller(LOCAL, organisation, frozenset(permissions), kind="platform")

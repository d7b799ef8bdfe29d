"""A node: edge, hub or both, with everything around them. Starts in order, stops in reverse."""

from __future__ import annotations

import fcntl
import shutil
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from baotu import __version__
from baotu.console import Limits, Rooms, build
from baotu.console.who import identify
from baotu.fabric.asking import Answering
from baotu.fabric.hub import HubLink
from baotu.kernel.board import HealthBoard
from baotu.kernel.clock import SystemClock
from baotu.kernel.lifecycle import Stack
from baotu.sdk import Caller, ConfigError, Refused, Samples
from baotu.sdk.clock import Clock
from baotu.sdk.health import Health
from baotu.sdk.ports import Faults
from baotu.sdk.writing import Authenticator
from baotu.trust.secrets import Scrubber

from . import vault
from .bridging import HubHere
from .cards import AppCards
from .control import Control
from .desk import ConfigDesk
from .doorway import Doorway
from .field import Field
from .file import HouseConfig
from .hub import Hub
from .linking import Links
from .offline import export_tags
from .settings import SPARE, STAGE, ConsoleSettings, address
from .web import ToTls, WebThread, bound, reaches_beyond, secured

if TYPE_CHECKING:
    from .backup import NodeBackup

log = structlog.get_logger("baotu.node")
REPORT_S = 2.0


def limits_of(console: ConsoleSettings) -> Limits:
    return Limits(
        requests_per_s=console.requests_per_s, anonymous_per_s=console.anonymous_per_s,
        at_once=console.at_once, sockets=console.sockets, body_bytes=console.body_kb * 1024,
    )  # fmt: skip


def known_names(console: ConsoleSettings) -> tuple[str, ...]:
    """Those that are listed, and the one others reach the console by."""
    own = urlsplit(console.address).hostname
    return (*console.names, own) if own else console.names


class Node:
    """`start` returns when everything can be reached; `address` is the console's then."""

    def __init__(
        self,
        config: HouseConfig,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
        people: Authenticator | None = None,
        scrubber: Scrubber | None = None,
    ) -> None:
        """people: who signs in to our servers, instead of the accounts of this platform. scrubber: the
        one that logs go through, if somebody has set up logs."""
        self.people = people
        self.config, self.clock, self.faults = config, clock or SystemClock(), faults
        self.role = config.basics.node.role
        self.scrubber = scrubber or Scrubber()
        self.resolver = vault.resolver_of(config, self.scrubber)
        self.board = HealthBoard(
            config.basics.node.name, told=("device", "server"), clean=self.scrubber.clean
        )
        self.hub: Hub | None = None
        self.backup: NodeBackup | None = None
        self._one_backup = threading.Lock()
        self.field: Field | None = None
        self.doorway: Doorway | None = None
        self.address = ""
        self._stack = Stack()

    def start(self) -> None:
        """Raises ConfigError; then everything that was started is stopped again."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        basics, data = self.config.basics, self.config.basics.node.data
        listening, tls = self._listening() if self.role != "edge" else (None, None)
        self._lock(data)
        links = self.links = Links(
            basics, self.resolver.settings(basics.fabric, "[fabric]"), self.clock
        )
        wire = links.open()
        self._stack.add("wire", wire.close)
        self._stack.add("links", links.close)
        if self.role != "edge":
            self._start_hub(wire)
        if self.role != "hub":
            self._start_field(wire)
        if self.hub is not None and listening is not None:
            self._start_console(self.hub, listening, tls)
        self.resolver.store.changed = self._secret_changed
        self._start_backup(data)
        control = Control(data, self._deeds(), self.scrubber.clean)
        self._stack.add("control", control.close)

    def stop(self) -> None:
        self._stack.close()

    def _lock(self, data: Path) -> None:
        """Two nodes on one data folder would each believe to own it."""
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise ConfigError(
                "another node works in this folder", str(data), "stop it, or give another --data"
            ) from None
        self._stack.add("lock", file.close)

    def _listening(self) -> tuple[socket.socket, ssl.SSLContext | None]:
        """Where the console listens. Beyond this machine only with TLS, or when told to be careless
        by a long name. Raises ConfigError."""
        console = self.config.basics.console
        tls = secured(console.certificate_file, console.key_file, console.client_ca_file)
        listening = bound(*address(console.listen))
        if (
            tls is None
            and reaches_beyond(listening)
            and not console.plain_http_beyond_this_machine_can_be_read_by_everyone
        ):
            listening.close()
            raise ConfigError(
                f"{console.listen} can be reached from other machines, and there is no certificate",
                "[console] listen",
                "give certificate_file and key_file, or listen on [::1]",
            )
        return listening, tls

    def _start_console(
        self, hub: Hub, listening: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        console = self.config.basics.console
        web = WebThread(build(self._rooms(hub)), listening, tls)
        web.start()
        self._stack.add("console", web.stop)
        self.address = web.address
        if tls is None and reaches_beyond(listening):
            self._confess(hub, console.listen)
        if tls is not None and console.redirect_listen:
            plain = bound(*address(console.redirect_listen))
            names = frozenset(name.lower() for name in known_names(console))
            lead = WebThread(ToTls(listening.getsockname()[1], names), plain)
            lead.start()
            self._stack.add("redirect", lead.stop)

    def _confess(self, hub: Hub, listen: str) -> None:
        """What is insecure is in the log, in the audit and on the console."""
        why = f"{listen} speaks HTTP without TLS: passwords and values can be read on the network"
        log.warning("insecure", why=why)
        hub.note("plain_http", {"listen": listen})
        self.board.put(
            Health(
                kind="console", name="console", state="degraded", since=self.clock.now(), why=why,
                node=self.config.basics.node.name,
            )
        )  # fmt: skip

    def _start_backup(self, data: Path) -> None:
        """Cryptography is imported with the first backup; a node without one pays nothing for it."""
        for path in (data / STAGE, *data.glob(f"{SPARE}*")):  # of a fall in the midst of one
            shutil.rmtree(path, ignore_errors=True)
        basics, hub = self.config.basics, self.hub
        if not basics.backup.to:
            return
        from .backup import BackupKeeper

        backup = self._made_backup()
        phrase = self.resolver.settings(basics.backup, "[backup]").passphrase
        keeper = BackupKeeper(
            backup, self.board, self.clock, lambda: phrase,
            hub.backup_alarm if hub else _nobody_hears, hub.backup_proved if hub else _nothing_proved,
        )  # fmt: skip
        if hub is not None:
            hub.backups.status, hub.backups.ask = lambda: keeper.state, keeper.ask
        keeper.start()
        self._stack.add("backup", keeper.stop)

    def _start_hub(self, wire: Any) -> None:
        basics = self.config.basics
        hub = self.hub = Hub(self.config, self.board, self.clock, self.people, self.resolver)
        self._stack.add("hub", hub.stop)
        hub.start()
        self.doorway = Doorway(hub.people, lambda: self.address)
        hub.link = HubLink(
            wire, hub=basics.fabric.hub, history=hub.history, adopt=hub.adopt,
            publish=self._publish, on_status=self._told, audit=hub.note,
            folder=basics.node.data / "quarantine", clock=self.clock, tell=self.board.put,
            logs=basics.node.data / "logs.txt",
        )  # fmt: skip
        self._stack.add("hub link", hub.link.close)
        self.links.guard(hub)
        answering = Answering(wire, basics.fabric.hub, hub.bridge())
        self._stack.add("outside writes of edges", answering.close)

    def _start_field(self, wire: Any) -> None:
        here = None
        if self.hub is not None:
            here = HubHere(self.hub.bridge(), self.config.basics.node.name)
            self._stack.add("outside writes", here.close)
        field = self.field = Field(self.config, wire, self.board, self.clock, here, self.resolver)
        self._stack.add("field", field.stop)
        field.start()
        if self.role == "edge":
            self.links.watch(field.link)
        reporter = threading.Thread(target=self._report, name="status", daemon=True)
        self._ended = threading.Event()
        reporter.start()
        self._stack.add("status", self._ended.set)

    def _publish(self, samples: Samples, live: bool, edge: str) -> None:
        """Late samples are in history; whoever acts on the present sees only the live lane."""
        if live and self.hub is not None:
            self.hub.live.publish(samples)

    def _told(self, edge: str, healths: Sequence[Health]) -> None:
        if edge != self.config.basics.node.name:
            for health in healths:
                self.board.put(health)

    def _report(self) -> None:
        """Figures of link and store for everyone; an edge also tells its hub how it fares."""
        while not self._ended.wait(REPORT_S):
            field = self.field
            if field is None:
                continue
            self._links(field)
            if self.role == "edge":
                field.link.status(self.board.healths())

    def _links(self, field: Field) -> None:
        figures = dict(field.link.figures())
        figures["missing"] = figures.get("dropped", 0.0)
        linked = field.link.linked
        state, why = "up", ""
        if linked is None:  # nothing was asked of the hub yet: a new node is no fault
            state, why = (
                ("starting", "") if field.tags() else ("off", "no tags yet, nothing to send")
            )
        elif not linked:
            state, why = "down", "the hub does not answer; samples wait on this disk"
        elif figures.get("trouble"):
            state = "down"
        if not linked and (told := field.link.refused or self.links.why):
            state, why = "down", told
        known = next((h for h in self.board.healths("link") if h.name == field.name), None)
        since = known.since if known is not None and known.state == state else self.clock.now()
        self.board.put(
            Health(
                kind="link", name=field.name, state=state, since=since, why=why,  # type: ignore[arg-type]
                node=field.name, figures=figures,
            )
        )  # fmt: skip

    def _rooms(self, hub: Hub) -> Rooms:
        basics = self.config.basics
        desk = ConfigDesk(self.config, self._apply, self._audited)
        return Rooms(
            door=hub.chain, history=hub.history, plant=hub.plant, live=hub.live, board=self.board,
            desk=desk, elements=hub.elements(), audit=hub.audit(), audit_log=hub.audit_log(),
            apps=AppCards(hub.apps, self.board, hub.guests.process, hub.guests.wrong), identify=identify(hub.people),
            people=hub.people, oidc=hub.oidc, outside=hub.doors, ended=hub.people.ended, faults=self.faults, writing=hub.writes,
            node=basics.node.name,
            title=basics.node.title, version=__version__, key_values=basics.console.key_values,
            shift_h=basics.console.shift_h, now=self.clock.now, policy=hub.chain.policy,
            names=known_names(basics.console), address=basics.console.address, limits=limits_of(basics.console),
        )  # fmt: skip

    def _apply(self, config: HouseConfig) -> None:
        if self.field is not None:
            self.field.apply(config)
        if self.hub is not None:
            self.hub.configure(config)
        self.config = config

    def _secret_changed(self, name: str) -> None:
        """Who uses it begins again with the new value; a reference that is gone changes nothing."""
        if self.hub is not None and self.hub.doors is not None:
            self.hub.doors.configure(self.config.identity_providers)
        try:
            if self.field is not None:
                self.field.apply(self.config)
        except ConfigError as error:
            log.warning("devices go on with the secrets they have", why=str(error))

    def _audited(self, caller: Caller, outcome: str, reason: str) -> None:
        if self.hub is not None:
            self.hub.chain.note("config", "replace", caller, outcome, reason, "config.change")

    # the control socket -------------------------------------------------------

    def _deeds(self) -> Mapping[str, Any]:
        deeds: dict[str, Any] = {
            "status": self._status, "secret": self._secret, "backup": self._backup,
        }  # fmt: skip
        if self.hub is not None:
            deeds |= {
                "export": self._export,
                "call": self.hub.call,
                "write": self.hub.write,
            }
        if self.doorway is not None:
            deeds |= self.doorway.deeds()
        if self.faults is not None:
            deeds |= {"faults": self.faults.faults, "fault": self._fault}
        return deeds

    def _secret(self, what: dict[str, Any]) -> Any:
        """On a hub through the chain, with its policy and audit; an edge has a store of its own."""
        do, arguments = what.pop("do"), what
        if self.hub is not None:
            return self.hub.call(f"secrets.{do}", arguments)
        return vault.deed(self.resolver.store, do, arguments)

    def _status(self) -> dict[str, Any]:
        bad = [
            f"{h.kind}/{h.name}: {h.why}"
            for h in self.board.healths()
            if h.state in ("down", "degraded")
        ]
        return {"role": self.role, "address": self.address, "down": bad}

    def _export(self, out: str, tags: list[str], start: int, end: int) -> int:
        hub = self._need_hub()
        return export_tags(hub.history, hub.plant, Path(out), tags, start, end)

    def _made_backup(self) -> NodeBackup:
        from .backup import NodeBackup

        with self._one_backup:
            if self.backup is None:
                hub = self.hub
                password = self.resolver.settings(
                    self.config.basics.records, "[records]"
                ).revealed()
                self.backup = NodeBackup(
                    self.config, self.clock.now, hub.history if hub else None, password,
                    lambda: hub.plant.tags(limit=1).total if hub else 0,
                )  # fmt: skip
            return self.backup

    def _backup(self, to: str, phrase: str = "") -> str:
        from .backup import sentence

        return sentence(to, *self._made_backup().take(to, phrase))

    def _fault(self, name: str, on: bool) -> bool:
        if self.faults is not None:
            self.faults.switch(name, on)
        return on

    def _need_hub(self) -> Hub:
        if self.hub is None:
            raise Refused("this node is an edge: ask its hub")
        return self.hub


def _nobody_hears(why: str, active: bool) -> None:
    """An edge has no alarms of its own: its board tells the hub."""


def _nothing_proved(figures: Mapping[str, str | int]) -> None:
    """Evidence is kept by hubs."""

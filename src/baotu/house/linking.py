"""The links of a node: its certificates, who may link to it, and renewing them before they end.

A hub signs its own; an edge has one from its hub (`baotu join`). What the configuration names goes
before both.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from baotu.fabric.edge import EdgeLink
from baotu.fabric.gate import Gate, Kind
from baotu.fabric.lookout import Lookout
from baotu.fabric.session import open_wire, opening, secure
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import ZenohWire
from baotu.sdk import BaotuError, ConfigError
from baotu.sdk.clock import Clock
from baotu.trust.devices.refusal import Refusal

from .authority import FOLDER as AUTHORITY
from .peers import PLAIN, TLS, Peers
from .settings import Basics

if TYPE_CHECKING:
    from .hub import Hub

log = structlog.get_logger("baotu.links")
FOLDER = "link"
OWN = dt.timedelta(days=7)
TURN_S = 2.0
AGAIN_S = 60.0  # a renewal that failed is tried again after so long, or sooner when time is short
HUB, EDGE = "hub.pem", "device.pem"
SAID: Mapping[Kind, str] = {
    "cut": "已吊销，链路已断 Revoked: its link was cut",
    "cloned": "同一证书在两处连接，均不受理 One certificate links from two places: neither is heard",
    "unknown": "节点未被接纳 The node is not admitted",
    "alone": "又只在一处连接 Links from one place again",
}
REVOKED = "节点的证书已吊销 The certificate of the node was revoked"


class Links:
    """settings: `[fabric]`, with secrets opened. Raises ConfigError when it cannot be as it says."""

    def __init__(self, basics: Basics, settings: FabricSettings, clock: Clock) -> None:
        self._basics, self._clock = basics, clock
        self.folder = basics.node.data / FOLDER
        self._given = bool(settings.certificate_file)
        self._hub = not self._given and basics.node.role != "edge" and secure(settings.listen)
        self._edge = not self._given and not self._hub and secure(settings.connect)
        self.settings = self._filled(settings)
        self._gate: Gate | None = None
        self._wire: ZenohWire | None = None
        self._lookout: Lookout | None = None
        self._peers: Peers | None = None
        self._house: Hub | None = None
        self._again, self._trouble = 0, ""
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> ZenohWire:
        """A hub lets nobody in before `guard` says who may."""
        guarded = self._basics.node.role != "edge" and secure(self.settings.listen)
        wire = open_wire(self.settings, self._basics.node.role, () if guarded else None)
        self._wire = wire
        self._seen = self._stamp()
        if self._hub or self._edge or self._basics.node.role != "edge":
            self._thread = threading.Thread(target=self._run, name="links", daemon=True)
            self._thread.start()
        return wire

    def guard(self, hub: Hub) -> None:
        """Let in who is enrolled here. Without an authority of its own a hub lets in whoever has a
        certificate of the root that the configuration names."""
        if self._wire is None:
            return
        tls, nodes = secure(self.settings.listen), hub.nodes
        linked: Callable[[], Mapping[str, int]] = dict
        if tls and nodes is None:
            self._wire.reopen(opening(self.settings, self._basics.node.role))
        elif tls and nodes is not None:
            gate = Gate(self._wire, self.settings, self._basics.node.role, nodes, self._refused)
            self._gate, linked = gate, gate.linked
        self._house = hub
        self._peers = Peers(
            hub.board, self._clock, self._basics.node.name, register=hub.known_nodes,
            linked=linked, heard=lambda: list(hub.link.desk.tables) if hub.link else [],
            refused=lambda: dict(hub.bringing.refused), outside=TLS if tls else PLAIN,
        )  # fmt: skip

    def watch(self, link: EdgeLink) -> None:
        """An edge that is not heard finds out why."""
        if self._wire is not None and secure(self.settings.connect):
            name = self._basics.node.name
            self._lookout = Lookout(self._wire, lambda: self.settings, name, lambda: link.linked)

    @property
    def why(self) -> str:
        """Why the hub does not hear this edge; empty when it does, or nobody knows."""
        return self._lookout.why if self._lookout is not None else ""

    def close(self) -> None:
        self._ended.set()
        if self._lookout is not None:
            self._lookout.close()
        if self._gate is not None:
            self._gate.close()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._ended.wait(TURN_S):
            try:
                if self._hub or self._edge:
                    self._certificates()
                if self._peers is not None and self._house is not None:
                    self._peers.tick()
                    if self._house.link is not None and (edges := self._house.bringing.again()):
                        self._house.link.forget(*edges)
                self._trouble = ""
            except (BaotuError, OSError, ValueError) as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    log.warning("trouble with links", why=self._trouble)

    def _refused(self, kind: Kind, name: str, facts: Mapping[str, str]) -> None:
        """What the gate saw, as the register tells it: audit, alarm, evidence."""
        hub, place = self._house, facts.get("from", "link")
        if hub is None or hub.devices is None:
            return
        said = SAID[kind]
        if kind == "cut":
            rows = [r for r in hub.devices.revocations.all().values() if r.device == name]
            if rows:
                hub.devices.proved(max(rows, key=lambda row: row.time), int(facts["links"]))
            hub.note("link cut", {"node": name, **facts})
        elif kind == "alone":
            hub.note("node alone again", {"node": name, **facts})
        elif kind == "cloned":
            hub.devices.refuse(Refusal("cloned", said, device=name), place)
        else:
            row = hub.known_nodes().get(name)
            known = row is not None and row.state == "revoked"
            said = REVOKED if known else said
            hub.devices.refuse(Refusal("revoked" if known else "unknown", said, device=name), place)
        if self._peers is not None:
            self._peers.refusals[name] = (self._clock.now(), said)
            (self._peers.cloned.add if kind == "cloned" else self._peers.cloned.discard)(name)

    # -- certificates ---------------------------------------------------------------------------
    def _filled(self, settings: FabricSettings) -> FabricSettings:
        if self._hub:
            if not (self._basics.node.data / AUTHORITY / "root.crt").exists():
                return settings  # opening says that certificates are missing
            self._sign()
            pair = self.folder / HUB
        elif self._edge and (self.folder / EDGE).exists():
            self._check_name()
            pair = self.folder / EDGE
        else:
            return settings
        return replace(
            settings, ca_file=str(self.folder / "ca.pem"), certificate_file=str(pair),
            key_file=str(pair),
        )  # fmt: skip

    def _check_name(self) -> None:
        from baotu.trust.devices.client import held
        from baotu.trust.devices.names import identity_of

        name = identity_of(held(self.folder).certificate).name
        if name != self._basics.node.name:
            raise ConfigError(
                f"this node is called {self._basics.node.name}, its certificate says {name}",
                "[node] name",
                f'write name = "{name}", or get a certificate for the other name',
            )

    def _sign(self) -> None:
        """A new key and certificate for this hub, below the authority of this node."""
        from baotu.trust.devices.authority import Authority, pem
        from baotu.trust.devices.keys import make_key, write_private
        from baotu.trust.devices.names import Identity
        from baotu.trust.devices.pairs import pair

        basics = self._basics
        authority = Authority(basics.node.data / AUTHORITY, self._clock.now)
        key = make_key()
        who = Identity(organisation=basics.node.organisation, kind="server", name="hub")
        names = [n for n in (*_hosts(basics.fabric.listen), *basics.devices.names) if n]
        life = min(OWN, dt.timedelta(hours=basics.devices.lifetime_h))
        own = authority.issue(key.public_key(), who, life, names=list(dict.fromkeys(names)))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        trusted = "".join(pem(one) for one in authority.chain())
        write_private(self.folder / "ca.pem", trusted.encode())
        write_private(self.folder / HUB, pair(key, [own, *authority.chain()[:-1]]))

    def _certificates(self) -> None:
        """Renew what is due; take what `baotu join` has put there meanwhile."""
        if (stamp := self._stamp()) != self._seen:
            if self._edge:
                self._check_name()
            self._seen = stamp
            self._reopen()
            log.info("the link has a new certificate")
        now = self._clock.now()
        due, end = self._due()
        if now < max(due, self._again):
            return
        self._again = now + min(round(AGAIN_S * 1e9), max((end - now) // 5, 10**9))
        if self._hub:
            self._sign()
        else:
            from baotu.trust.devices.client import renew

            renew(self.folder)
        self._again, self._seen = 0, self._stamp()
        self._reopen()
        log.info("certificate of the link renewed")

    def _pair(self) -> Path:
        return self.folder / (HUB if self._hub else EDGE)

    def _stamp(self) -> int:
        return self._pair().stat().st_mtime_ns if self._pair().exists() else 0

    def _due(self) -> tuple[int, int]:
        """When the certificate is to be renewed, and when it ends, ns UTC."""
        from cryptography import x509

        from baotu.trust.devices.authority import renew_at

        own = x509.load_pem_x509_certificates(self._pair().read_bytes())[0]
        due, end = (
            round(at.timestamp() * 1e3) * 10**6 for at in (renew_at(own), own.not_valid_after_utc)
        )
        return due, end

    def _reopen(self) -> None:
        if self._gate is not None:
            self._gate.renew(self.settings)
        elif self._wire is not None:
            self._wire.reopen(opening(self.settings, self._basics.node.role))


def _hosts(endpoints: list[str]) -> list[str]:
    found = [one.partition("/")[2].rpartition(":")[0].strip("[]") for one in endpoints]
    return [host for host in found if host and not _everywhere(host)]


def _everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def join(config: Path, data: Path | None, ticket: str) -> str:
    """`baotu join`: enrol this node with its hub; where its certificate is."""
    from baotu.trust.devices.client import enrol
    from baotu.trust.devices.names import identity_of
    from baotu.trust.devices.ticket import read

    from .place import data_folder

    path = Path(ticket) if len(ticket) < 256 else None
    text = path.read_text(encoding="utf-8") if path and path.is_file() else ticket
    held = enrol(read(text), data_folder(config, data) / FOLDER)
    name = identity_of(held.certificate).name
    return (
        f"{held.folder}: {name} → {held.certificate.not_valid_after_utc:%Y-%m-%d}\n"
        f'[node] name = "{name}", [fabric] connect = ["tls/…:7447"], baotu run'
    )

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
from typing import TYPE_CHECKING, Any

import structlog

from baotu.fabric.gate import Gate, Kind
from baotu.fabric.session import open_wire, opening, secure
from baotu.fabric.settings import FabricSettings
from baotu.fabric.wire import ZenohWire
from baotu.sdk import BaotuError, ConfigError
from baotu.sdk.clock import Clock

from .authority import FOLDER as AUTHORITY
from .settings import Basics

if TYPE_CHECKING:
    from baotu.trust.devices.service import DeviceTrust

log = structlog.get_logger("baotu.links")
FOLDER = "link"
OWN_DAYS = 7
LOOK_S, AGAIN_S = 3600.0, 60.0
HUB = "hub.pem"
Note = Callable[[str, Mapping[str, Any]], None]


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
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> ZenohWire:
        """A hub lets nobody in before `guard` says who may."""
        guarded = self._basics.node.role != "edge" and secure(self.settings.listen)
        wire = open_wire(self.settings, self._basics.node.role, () if guarded else None)
        self._wire = wire
        if self._hub or self._edge:
            self._thread = threading.Thread(target=self._renewing, name="links", daemon=True)
            self._thread.start()
        return wire

    def guard(self, devices: DeviceTrust | None, note: Note) -> None:
        """Let in who is enrolled here. Without an authority of its own a hub lets in whoever has a
        certificate of the root that the configuration names."""
        if self._wire is None or not secure(self.settings.listen):
            return
        if devices is None:
            self._wire.reopen(opening(self.settings, self._basics.node.role))
            return
        from baotu.trust.devices.nodes import Nodes

        nodes = Nodes(devices.chain)

        def refuse(kind: Kind, name: str, facts: Mapping[str, str]) -> None:
            _refused(devices, note, kind, name, facts)

        self._gate = Gate(self._wire, self.settings, self._basics.node.role, nodes, refuse)

    def close(self) -> None:
        self._ended.set()
        if self._gate is not None:
            self._gate.close()
        if self._thread is not None:
            self._thread.join(5)

    # -- certificates ---------------------------------------------------------------------------
    def _filled(self, settings: FabricSettings) -> FabricSettings:
        if self._hub:
            if not (self._basics.node.data / AUTHORITY / "root.crt").exists():
                return settings  # opening says that certificates are missing
            self._sign()
            pair = self.folder / HUB
        elif self._edge and (self.folder / "device.pem").exists():
            self._check_name()
            pair = self.folder / "device.pem"
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
        own = authority.issue(
            key.public_key(), who, dt.timedelta(days=OWN_DAYS), names=list(dict.fromkeys(names))
        )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        trusted = "".join(pem(one) for one in authority.chain())
        write_private(self.folder / "ca.pem", trusted.encode())
        write_private(self.folder / HUB, pair(key, [own, *authority.chain()[:-1]]))

    def _renewing(self) -> None:
        wait = LOOK_S
        while not self._ended.wait(wait):
            wait = LOOK_S
            try:
                if self._due():
                    self._renew()
            except (BaotuError, OSError, ValueError) as error:
                log.warning("certificate of the link not renewed", why=str(error))
                wait = AGAIN_S

    def _due(self) -> bool:
        from cryptography import x509

        pair = self.folder / (HUB if self._hub else "device.pem")
        own = x509.load_pem_x509_certificates(pair.read_bytes())[0]
        begin, end = own.not_valid_before_utc, own.not_valid_after_utc
        now = dt.datetime.fromtimestamp(self._clock.now() / 1e9, dt.UTC)
        return now >= begin + (end - begin) * 2 / 3

    def _renew(self) -> None:
        if self._hub:
            self._sign()
        else:
            from baotu.trust.devices.client import renew

            renew(self.folder)
        if self._gate is not None:
            self._gate.renew(self.settings)
        elif self._wire is not None:
            self._wire.reopen(opening(self.settings, self._basics.node.role))
        log.info("certificate of the link renewed")


def _hosts(endpoints: list[str]) -> list[str]:
    found = [one.partition("/")[2].rpartition(":")[0].strip("[]") for one in endpoints]
    return [host for host in found if host and not _everywhere(host)]


def _everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _refused(
    devices: DeviceTrust, note: Note, kind: Kind, name: str, facts: Mapping[str, str]
) -> None:
    """What the gate saw, as the register tells it: audit, alarm, evidence."""
    from baotu.trust.devices.refusal import Refusal

    if kind == "cut":
        rows = [row for row in devices.revocations.all().values() if row.device == name]
        if rows:
            devices.proved(max(rows, key=lambda row: row.time), int(facts["links"]))
        note("link cut", {"node": name, **facts})
    elif kind == "alone":
        note("node alone again", {"node": name, **facts})
    elif kind == "cloned":
        said = (
            "同一证书在两处连接，均不受理 One certificate links from two places: neither is heard"
        )
        devices.refuse(Refusal("cloned", said, device=name), facts.get("from", "link"))
    else:
        said = "节点未被接纳或已吊销 The node is not admitted, or was revoked"
        devices.refuse(Refusal("unknown", said, device=name), facts.get("from", "link"))


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

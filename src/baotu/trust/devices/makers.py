"""Makers of devices: whose certificates (IDevID, IEEE 802.1AR) prove a serial number."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from baotu.kernel.effects import Chain
from baotu.sdk.door import Change

from .authority import issued_by

TABLE = "devices_manufacturer"
READ = "SELECT organisation, name, pem FROM devices_manufacturer ORDER BY id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What the maker's certificate of one device says.

    trusted: organisations that trust the maker, with the name that it has there.
    """

    serial: str
    trusted: tuple[tuple[str, str], ...]
    begins: dt.datetime
    ends: dt.datetime


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    organisation: str
    name: str
    certificate: x509.Certificate


class Makers:
    """Follows the register; `changed` is called when another maker is trusted or one no longer."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        self._anchors: tuple[Anchor, ...] = ()
        self.changed: Callable[[], None] = lambda: None
        self.close = chain.watch(self._heard)
        self._load()

    def certificates(self) -> list[x509.Certificate]:
        return [anchor.certificate for anchor in self._anchors]

    def of(self, certificate: x509.Certificate) -> Maker | None:
        """Who made the device that shows it; None: nobody whom an organisation trusts."""
        found = [a for a in self._anchors if issued_by(certificate, a.certificate)]
        serials = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        if not found or len(serials) != 1:
            return None
        return Maker(
            serial=str(serials[0].value),
            trusted=tuple((a.organisation, a.name) for a in found),
            begins=certificate.not_valid_before_utc,
            ends=certificate.not_valid_after_utc,
        )

    def _heard(self, change: Change) -> None:
        if TABLE in change.tables:
            self._load()
            self.changed()

    def _load(self) -> None:
        rows = self._chain.store.ask(READ)
        anchors = [
            Anchor(organisation, name, certificate)
            for organisation, name, text in rows
            for certificate in x509.load_pem_x509_certificates(text.encode())
        ]
        with self._lock:
            self._anchors = tuple(anchors)

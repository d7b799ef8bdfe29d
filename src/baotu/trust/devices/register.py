"""Enrolment: a request, what proves the device, and the certificate; each one transaction.

Two that race with one token meet in the chain's queue: the second finds it used. Nothing is signed
for who is refused. What was refused is audited by the chain, and told as an alarm after it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509
from sqlalchemy import select

from baotu.kernel.effects import Chain, Deed
from baotu.sdk import Alarm, Call, Caller, Event, Fact, Records
from baotu.sdk.messages import SEAM

from . import csr
from .authority import Authority, issuer_id, pem
from .csr import Asked
from .makers import Maker
from .names import Identity
from .naming import split
from .refusal import Refusal
from .rows import APP, LIVING, NO_TAG, alarm, ended, living_of, nanos, note, revoke
from .tables import Certificate, Device, Token, Waiting
from .verify import Verifier, serial_of

MOST_WAITING = 1_000  # more than that is an attack, not a delivery
OVER = ("expired", "early", "token", "state")  # alarms that end when the device is in order again
TOKEN = "SELECT organisation FROM devices_token WHERE digest = ?"
ADMITTED = "SELECT 1 FROM devices_device WHERE organisation = ? AND manufacturer = ? AND serial = ?"
Grant = tuple[x509.Certificate, list[Fact]]


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """Where a request comes from. label: the organisation in its address, empty: not said."""

    place: str
    label: str = ""


class Register:
    """Safe to call from any thread."""

    def __init__(
        self, chain: Chain, authority: Authority, verifier: Verifier, *, organisation: str,
        lifetime: dt.timedelta,
    ) -> None:  # fmt: skip
        self.chain, self.authority, self.verifier = chain, authority, verifier
        self.organisation, self.lifetime = organisation, lifetime

    # -- the three ways in ----------------------------------------------------------------------
    def enrol(self, body: bytes, device: str, token: str, source: From) -> x509.Certificate:
        """By a one-time token. Raises Refusal."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        owners = self.chain.store.ask(TOKEN, (digest,))
        owner = str(owners[0][0]) if owners else self.organisation

        def work(records: Records, call: Call) -> Grant:
            row = records.scalar(select(Token).where(Token.digest == digest))
            if row is None:
                raise Refusal("unknown", "不认识这个令牌 This token is not known")
            known = records.find(Device, row.device)
            whose = {"device": known.name, "organisation": owner}
            if source.label not in ("", owner):
                raise Refusal(
                    "owner", "设备属于别的组织 The device is of another organisation", **whose
                )
            if device != known.name:
                raise Refusal("token", "令牌是另一台设备的 The token is of another device", **whose)
            if row.used is not None:
                raise Refusal("replayed", "令牌已经用过 The token was used before", **whose)
            if row.withdrawn or row.expires <= call.now:
                raise Refusal(
                    "token", "令牌已过期或撤回 The token has expired or was withdrawn", **whose
                )
            asked = self._read(body, whose)
            granted = self._grant(records, call, known, asked, by="token", replace=row.replace)
            row.used = call.now
            return granted

        return self._do("enrol", device, owner, source, work)

    def renew(self, body: bytes, der: bytes, source: From) -> x509.Certificate:
        """By the certificate that is to be renewed, shown in TLS. Raises Refusal.

        The same request again gives the same answer; another one is the work of a copy.
        """
        try:
            shown = self.verifier.check(der, organisation=source.label)
        except Refusal as refusal:
            raise self.refused("renew", refusal, source) from None
        identity = shown.identity

        def work(records: Records, call: Call) -> Grant:
            whose = {"device": identity.name, "organisation": identity.organisation}
            old = records.scalar(select(Certificate).where(Certificate.serial == shown.serial))
            if old is None:
                raise Refusal(
                    "unknown", "登记簿里没有这张证书 The register has no such certificate", **whose
                )
            if old.state not in LIVING:
                raise Refusal("revoked", "证书已吊销 The certificate was revoked", **whose)
            asked = self._read(body, whose)
            csr.agree_with(asked, shown.certificate, identity)
            if old.state == "renewed":
                return self._again(records, old, asked, whose)
            known = records.find(Device, old.device)
            granted = self._grant(records, call, known, asked, by="certificate", follows=old)
            old.state = "renewed"
            return granted

        return self._do("renew", identity.name, identity.organisation, source, work)

    def enrol_made(self, body: bytes, maker: Maker, source: From) -> x509.Certificate:
        """By the certificate of its maker, shown in TLS: IDevID → LDevID. Raises Refusal."""
        owner, name = self._owner(maker, source)

        def work(records: Records, call: Call) -> Grant:
            same = (Device.manufacturer == name, Device.serial == maker.serial)
            known = records.scalar(select(Device).where(*same))
            if known is None:
                raise Refusal("waiting", "等待接纳 Waits until somebody admits it")
            whose = {"device": known.name, "organisation": owner}
            if source.label not in ("", owner):
                raise Refusal(
                    "owner", "设备属于别的组织 The device is of another organisation", **whose
                )
            if not maker.begins <= call.now <= maker.ends:
                raise Refusal(
                    "expired", "厂商证书不在有效期 The maker's certificate is out of date", **whose
                )
            asked = self._read(body, whose)
            granted = self._grant(records, call, known, asked, by=name, replace=known.replace)
            known.replace = False
            return granted

        return self._do("enrol", maker.serial, owner, source, work)

    def admitted(self, maker: Maker, source: From) -> tuple[str, str]:
        """Where the device is admitted and its maker's name there. Raises Refusal: it waits."""
        owner, name = self._owner(maker, source)
        if not self.chain.store.ask(ADMITTED, (owner, name, maker.serial)):
            raise Refusal("waiting", "等待接纳 Waits until somebody admits it")
        return owner, name

    def told(self, what: str, maker: Maker, good: bool, why: str, source: From) -> None:
        """What a device says became of it; one line in the audit."""
        owner, _ = self._owner(maker, source)
        caller = caller_of(maker.serial, owner, source)
        self.chain.note(APP, what, caller, "done" if good else "failed", why)

    def _owner(self, maker: Maker, source: From) -> tuple[str, str]:
        """Organisation, and the maker's name there; who is admitted nowhere is noted as waiting."""
        ask = self.chain.store.ask
        mine = [one for one in maker.trusted if ask(ADMITTED, (*one, maker.serial))]
        known_to = mine or list(maker.trusted)
        wanted = (source.label or self.organisation,)
        owner, name = next((one for one in known_to if one[:1] == wanted), known_to[0])
        if not mine:
            self._wait(maker.serial, owner, name, source)
        return owner, name

    # -- what they share ------------------------------------------------------------------------
    def _read(self, body: bytes, whose: dict[str, str]) -> Asked:
        try:
            return csr.read(body)
        except Refusal as refusal:
            raise Refusal(refusal.kind, str(refusal), **whose) from None

    def _grant(
        self, records: Records, call: Call, device: Device, asked: Asked, *, by: str,
        replace: bool = False, follows: Certificate | None = None,
    ) -> Grant:  # fmt: skip
        """Check what is true of every way in, sign, and write it down."""
        owner = call.caller.organisation
        whose = {"device": device.name, "organisation": owner}
        if device.state == "retired" or (device.state == "revoked" and not replace):
            raise Refusal(
                "state", f"设备状态为 {device.state}{SEAM}The device is {device.state}", **whose
            )
        identity = Identity(
            organisation=owner, kind=device.kind, name=device.name, serial=device.serial  # type: ignore[arg-type]
        )  # fmt: skip
        names = split(device.names)
        if follows is None:
            csr.agree(asked, identity, tuple(names))
        facts = self._unique(records, call, device, asked, replace, follows)
        made = self.authority.issue(asked.public, identity, self.lifetime, names=names)
        records.put(
            Certificate(
                device=device.id, serial=serial_of(made), key=asked.key,
                issuer=issuer_id(made),
                begins=made.not_valid_before_utc, ends=made.not_valid_after_utc, issued=call.now,
                by=by, pem=pem(made), follows=follows.serial if follows else "",
            )
        )  # fmt: skip
        what = "renewed" if follows else "enrolled"
        note(records, call, device, what, f"{by}: {serial_of(made)}")
        if device.alarmed:
            facts += ended(records, call, [f"{kind}:{device.name}" for kind in OVER])
            device.alarmed = False
        device.state = "enrolled"  # last: what is written by the session is written once
        data = {"device": device.name, "serial": serial_of(made), "by": by}
        facts.append(Event(f"devices.{what}", data))
        return made, facts

    def _unique(
        self, records: Records, call: Call, device: Device, asked: Asked, replace: bool,
        follows: Certificate | None,
    ) -> list[Fact]:  # fmt: skip
        """One device has one key, and no two have the same. Raises Refusal for a clone."""
        whose = {"device": device.name, "organisation": call.caller.organisation}
        same = select(Certificate).where(Certificate.key == asked.key)
        for other in records.scalars(same):
            if other.device != device.id:
                raise Refusal(
                    "cloned", "另一台设备在用这个密钥 Another device uses this key", **whose
                )
            if other.state not in LIVING and other.reason == "keyCompromise":
                raise Refusal("revoked", "这个密钥已泄露 This key was compromised", **whose)
        if follows is not None:
            return []
        living = living_of(records, device, call.now)
        if all(row.key == asked.key for row in living):
            return []
        if not replace:
            raise Refusal(
                "cloned",
                "同名设备已有别的密钥的有效证书 A device of this name has a valid certificate "
                "for another key",
                **whose,
            )
        return [revoke(call, row, device.name, "superseded") for row in living]

    def _again(
        self, records: Records, old: Certificate, asked: Asked, whose: dict[str, str]
    ) -> Grant:
        found = select(Certificate).where(Certificate.follows == old.serial)
        next_one = records.scalars(found).first()
        if next_one is None or next_one.key != asked.key or next_one.state not in LIVING:
            raise Refusal(
                "cloned",
                "这张证书已用别的密钥更新过 This certificate was renewed before, with another key",
                **whose,
            )
        return x509.load_pem_x509_certificate(next_one.pem.encode()), []

    def _wait(self, serial: str, owner: str, maker: str, source: From) -> None:
        """Note who waits to be admitted."""

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            call = self.chain.call_of(caller_of(serial, owner, source))
            same = (Waiting.manufacturer == maker, Waiting.serial == serial)
            row = records.scalar(select(Waiting).where(*same))
            if row is not None:
                row.last, row.times = call.now, row.times + 1
            elif len(records.scalars(select(Waiting.id)).all()) < MOST_WAITING:
                records.put(
                    Waiting(manufacturer=maker, serial=serial, first=call.now, last=call.now)
                )
            text = f"有设备等待接纳：{maker} {serial}{SEAM}A device waits to be admitted: {maker} {serial}"
            return None, [alarm(call, "waiting", text)]

        caller = caller_of(serial, owner, source)
        self.chain.submit(Deed(app=APP, name="wait", caller=caller, body=body, audited=False))

    def _do(
        self, name: str, device: str, owner: str, source: From,
        work: Callable[[Records, Call], Grant],
    ) -> x509.Certificate:  # fmt: skip
        caller = caller_of(device, owner, source)

        def body(records: Records) -> tuple[x509.Certificate, Sequence[Fact]]:
            return work(records, self.chain.call_of(caller))

        try:
            made: x509.Certificate = self.chain.submit(
                Deed(app=APP, name=name, caller=caller, body=body)
            )
        except Refusal as refusal:
            self.alarm(refusal, source)
            raise
        return made

    # -- refusals -------------------------------------------------------------------------------
    def refused(self, name: str, refusal: Refusal, source: From, who: str = "") -> Refusal:
        """Audit a refusal that needed no transaction, raise its alarm; the same refusal."""
        owner = refusal.organisation or self.organisation
        caller = caller_of(refusal.device or who, owner, source)
        self.chain.note(APP, name, caller, "denied", f"{refusal} [{source.place}]")
        self.alarm(refusal, source)
        return refusal

    def alarm(self, refusal: Refusal, source: From) -> None:
        """One alarm for each device and reason; one for all whom nobody knows."""
        priority = refusal.reason.alarm
        if priority is None:
            return
        owner = refusal.organisation or self.organisation
        caller = Caller(APP, owner, frozenset(), kind="platform")
        call = self.chain.call_of(caller)
        who = refusal.device or source.place
        kind = f"{refusal.kind}:{refusal.device}" if refusal.device else refusal.kind
        fact = Alarm(
            NO_TAG, nanos(call.now), True, f"{who}: {refusal}", kind=kind, priority=priority
        )  # fmt: skip

        def body(records: Records) -> tuple[None, Sequence[Fact]]:
            if refusal.device:
                row = records.scalar(select(Device).where(Device.name == refusal.device))
                if row is not None and not row.alarmed:
                    row.alarmed = True
            return None, (fact,)

        self.chain.submit(Deed(app=APP, name="alarm", caller=caller, body=body, audited=False))


def caller_of(device: str, owner: str, source: From) -> Caller:
    name = "".join(c for c in device if c.isprintable())[:64] or source.place
    return Caller(name, owner, frozenset(), kind="device", via=f"est {source.place}")

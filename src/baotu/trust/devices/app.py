"""What people do with devices: admit, see, revoke, retire; and whose makers they trust."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated as A
from typing import Any, Literal

from sqlalchemy import func, select

from baotu.sdk import (
    App,
    Call,
    Conflict,
    Event,
    Facts,
    Invalid,
    Records,
    command,
    page,
    parameter,
    query,
    view,
)
from baotu.sdk.alarms import AlarmRow

from .naming import NAME, host, split
from .rows import APP, NO_TAG, ended, living_of, note, revoke
from .tables import (
    TABLES,
    Certificate,
    Device,
    Enrolment,
    Manufacturer,
    Token,
    Waiting,
)
from .ticket import Ticket

PERMISSION = "devices.admit"
LONGEST_MIN = 7 * 24 * 60  # a ticket that lies about for longer gets lost
STATES = {
    "admitted": "已接纳 Admitted", "enrolled": "已注册 Enrolled", "revoked": "已吊销 Revoked",
    "retired": "已退役 Retired",
}  # fmt: skip
Kind = Literal["device", "node", "server", "ra"]
Why = Literal[
    "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation",
    "privilegeWithdrawn", "unspecified",
]  # fmt: skip
NO_CA = "本节点还没有签发机构：先运行 baotu ca init This node has no certificate authority yet: run baotu ca init first"
EMPTY = (
    "还没有设备。用「接纳」写下第一台，把得到的票据交给它。 "
    "No devices yet. Admit the first one and hand it the ticket you get."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What of this node stands in a ticket. url: of the EST server; root: PEM."""

    url: str
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """token: shown this once. ticket: everything a device needs, in one word."""

    device: str
    token: str
    expires: dt.datetime
    ticket: str


class Devices(App):
    """Decides which devices and nodes may take part, and since when no longer. 设备信任。"""

    title = "设备信任 Device trust"
    serves = ("3.1",)
    tables = TABLES
    minutes = parameter(60.0, unit="min", title="令牌有效期 How long a one-time token is good")

    def start(self) -> None:
        self.here: Callable[[], Here] | None = None  # set where there is an authority
        self.chance: Callable[[], str] = lambda: secrets.token_urlsafe(24)

    # -- admission ------------------------------------------------------------------------------
    @command(permission=PERMISSION, title="接纳 Admit", duty="guard", told_once=True)
    def admit(
        self,
        records: Records,
        call: Call,
        name: A[str, "编号 Id"],
        title: A[str, "名称 Title"] = "",
        kind: A[Kind, "种类 Kind"] = "device",
        names: A[str, "域名与地址，用逗号分开 DNS names and addresses, separated by commas"] = "",
        manufacturer: A[str, "厂商 Manufacturer"] = "",
        serial: A[str, "序列号 Serial number"] = "",
    ) -> Facts[Admission]:
        """Let a new device in; the ticket it enrols with, once. 接纳一台新设备。"""
        here = self._here()
        if not NAME.fullmatch(name):
            raise Invalid("name", "用字母、数字和 . _ -，至多 64 个 Use letters, digits and . _ -, at most 64")  # fmt: skip
        _hosts(names)
        if bool(manufacturer) != bool(serial):
            raise Invalid(
                "serial", "厂商与序列号须一起写 Give manufacturer and serial number together"
            )
        if records.scalar(select(Device).where(Device.name == name)) is not None:
            raise Conflict("name", "已有同名设备，要新令牌请用「令牌」 There is such a device; for another token use Token")  # fmt: skip
        if manufacturer:
            self._admit_made(records, manufacturer, serial)
        device = records.put(
            Device(
                name=name, title=title, kind=kind, names=", ".join(split(names)),
                manufacturer=manufacturer, serial=serial, admitted_by=call.caller.name,
                admitted=call.now,
            )
        )  # fmt: skip
        note(records, call, device, "admitted", title)
        yield Event("devices.admitted", {"device": name, "kind": kind})
        if not records.scalars(select(Waiting.id)).all():
            yield from ended(records, call, ["waiting"])
        return self._token(records, call, device, here, replace=False)

    def _admit_made(self, records: Records, manufacturer: str, serial: str) -> None:
        """A device that comes with its maker's certificate; it no longer waits."""
        if records.scalar(select(Manufacturer).where(Manufacturer.name == manufacturer)) is None:
            raise Conflict("manufacturer", "先登记这个厂商 Register this manufacturer first")
        same = (Device.manufacturer == manufacturer, Device.serial == serial)
        if (other := records.scalar(select(Device).where(*same))) is not None:
            raise Conflict("serial", f"已是设备 {other.name} Is device {other.name} already")
        waits = (Waiting.manufacturer == manufacturer, Waiting.serial == serial)
        if (row := records.scalar(select(Waiting).where(*waits))) is not None:
            records.delete(row)
            records.flush()

    @command(permission=PERMISSION, title="令牌 Token", duty="guard", told_once=True)
    def token(
        self,
        records: Records,
        call: Call,
        name: A[str, "编号 Id"],
        replace: A[
            bool, "换新密钥，旧证书随即吊销 New key; the old certificate is revoked then"
        ] = False,
    ) -> Facts[Admission]:
        """Another ticket for a device: the first was lost, or it has a new key. 再发一张票据。"""
        here, device = self._here(), _find(records, name)
        if device.state == "retired":
            raise Conflict("name", "设备已退役 The device is retired")
        if device.state == "revoked" and not replace:
            raise Conflict("replace", "已吊销的设备须换新密钥 A revoked device needs a new key")
        if not replace and living_of(records, device, call.now):
            raise Conflict(
                "replace",
                "设备有有效证书：换密钥请选「换新密钥」 The device has a valid certificate: choose a new key",
            )
        device.replace = replace
        yield Event("devices.token", {"device": name, "replace": replace})
        return self._token(records, call, device, here, replace=replace)

    def _token(
        self, records: Records, call: Call, device: Device, here: Here, *, replace: bool
    ) -> Admission:
        minutes = min(float(self.minutes), LONGEST_MIN)
        word, expires = self.chance(), call.now + dt.timedelta(minutes=minutes)
        digest = hashlib.sha256(word.encode()).hexdigest()
        records.put(
            Token(
                device=device.id, digest=digest, made=call.now, made_by=call.caller.name,
                expires=expires, replace=replace,
            )
        )  # fmt: skip
        note(records, call, device, "token", f"{minutes:g} min")
        ticket = Ticket(
            url=here.url, organisation=call.caller.organisation, device=device.name, token=word,
            root=here.root,
        )  # fmt: skip
        return Admission(device=device.name, token=word, expires=expires, ticket=ticket.text())

    @command(permission=PERMISSION, title="撤回令牌 Withdraw tokens", duty="guard")
    def withdraw(self, records: Records, call: Call, name: A[str, "编号 Id"]) -> int:
        """Tokens of this device that were not used are good no longer; how many. 撤回未用的令牌。"""
        return _withdraw(records, call, _find(records, name))

    # -- the end --------------------------------------------------------------------------------
    @command(permission=PERMISSION, title="吊销 Revoke", duty="guard")
    def revoke(
        self,
        records: Records,
        call: Call,
        name: A[str, "编号 Id"],
        reason: A[Why, "原因 Reason"] = "keyCompromise",
    ) -> Facts[int]:
        """Its certificates are good no longer, at once; how many there were. 立即吊销设备的证书。"""
        device = _find(records, name)
        rows = living_of(records, device, call.now)
        if not rows and device.state in ("revoked", "retired"):
            raise Conflict("name", "没有有效证书 It has no valid certificate")
        device.state, device.replace = "revoked", False
        _withdraw(records, call, device)
        note(records, call, device, "revoked", reason)
        for row in rows:
            yield revoke(call, row, device.name, reason)
        return len(rows)

    @command(permission=PERMISSION, title="退役 Retire", duty="guard")
    def retire(
        self, records: Records, call: Call, name: A[str, "编号 Id"], reason: A[str, "原因 Reason"]
    ) -> Facts[int]:
        """The device never comes back; its certificates are revoked, its history stays. 设备退役。"""
        if not reason.strip():
            raise Invalid("reason", "写上原因，会记入审计 Say why; the audit keeps it")
        device = _find(records, name)
        if device.state == "retired":
            raise Conflict("name", "已经退役 Is retired already")
        device.state, device.replace = "retired", False
        _withdraw(records, call, device)
        note(records, call, device, "retired", reason.strip())
        rows = living_of(records, device, call.now)
        for row in rows:
            yield revoke(call, row, device.name, "cessationOfOperation")
        return len(rows)

    @command(permission=PERMISSION, title="处理完毕 Settle", duty="guard")
    def settle(
        self,
        records: Records,
        call: Call,
        name: A[str, "编号，空为未知设备 Id, empty: unknown devices"] = "",
    ) -> Facts[int]:
        """Somebody has looked into what was refused: its alarms end; how many. 拒绝的报警已处理。"""
        rows = records.scalars(
            select(AlarmRow).where(AlarmRow.app == APP, AlarmRow.tag == NO_TAG, AlarmRow.active)
        )
        kinds = [row.kind for row in rows if row.kind.partition(":")[2] == name]
        facts = ended(records, call, kinds)
        yield from facts
        return len(facts)

    # -- makers ---------------------------------------------------------------------------------
    @command(permission=PERMISSION, title="信任厂商 Trust a manufacturer", duty="guard")
    def trust_manufacturer(
        self,
        records: Records,
        call: Call,
        name: A[str, "厂商 Manufacturer"],
        certificates: A[
            str, "签发设备证书的 CA 证书，PEM CA certificates that sign its devices', PEM"
        ],
        masa: A[str, "凭单服务地址，https Address of its voucher authority, https"] = "",
        masa_certificates: A[
            str, "凭单服务的 CA 证书，PEM CA certificates of that address, PEM"
        ] = "",
    ) -> Facts[int]:
        """Certificates of this maker (IDevID) prove serial numbers; how many CAs. 信任厂商的设备证书。"""
        if not name.strip():
            raise Invalid("name", "写上厂商 Name the manufacturer")
        found = _authorities(certificates, "certificates")
        if masa and not masa.startswith("https://"):
            raise Invalid("masa", "须以 https:// 开头 Begins with https://")
        if masa:
            _authorities(masa_certificates, "masa_certificates")
        if records.scalar(select(Manufacturer).where(Manufacturer.name == name)) is not None:
            raise Conflict("name", "已登记这个厂商 This manufacturer is registered already")
        records.put(
            Manufacturer(
                name=name, pem=certificates, masa=masa, masa_pem=masa_certificates,
                trusted_by=call.caller.name, trusted=call.now,
            )
        )  # fmt: skip
        yield Event("devices.manufacturer", {"manufacturer": name, "trusted": True})
        return len(found)

    @command(permission=PERMISSION, title="不再信任厂商 Distrust a manufacturer", duty="guard")
    def distrust_manufacturer(
        self, records: Records, call: Call, name: A[str, "厂商 Manufacturer"]
    ) -> Facts[None]:
        """Its certificates prove nothing any more; what was enrolled stays. 不再信任厂商。"""
        row = records.scalar(select(Manufacturer).where(Manufacturer.name == name))
        if row is None:
            raise Conflict("name", "没有这个厂商 There is no such manufacturer")
        records.delete(row)
        yield Event("devices.manufacturer", {"manufacturer": name, "trusted": False})

    # -- questions ------------------------------------------------------------------------------
    @query(permission=PERMISSION, title="设备 Devices", duty="guard")
    def devices(
        self,
        records: Records,
        state: A[str, "状态，空为全部 State, empty: all"] = "",
        limit: A[int, "条数 Limit"] = 500,
    ) -> list[Device]:
        wanted = select(Device).order_by(Device.name)
        if state:
            wanted = wanted.where(Device.state == state)
        return list(records.scalars(wanted.limit(limit)))

    @query(permission=PERMISSION, title="证书 Certificates", duty="guard")
    def certificates(self, records: Records, name: A[str, "编号 Id"]) -> list[Certificate]:
        """All that a device was ever given, the newest first."""
        device = _find(records, name)
        wanted = select(Certificate).where(Certificate.device == device.id)
        return list(records.scalars(wanted.order_by(Certificate.id.desc())))

    @query(permission=PERMISSION, title="注册历史 Enrolment history", duty="guard")
    def history(self, records: Records, name: A[str, "编号 Id"]) -> list[Enrolment]:
        device = _find(records, name)
        wanted = select(Enrolment).where(Enrolment.device == device.id)
        return list(records.scalars(wanted.order_by(Enrolment.id)))

    @query(permission=PERMISSION, title="等待接纳 Waiting", duty="guard")
    def waiting(self, records: Records) -> list[Waiting]:
        """Devices with a maker's certificate that nobody has admitted yet."""
        return list(records.scalars(select(Waiting).order_by(Waiting.last.desc()).limit(500)))

    @page(title="设备信任 Device trust", permission=PERMISSION, duty="guard")
    def overview(self, records: Records, call: Call) -> view.View:
        count = select(Device.state, func.count(Device.id)).group_by(Device.state)
        counts = {row[0]: row[1] for row in records.execute(count)}
        tiles = tuple(view.Tile(title, counts.get(state, 0)) for state, title in STATES.items())
        rows = self.devices(records)
        until = _until(records, rows, call.now)
        columns = ("编号 Id", "名称 Title", "种类 Kind", "状态 State", "证书到期 Certificate ends", "接纳者 Admitted by")  # fmt: skip
        cells = tuple(
            (d.name, d.title, d.kind, STATES[d.state], until.get(d.id), d.admitted_by) for d in rows
        )
        table = view.Table(
            columns, cells, title="设备 Devices",
            actions=tuple(view.Action(n, (("name", 0),)) for n in ("token", "revoke", "retire")),
        )  # fmt: skip
        waits = tuple((w.manufacturer, w.serial, w.last, w.times) for w in self.waiting(records))
        queue = view.Table(
            ("厂商 Manufacturer", "序列号 Serial number", "最近 Last seen", "次数 Times"), waits,
            title="等待接纳 Waiting", actions=(view.Action("admit", (("manufacturer", 0), ("serial", 1))),),
        )  # fmt: skip
        forms = view.row(*(view.Form(n) for n in ("admit", "trust_manufacturer", "settle")))
        shown: view.View = table if rows else view.Markdown(EMPTY)
        return view.column(view.Tiles(tiles), shown, *([queue] if waits else []), forms)

    def _here(self) -> Here:
        if self.here is None:
            raise Conflict("ca", NO_CA)
        return self.here()


def _find(records: Records, name: str) -> Device:
    row = records.scalar(select(Device).where(Device.name == name))
    if row is None:
        raise Conflict("name", f"没有设备 {name} There is no device {name}")
    return row


def _withdraw(records: Records, call: Call, device: Device) -> int:
    open_ = (Token.device == device.id, Token.used.is_(None), Token.withdrawn.is_(False))
    rows = list(records.scalars(select(Token).where(*open_)))
    for row in rows:
        row.withdrawn = True
    if rows:
        note(records, call, device, "withdrawn", str(len(rows)))
    return len(rows)


def _hosts(names: str) -> None:
    try:
        for name in split(names):
            host(name)
    except ValueError as error:
        raise Invalid(
            "names", f"不是域名或地址：{error} Is no DNS name or address: {error}"
        ) from None


def _authorities(text: str, field: str) -> list[Any]:
    """Certificates of authorities out of PEM. Raises Invalid."""
    from cryptography import x509  # only here: see `naming`

    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for one in found:
            constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
            if not constraints.ca:
                raise ValueError
    except (ValueError, x509.ExtensionNotFound):
        raise Invalid(field, "须是 PEM 的 CA 证书 Give CA certificates as PEM") from None
    return found


def _until(records: Records, devices: list[Device], now: dt.datetime) -> dict[int, dt.datetime]:
    """When the last good certificate of each ends."""
    wanted = select(Certificate).where(
        Certificate.device.in_([d.id for d in devices]), Certificate.ends > now,
        Certificate.state == "valid",
    )  # fmt: skip
    found: dict[int, dt.datetime] = {}
    for row in records.scalars(wanted):
        found[row.device] = max(row.ends, found.get(row.device, row.ends))
    return found

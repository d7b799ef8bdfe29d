"""What is known of devices: who they are, what they were given, what happened to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from baotu.sdk import Table, refers


class Device(Table):
    """state: admitted | enrolled | revoked | retired.

    kind: device | node | server | ra. names: DNS names and addresses it may have in certificates,
    separated by commas. manufacturer, serial: by which its maker's certificate is known.
    """

    __table_args__ = (UniqueConstraint("organisation", "name"),)
    name: Mapped[str]
    title: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(default="device")
    state: Mapped[str] = mapped_column(default="admitted", index=True)
    names: Mapped[str] = mapped_column(default="")
    manufacturer: Mapped[str] = mapped_column(default="", index=True)
    serial: Mapped[str] = mapped_column(default="", index=True)
    replace: Mapped[bool] = mapped_column(default=False)  # its next enrolment may bring another key
    alarmed: Mapped[bool] = mapped_column(default=False)  # an alarm may be active about it
    admitted_by: Mapped[str]
    admitted: Mapped[datetime]


class Token(Table):
    """A one-time token, of which only the SHA-256 is kept. An empty `used`: it was not used."""

    device: Mapped[int] = refers(Device)
    digest: Mapped[str] = mapped_column(unique=True)
    made: Mapped[datetime]
    made_by: Mapped[str]
    expires: Mapped[datetime]
    replace: Mapped[bool] = mapped_column(default=False)
    used: Mapped[datetime | None] = mapped_column(default=None)
    withdrawn: Mapped[bool] = mapped_column(default=False)


class Certificate(Table):
    """state: valid | renewed | superseded | revoked. `renewed`: still good, another followed it.

    serial: hex. key: SHA-256 of the public key. issuer: its subject key identifier. by: token,
    certificate or manufacturer that proved the device. follows: the certificate it renewed.
    """

    device: Mapped[int] = refers(Device)
    serial: Mapped[str] = mapped_column(unique=True)
    key: Mapped[str] = mapped_column(index=True)
    issuer: Mapped[str]
    begins: Mapped[datetime]
    ends: Mapped[datetime] = mapped_column(index=True)
    issued: Mapped[datetime]
    by: Mapped[str]
    pem: Mapped[str]
    state: Mapped[str] = mapped_column(default="valid", index=True)
    revoked: Mapped[datetime | None] = mapped_column(default=None)
    reason: Mapped[str] = mapped_column(default="")
    follows: Mapped[str] = mapped_column(default="", index=True)


class Manufacturer(Table):
    """A maker whose certificates (IDevID, IEEE 802.1AR) prove a device's serial number.

    masa: address of its authority for vouchers (RFC 8995); masa_pem: whom its TLS is checked by.
    """

    __table_args__ = (UniqueConstraint("organisation", "name"),)
    name: Mapped[str]
    pem: Mapped[str]
    masa: Mapped[str] = mapped_column(default="")
    masa_pem: Mapped[str] = mapped_column(default="")
    trusted_by: Mapped[str]
    trusted: Mapped[datetime]


class Waiting(Table):
    """A device with a maker's certificate that nobody has admitted yet."""

    __table_args__ = (UniqueConstraint("organisation", "manufacturer", "serial"),)
    manufacturer: Mapped[str]
    serial: Mapped[str]
    first: Mapped[datetime]
    last: Mapped[datetime]
    times: Mapped[int] = mapped_column(default=1)


class Enrolment(Table):
    """What happened to a device. Rows are only ever added.

    what: admitted | token | enrolled | renewed | revoked | retired | withdrawn.
    """

    device: Mapped[int] = refers(Device)
    time: Mapped[datetime] = mapped_column(index=True)
    what: Mapped[str]
    who: Mapped[str]
    detail: Mapped[str] = mapped_column(default="")


TABLES: tuple[type[Table], ...] = (Device, Token, Certificate, Manufacturer, Waiting, Enrolment)

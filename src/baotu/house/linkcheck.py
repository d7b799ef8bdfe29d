"""What `baotu doctor` says of the links of a node: how they are secured, until when, what is insecure."""

from __future__ import annotations

import datetime as dt
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from baotu.fabric.lookout import stands
from baotu.fabric.session import DEFAULT, SECURE, here
from baotu.fabric.settings import FabricSettings

from .authority import FOLDER as AUTHORITY
from .finding import Finding
from .linking import EDGE, FOLDER, HUB
from .settings import Basics

if TYPE_CHECKING:
    from cryptography import x509

ABOUT = "链路 Links"


def links(basics: Basics) -> Iterator[Finding]:
    """A look at files, names and, at an edge, at whether TLS with the hub stands."""
    settings, role = basics.fabric, basics.node.role
    listen = (settings.listen or ([DEFAULT] if role == "hub" else [])) if role != "edge" else []
    connect = settings.connect or ([DEFAULT] if role == "edge" else [])
    if not listen and not connect:
        yield Finding(state="good", about=ABOUT, found="no other node: all within this process")
        return
    yield from _plain([*listen, *connect])
    tls = [e for e in (*listen, *connect) if e.partition("/")[0] in SECURE]
    if not tls:
        return
    filled = _files(basics, settings, hub=bool(listen))
    if not filled.certificate_file:
        advice = "baotu ca init" if listen else "baotu join TICKET"
        found = f"{tls[0]} needs certificates, and there are none"
        yield Finding(state="bad", about=ABOUT, found=found, advice=advice)
        return
    yield from _certificate(basics, filled, given=bool(settings.certificate_file), hub=bool(listen))
    yield from _names(tls)
    for way in connect:
        if way.startswith("tls/"):
            yield _reached(way, filled)


def _plain(endpoints: list[str]) -> Iterator[Finding]:
    for endpoint in endpoints:
        if endpoint.partition("/")[0] in SECURE:
            continue
        if here(endpoint):
            found = f"{endpoint}: plain, within this machine only"
            yield Finding(state="good", about=ABOUT, found=found)
        else:
            yield Finding(
                state="warning", about=ABOUT,
                found=f"{endpoint}: INSECURE, neither encrypted nor authenticated",
                advice="write tls/NAME:PORT, and take let_anyone_link_without_encryption out",
            )  # fmt: skip


def _files(basics: Basics, settings: FabricSettings, *, hub: bool) -> FabricSettings:
    """Settings with the files that the node itself keeps, as far as they are there."""
    if settings.certificate_file:
        return settings
    folder = basics.node.data / FOLDER
    pair = folder / (HUB if hub else EDGE)
    if not pair.exists():
        return settings
    return replace(
        settings, ca_file=str(folder / "ca.pem"), certificate_file=str(pair), key_file=str(pair)
    )


def _certificate(
    basics: Basics, settings: FabricSettings, *, given: bool, hub: bool
) -> Iterator[Finding]:
    from cryptography import x509

    path = Path(settings.certificate_file)
    try:
        own = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        found = f"{path} cannot be read: {error}"
        yield Finding(state="bad", about=ABOUT, found=found, advice="is it PEM, and this user's?")
        return
    yield _end(own, given=given, hub=hub)
    if not hub and not given and (name := _name(own)) != basics.node.name:
        yield Finding(
            state="bad", about=ABOUT,
            found=f"this node is called {basics.node.name}, its certificate says {name}",
            advice=f'write [node] name = "{name}", or get a certificate for the other name',
        )  # fmt: skip
    key = Path(settings.key_file)
    if key.exists() and key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found = f"{key} may be read by others than its owner"
        yield Finding(state="warning", about=ABOUT, found=found, advice=f"chmod 600 {key}")
    if hub and not given and not (basics.node.data / AUTHORITY / "root.crt").exists():
        found = "the authority that signs this hub's certificate is gone"
        yield Finding(state="bad", about=ABOUT, found=found, advice="baotu restore, or baotu ca init")  # fmt: skip


def _end(own: x509.Certificate, *, given: bool, hub: bool) -> Finding:
    from baotu.trust.devices.authority import renew_at

    end = own.not_valid_after_utc
    now, when = dt.datetime.now(dt.UTC), f"{end:%Y-%m-%d %H:%M} UTC"
    found = f"TLS 1.3, both sides proved by certificates; «{_name(own)}» until {when}"
    if end <= now:
        advice = (
            "give a new one" if given else "start the hub: it signs a new one itself" if hub
            else "a new ticket from the hub (devices.token NAME replace=true), then baotu join"
        )  # fmt: skip
        return Finding(state="bad", about=ABOUT, found=f"the certificate ended {when}", advice=advice)  # fmt: skip
    due = renew_at(own)
    if now > due + (end - due) / 2:  # it should have been renewed by now
        advice = "give a new one in time" if given else "is the node running? its log says more"
        return Finding(state="warning", about=ABOUT, found=f"{found}, not renewed", advice=advice)
    return Finding(state="good", about=ABOUT, found=found)


def _name(own: x509.Certificate) -> str:
    from cryptography.x509.oid import NameOID

    found = own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else "?"


def _names(endpoints: list[str]) -> Iterator[Finding]:
    """TLS proves names: each has to lead somewhere, over IPv6 too."""
    for host in dict.fromkeys(e.partition("/")[2].rpartition(":")[0] for e in endpoints):
        try:
            socket.getaddrinfo(host, None, socket.AF_INET6)
        except OSError:
            try:
                socket.getaddrinfo(host, None)
            except OSError as error:
                yield Finding(
                    state="bad", about=ABOUT, found=f"{host} leads nowhere: {error}",
                    advice="an AAAA record, or a line in /etc/hosts",
                )  # fmt: skip
                continue
            yield Finding(
                state="warning", about=ABOUT,
                found=f"{host} has no IPv6 address: this link is IPv4 only",
                advice=f"an AAAA record, or «::1 {host}» in /etc/hosts",
            )  # fmt: skip


def _reached(way: str, settings: FabricSettings) -> Finding:
    why = stands(way, settings)
    if why:
        return Finding(state="warning", about=ABOUT, found=why, advice="see the guide on edges")
    return Finding(state="good", about=ABOUT, found=f"{way}: TLS with the hub stands")

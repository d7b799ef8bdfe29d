"""Opens the Zenoh session of a node: peers over IPv6, no multicast unless it is wanted.

Beyond loopback only TLS 1.3 and QUIC, with certificates on both sides. Zenoh's shared memory is
always off: between processes of one host it would pass TLS by.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from typing import Literal

import zenoh

from baotu.sdk.errors import ConfigError

from .access import access
from .settings import FabricSettings
from .wire import Open, ZenohWire

Role = Literal["edge", "hub", "all"]
DEFAULT = "tcp/[::1]:7447"
SECURE = ("tls", "quic")
LOOPBACK = re.compile(r"(ip6-)?localhost")


def open_wire(
    settings: FabricSettings, role: Role = "all", nodes: Iterable[str] | None = None
) -> ZenohWire:
    """A hub listens, an edge connects (for ever, in the background), `all` needs neither.

    nodes: the names in the certificates of those that may link to it; None: whoever reaches it.
    Raises ConfigError when an endpoint cannot be used.
    """
    return ZenohWire(opening(settings, role, nodes))


def opening(
    settings: FabricSettings, role: Role = "all", nodes: Iterable[str] | None = None
) -> Open:
    """How the session is opened, now and whenever who may link, or a certificate, has changed."""
    listen = settings.listen or ([DEFAULT] if role == "hub" else [])
    connect = settings.connect or ([DEFAULT] if role == "edge" else [])
    for where, endpoints in (("listen", listen), ("connect", connect)):
        for endpoint in endpoints:
            _check(endpoint, f"[fabric] {where}", settings)
    options = _options(settings, listen, connect)
    if nodes is not None and secure(listen):
        options["access_control"] = access(settings.hub, nodes)

    def made() -> zenoh.Session:
        config = zenoh.Config()
        for key, value in options.items():
            config.insert_json5(key, json.dumps(value))
        try:
            return zenoh.open(config)
        except zenoh.ZError as error:
            raise ConfigError(
                f"cannot open {', '.join([*listen, *connect]) or 'the session'}: {error}",
                "[fabric]",
                "is the port in use, the address one of this machine, the certificate readable?",
            ) from error

    return made


def secure(endpoints: Iterable[str]) -> bool:
    """Whether others come in with certificates."""
    return any(endpoint.partition("/")[0] in SECURE for endpoint in endpoints)


def _options(settings: FabricSettings, listen: list[str], connect: list[str]) -> dict[str, object]:
    options: dict[str, object] = {
        "mode": "peer",
        "scouting/multicast/enabled": settings.scouting,
        "scouting/gossip/enabled": settings.scouting,
        "transport/shared_memory/enabled": False,
        "listen/endpoints": listen,
        "connect/endpoints": connect,
        "connect/timeout_ms": -1,  # start without the hub, connect when it comes
        "connect/exit_on_failure": False,
        "connect/retry": {
            "period_init_ms": 100,
            "period_max_ms": 1000,
            "period_increase_factor": 2,
        },
        "transport/link/tls/close_link_on_expiration": True,
    }
    files = {
        "root_ca_certificate": settings.ca_file,
        "listen_certificate": settings.certificate_file,
        "listen_private_key": settings.key_file,
        "connect_certificate": settings.certificate_file,
        "connect_private_key": settings.key_file,
    }
    options |= {f"transport/link/tls/{name}": file for name, file in files.items() if file}
    if settings.ca_file and settings.certificate_file:
        options["transport/link/tls/enable_mtls"] = True
    return options


def _check(endpoint: str, where: str, settings: FabricSettings) -> None:
    protocol, _, address = endpoint.partition("/")
    host = address.rpartition(":")[0].strip("[]")
    if not protocol or not host:
        raise ConfigError(f"{endpoint!r} is no endpoint", where, f"write it like {DEFAULT}")
    literal = _address(host)
    if protocol not in SECURE:
        _check_plain(endpoint, where, settings)
    elif literal is not None:
        raise ConfigError(
            f"{endpoint!r}: TLS proves names, not addresses", where,
            "write the name that the certificate bears; it needs an AAAA record",
        )  # fmt: skip
    elif not (settings.ca_file and settings.certificate_file and settings.key_file):
        raise ConfigError(
            f"{endpoint!r} needs certificates", where,
            "get them with `baotu join TICKET`, or set ca_file, certificate_file and key_file",
        )  # fmt: skip


def _check_plain(endpoint: str, where: str, settings: FabricSettings) -> None:
    """IEC 62443-4-2 CR 3.1, CR 4.1: what leaves the machine is authenticated and encrypted."""
    if not here(endpoint) and not settings.let_anyone_link_without_encryption:
        raise ConfigError(
            f"{endpoint!r} would be neither encrypted nor authenticated", where,
            "write tls/NAME:PORT with certificates; see the guide on edges",
        )  # fmt: skip


def here(endpoint: str) -> bool:
    """Whether it stays within this machine."""
    host = endpoint.partition("/")[2].rpartition(":")[0].strip("[]")
    literal = _address(host)
    return literal.is_loopback if literal is not None else bool(LOOPBACK.fullmatch(host))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None

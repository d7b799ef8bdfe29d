"""Opens the Zenoh session of a node: peers over IPv6, no multicast unless it is wanted.

Zenoh's shared memory is always off: between processes of one host it would pass TLS by.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Literal

import zenoh

from baotu.sdk.errors import ConfigError

from .settings import FabricSettings
from .wire import ZenohWire

Role = Literal["edge", "hub", "all"]
DEFAULT = "tcp/[::1]:7447"
SECURE = ("tls", "quic")


def open_wire(settings: FabricSettings, role: Role = "all") -> ZenohWire:
    """A hub listens, an edge connects (for ever, in the background), `all` needs neither.

    Raises ConfigError when an endpoint cannot be used.
    """
    listen = settings.listen or ([DEFAULT] if role == "hub" else [])
    connect = settings.connect or ([DEFAULT] if role == "edge" else [])
    for where, endpoints in (("listen", listen), ("connect", connect)):
        for endpoint in endpoints:
            _check(endpoint, f"[fabric] {where}", settings)
    config = zenoh.Config()
    for key, value in _options(settings, listen, connect).items():
        config.insert_json5(key, json.dumps(value))
    try:
        return ZenohWire(zenoh.open(config))
    except zenoh.ZError as error:
        raise ConfigError(
            f"cannot open {', '.join([*listen, *connect]) or 'the session'}: {error}",
            "[fabric]",
            "is the port in use, the address one of this machine, the certificate readable?",
        ) from error


def _options(settings: FabricSettings, listen: list[str], connect: list[str]) -> dict[str, object]:
    options: dict[str, object] = {
        "mode": "peer",
        "scouting/multicast/enabled": settings.scouting,
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
    if protocol not in SECURE:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        raise ConfigError(
            f"{endpoint!r}: TLS proves names, not addresses", where,
            "write the name that the certificate bears; it needs an AAAA record",
        )  # fmt: skip
    if not settings.ca_file and not settings.certificate_file:
        raise ConfigError(
            f"{endpoint!r} needs certificates", where, "set ca_file, certificate_file, key_file"
        )

"""The certificate authority of a node: made by `baotu ca`, started with the hub when it is there."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baotu.kernel.lifecycle import Stack
from baotu.sdk import ConfigError

from .place import data_folder
from .settings import address
from .web import bound

if TYPE_CHECKING:
    from .hub import Hub

FOLDER = "ca"


def start_devices(hub: Hub, stack: Stack) -> Any:
    """Enrolment and revocation status, where `baotu ca init` was run; else None."""
    basics = hub.config.basics
    folder = basics.node.data / FOLDER
    if not (folder / "root.crt").exists():
        return None
    from baotu.trust.devices.app import Devices
    from baotu.trust.devices.authority import Authority
    from baotu.trust.devices.service import DeviceTrust

    if not Authority.present(
        folder
    ):  # its root is there, the issuing certificate is still asked for
        return None
    app = next(one for one in hub.apps if isinstance(one, Devices))
    made = DeviceTrust(
        hub.chain, app, hub.clock, folder, basics.devices, organisation=hub.organisation
    )
    stack.add("devices", made.stop)
    made.start(_bound)
    return made


def _bound(text: str) -> socket.socket:
    try:
        return bound(*address(text))
    except ConfigError as error:
        raise ConfigError(error.why, "[devices]", error.hint) from None


def place(config: Path, data: Path | None) -> tuple[Path, str]:
    """Where the authority of a node rests, and its organisation."""
    from .file import load

    folder = data_folder(config, data) / FOLDER
    return folder, load(config, data=data).basics.node.organisation


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def password(path: Path | None) -> bytes:
    """The passphrase of the root's key: the first line of a file, empty for none."""
    return path.read_bytes().partition(b"\n")[0].strip() if path else b""


def fingerprint(certificate: Any) -> str:
    """SHA-256 as people compare it."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return str(certificate.fingerprint(SHA256()).hex(":"))


def made_root(organisation: str, out: Path, algorithm: Any, phrase: Path | None) -> str:
    from baotu.trust.devices import root
    from baotu.trust.devices.authority import pem
    from baotu.trust.devices.keys import write_key

    if out.exists():
        raise ConfigError("文件已存在 the file exists", str(out), "name another one")
    key, made = root.make_root(organisation, now=now(), algorithm=algorithm)
    write_key(out, key, password(phrase))
    out.with_suffix(".crt").write_text(pem(made))
    return f"{out.with_suffix('.crt')} {fingerprint(made)}"


def requested(config: Path, data: Path | None, certificate: Path, algorithm: Any) -> str:
    from baotu.trust.devices import root

    folder, _ = place(config, data)
    if not (folder / "root.crt").exists():
        root.adopt_root(folder, _certificate(certificate))
    root.request_issuing(folder, algorithm=algorithm)
    return str(sorted(folder.glob("issuing-*.csr"))[-1])


def signed(request: Path, key: Path, out: Path, phrase: Path | None) -> str:
    from cryptography import x509

    from baotu.trust.devices import root
    from baotu.trust.devices.authority import pem
    from baotu.trust.devices.keys import read_key

    try:
        csr = x509.load_pem_x509_csr(request.read_bytes())
    except ValueError:
        raise ConfigError("不是证书请求 is no certificate request", str(request)) from None
    own = _certificate(key.with_suffix(".crt"))
    made = root.sign_issuing(read_key(key, password(phrase)), own, csr, now=now())
    out.write_text(pem(made))
    return f"{out} → {made.not_valid_after_utc:%Y-%m-%d}"


def taken(config: Path, data: Path | None, certificate: Path) -> str:
    from baotu.trust.devices import root

    folder, _ = place(config, data)
    root.take_issuing(folder, _certificate(certificate))
    return "\n".join(told(folder))


def _certificate(path: Path) -> Any:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise ConfigError("不是证书 is no certificate", str(path), "write it as PEM") from None


def told(folder: Path) -> Iterator[str]:
    """What there is of an authority, a line each."""
    from baotu.trust.devices.authority import Authority, valid_at

    found = Authority(folder, lambda: int(now().timestamp()) * 10**9)
    root = found.root
    yield f"根 root: {root.subject.rfc4514_string()} → {root.not_valid_after_utc:%Y-%m-%d}"
    for issuer in found.all():
        mark = "●" if valid_at(issuer.certificate, now()) else "○"
        end = issuer.certificate.not_valid_after_utc
        yield f"{mark} 签发 issuing {issuer.number} → {end:%Y-%m-%d}"

"""Why a hub does not hear this edge, in words people can act on.

Zenoh tries for ever and tells nobody why it fails: a hub that is off, a certificate it does not take
and a node it does not admit look alike. So whoever is not heard looks by itself: is there a way to the
hub, does TLS stand, and does the hub answer the question that every admitted edge may ask?
"""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography import x509

from baotu.sdk.errors import Unreachable

from .message import key
from .settings import FabricSettings
from .wire import Wire, wait

log = structlog.get_logger("baotu.fabric")
LOOK_S, TRY_S, ALERT_S = 3.0, 3.0, 1.0
NOT_ADMITTED = (
    "中心不接纳本节点：未接纳，或已吊销；请中心用 devices.token 发新票据 "
    "The hub does not admit this node: never admitted, or revoked; ask it for a ticket (devices.token)"
)
SILENT = "中心没有应答，采样存在本机磁盘上 The hub does not answer; samples wait on this disk"


class Lookout:
    """One thread. `why`: empty while the hub hears this edge, or nothing is known yet.

    linked: whether its frames are taken; then there is nothing to ask. settings: as they are now.
    """

    def __init__(
        self,
        wire: Wire,
        settings: Callable[[], FabricSettings],
        edge: str,
        linked: Callable[[], bool | None],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._wire, self._settings, self._edge, self._linked = wire, settings, edge, linked
        self._look_s = look_s
        self.why, self.heard = "", False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fabric-lookout", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(1.0)  # it may be waiting for an address that does not answer

    def _run(self) -> None:
        while not self._ended.wait(self._look_s):
            why = "" if self._linked() or self._answered() else why_not(self._settings())
            self.heard = not why
            if why != self.why:
                self.why = why
                if why:
                    log.warning("the hub does not hear this node", why=why)
                else:
                    log.info("the hub hears this node")

    def _answered(self) -> bool:
        try:
            asked = key(self._settings().hub, "spans", self._edge)
            return wait(self._wire, asked, b"", timeout_s=TRY_S) is not None
        except Unreachable:
            return False


def why_not(settings: FabricSettings) -> str:
    """Looks at each endpoint with TLS; the reason that says most. Takes some seconds."""
    if said := _own_end(settings):
        return said
    ways = [e for e in settings.connect if e.startswith("tls/")]
    looks = [_look(way, settings) for way in ways]
    if any(reached and not said for reached, said in looks):
        return NOT_ADMITTED  # TLS stands, and the hub does not answer us
    good = next((said for reached, said in looks if reached), "")
    return good or next((said for _, said in looks), SILENT)


def stands(way: str, settings: FabricSettings) -> str:
    """Why no TLS with this endpoint stands; empty when it does. Takes a second or more."""
    return _own_end(settings) or _look(way, settings)[1]


def _own_end(settings: FabricSettings) -> str:
    try:
        own = x509.load_pem_x509_certificates(Path(settings.certificate_file).read_bytes())[0]
    except (OSError, ValueError) as error:
        return f"本节点的证书读不了 The certificate of this node cannot be read: {error}"
    end = own.not_valid_after_utc
    if end <= dt.datetime.now(dt.UTC):
        when = f"{end:%Y-%m-%d %H:%M} UTC"
        return (
            f"本节点的证书已于 {when} 到期；请中心用 devices.token 发新票据 "
            f"The certificate of this node ended {when}; ask the hub for a ticket (devices.token)"
        )
    return ""


def _look(way: str, settings: FabricSettings) -> tuple[bool, str]:
    """(whether somebody is there, why no TLS stands)."""
    host, _, port = way.partition("/")[2].rpartition(":")
    try:
        trust = _trust(settings)
    except (OSError, ssl.SSLError) as error:
        return True, f"证书文件读不了 The files of certificates cannot be read: {error}"
    shaken = False
    try:
        with (
            socket.create_connection((host, int(port)), timeout=TRY_S) as plain,
            trust.wrap_socket(plain, server_hostname=host) as line,
        ):
            shaken = True
            line.settimeout(ALERT_S)
            line.recv(1)  # with TLS 1.3 a refusal comes only now
    except ssl.SSLCertVerificationError as error:
        said = error.verify_message
        return True, f"中心的证书不可信 The certificate of the hub is not to be trusted: {said}"
    except TimeoutError:
        return shaken, "" if shaken else f"连不上中心 The hub cannot be reached: {way}: timed out"
    except ssl.SSLError as error:
        said = (error.reason or str(error)).lower().replace("_", " ")
        return (
            True,
            f"中心不接受本节点的证书 The hub does not take the certificate of this node: {said}",
        )
    except (OSError, ValueError) as error:
        return False, f"连不上中心 The hub cannot be reached: {way}: {error}"
    return True, ""


def _trust(settings: FabricSettings) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_verify_locations(settings.ca_file)
    made.load_cert_chain(settings.certificate_file, settings.key_file)
    return made

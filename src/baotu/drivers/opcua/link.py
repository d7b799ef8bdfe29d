"""One session with one server on the kept library: opened, watched, renewed, closed.

Requests are built and encrypted by asyncua; answers come back as bytes (`ask`), so that the hot
paths read them with `wire`. asyncua's own publish loop, watchdogs and reconnection are not started:
a lost session is Unreachable, and the edge calls again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties

from baotu.sdk import Denied, Unreachable

from .settings import ClientSettings, host
from .status import name_of, reaching
from .trust import Pki
from .wire import Reader

MODES = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
_POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
CLOSE_S = 1.0  # for goodbyes; the edge gives two seconds
RENEW_AT = 0.75  # of the life of the channel's keys (OPC 10000-4, 5.6.2.1)

_LIMITS = (  # ServerCapabilities.OperationLimits and what we take when the server sets none
    (ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead, 1000),
    (ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse, 100),
    (ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall, 1000),
    (ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData, 50),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many nodes or items one request may name."""

    read: int
    browse: int
    items: int
    history: int


class Link:
    """An activated session. `where` names the server in messages."""

    def __init__(self, client: Client, settings: ClientSettings, where: str) -> None:
        self.client, self.settings, self.where = client, settings, where
        self.namespaces: list[str] = []
        self.limits = Limits(read=100, browse=10, items=100, history=10)

    @property
    def protocol(self) -> UASocketProtocol:
        protocol = self.client.uaclient.protocol
        if protocol is None or protocol.is_closed:
            raise Unreachable(f"{self.where}: the connection is lost")
        return protocol

    async def ask(self, request: object, timeout_s: float | None = None) -> bytes:
        """The body of the answer. timeout_s: 0 waits for ever, None takes the setting.

        Raises Unreachable, also when the server refuses the whole request, and Malformed.
        """
        with reaching(self.where, type(request).__name__.removesuffix("Request")):
            answer = bytes(await self.protocol.send_request(request, timeout_s))
            status = Reader(data=answer).header()
            if status >> 31:
                raise ua.UaStatusCodeError(status)
        return answer

    async def learn(self) -> None:
        """The namespaces and the limits of the server."""
        nodes = [node_id(ua.ObjectIds.Server_NamespaceArray)]
        nodes += [node_id(node) for node, _ in _LIMITS]
        with reaching(self.where, "reading the server's limits"):
            values = await self.client.uaclient.session.read_attributes(
                nodes, ua.AttributeIds.Value
            )
            found = [one.Value.Value if one.Value is not None else None for one in values]
            self.namespaces = list(found[0] or [])
            most = self.settings.batch
            told = [
                min(most, usual, value)
                if isinstance(value, int) and value > 0
                else min(most, usual)
                for value, (_, usual) in zip(found[1:], _LIMITS, strict=True)
            ]
        self.limits = Limits(read=told[0], browse=told[1], items=told[2], history=told[3])

    async def watch(self) -> None:
        """Ask for a sign of life for ever; Unreachable when there is none."""
        state = node_id(ua.ObjectIds.Server_ServerStatus_State)
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=state, AttributeId=ua.AttributeIds.Value)
        ]
        lost = asyncio.Event()
        protocol = self.protocol
        protocol.on_connection_lost = lambda _error: lost.set()
        while not protocol.is_closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), self.settings.keepalive_s)
            if lost.is_set():
                break
            await self.ask(request)
        raise Unreachable(f"{self.where}: the server closed the connection")

    async def renew(self) -> None:
        """Change the keys of the channel in time, for ever."""
        while True:
            await asyncio.sleep(self.client.secure_channel_timeout / 1000 * RENEW_AT)
            with reaching(self.where, "renewing the secure channel"):
                await self.client.open_secure_channel(renew=True)
                self.client.uaclient.revolve_security_token()

    async def close(self) -> None:
        """Say goodbye if it is quick; never raises."""
        client = self.client.uaclient
        with suppress(OSError, ua.UaError, Unreachable):
            async with asyncio.timeout(CLOSE_S):
                if client.protocol is not None and not client.protocol.is_closed:
                    await client.close_session(True)
                    await client.close_secure_channel()
        client.disconnect_socket()


async def open_link(settings: ClientSettings, where: str) -> Link:
    """Raises Unreachable with what to do, whatever the reason, and Malformed."""
    name, port = host(settings.endpoint)
    shown = f"[{name}]" if ":" in name else name
    path = urlsplit(settings.endpoint).path
    client = Client(f"opc.tcp://{shown}:{port}{path}", timeout=settings.timeout_s)
    client.name = client.description = "Baotu"
    client.application_uri = settings.application_uri
    client.product_uri = "urn:baotu"
    client.session_timeout = 1000 * max(30, round(6 * settings.keepalive_s))
    if settings.user:
        client.set_user(settings.user)
        client.set_password(settings.password)
    link = Link(client, settings, where)
    try:
        with reaching(where, "connecting"):
            if settings.mode != "none":
                await _protect(client, settings, where, name)
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            await client.activate_session(client._username, client._password)
        await link.learn()
    except BaseException:
        await link.close()
        raise
    return link


async def _protect(client: Client, settings: ClientSettings, where: str, name: str) -> None:
    pki = Pki(settings.pki, settings.application_uri)
    certificate, key = await asyncio.to_thread(pki.own)
    policy, mode = _POLICIES[settings.policy], MODES[settings.mode]
    offered = await client.connect_and_get_server_endpoints()
    wanted = [
        one for one in offered if one.SecurityMode == mode and one.SecurityPolicyUri == policy.URI
    ]
    if not wanted:
        raise Unreachable(
            f"{where}: no endpoint with {settings.policy} and {settings.mode}; "
            f"the server offers {_offer(offered)}"
        )
    theirs = first_certificate(wanted[0].ServerCertificate or b"")
    if not settings.accept_any_server_certificate_insecure:
        try:
            pki.demand(theirs, wanted[0].Server.ApplicationUri, name)
        except Denied as error:
            raise Unreachable(f"{where}: {error}") from error
    await client.set_security(
        policy, CertProperties(certificate, "der"), CertProperties(key, "pem"),
        server_certificate=CertProperties(theirs, "der"), mode=mode,
    )  # fmt: skip


def node_id(number: int) -> ua.NodeId:
    """A node of namespace 0."""
    return ua.NodeId.from_string(f"i={int(number)}")


def _offer(endpoints: list[ua.EndpointDescription]) -> str:
    found = {
        f"{(one.SecurityPolicyUri or '').rpartition('#')[2]} {one.SecurityMode.name.strip('_')}"
        for one in endpoints
    }
    return ", ".join(sorted(found)) or "none"


def first_certificate(chain: bytes) -> bytes:
    """The first of concatenated DER certificates: the length is in its outer SEQUENCE."""
    return chain[: 4 + int.from_bytes(chain[2:4], "big")] if chain[1:2] == b"\x82" else chain


def check(status: ua.StatusCode, where: str, what: str) -> None:
    """Raises Unreachable for a bad status of something the session needs."""
    if status.value >> 31:
        raise Unreachable(f"{where}: {what} was refused: {name_of(status.value)}")

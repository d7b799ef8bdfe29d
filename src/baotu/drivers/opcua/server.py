"""OPC UA server: the node's tags for SCADA, MES and other clients.

On a loopback address open connections are served beside protected ones; elsewhere only signed and
encrypted ones, of clients whose certificate is trusted. Writing goes through the platform's chain.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from struct import error as StructError
from typing import Any

from asyncua import Server as Library
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, struct_to_binary

from baotu.sdk import (
    BaotuError,
    Conflict,
    Denied,
    Feed,
    Invalid,
    Peer,
    Refused,
    ServingDriver,
    Unreachable,
)

from .link import first_certificate, node_id
from .settings import ServerSettings, host
from .space import Space
from .trust import Pki
from .values import plain

STOP_S = 1.5
ACTIVATE = node_id(ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary)
POLICIES = [
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


class Server(ServingDriver):
    """Serves the whole tag tree of a `Feed`."""

    Settings = ServerSettings

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings)
        self.settings: ServerSettings = settings

    async def serve(self, feed: Feed, ready: Callable[[str], None]) -> None:
        pki = Pki(self.settings.pki, self.settings.application_uri)
        await asyncio.to_thread(pki.own, host(self.settings.endpoint)[0])
        house = _House(self.settings, feed, pki)
        library = await _prepared(house, self.settings, pki)
        index = await library.register_namespace(self.settings.namespace)
        house.space = space = Space(house.aspace, index)
        await space.add(feed.tags())
        for part in feed.latest():
            await space.take(part)
        try:
            await _start(library, self.settings)
            ready(_address(library, self.settings))
            async for samples in feed.samples():
                if not space.knows(samples):
                    await space.add(feed.tags())
                await space.take(samples)
        finally:
            with suppress(TimeoutError, OSError):
                await asyncio.wait_for(library.stop(), STOP_S)


async def _prepared(house: _House, settings: ServerSettings, pki: Pki) -> Library:
    library = Library(iserver=house)
    library.product_uri, library.manufacturer_name = "urn:baotu", "Baotu"
    library.name = settings.name
    await library.init()
    await library.set_application_uri(settings.application_uri)
    name, port = host(settings.endpoint)
    library.set_endpoint(_url(name, port))
    library.set_security_policy(([ua.SecurityPolicyType.NoSecurity] * settings.open) + POLICIES)
    named = bool(settings.user) or settings.users == "accounts"
    token = ua.UserNameIdentityToken if named else ua.AnonymousIdentityToken
    library.set_identity_tokens([token])
    await library.load_certificate(Path(pki.certificate_file))
    await library.load_private_key(Path(pki.key_file))
    library.disable_clock(True)  # the time is told when it is asked for
    house.set_attribute_value_callback(
        node_id(ua.ObjectIds.Server_ServerStatus_CurrentTime),
        lambda _node, _attribute: ua.DataValue(ua.Variant(datetime.now(UTC))),
    )
    return library


async def _start(library: Library, settings: ServerSettings) -> None:
    try:
        await library.start()
    except OSError as error:
        raise Unreachable(
            f"opcua server: cannot listen on {settings.endpoint}: {error.strerror or error}; "
            "give another port, or end the program that has it"
        ) from error
    if settings.users != "one" and library.bserver is not None:
        library.bserver.clients = _Clients(library.bserver.clients)
    address = _address(library, settings)
    for endpoint in library.iserver.endpoints:  # port 0 became a real one
        endpoint.EndpointUrl = address
        endpoint.Server.DiscoveryUrls = [address]


def _address(library: Library, settings: ServerSettings) -> str:
    name, port = host(settings.endpoint)
    return _url(name, int(library.bserver.port) if library.bserver is not None else port)


def _url(name: str, port: int) -> str:
    return f"opc.tcp://[{name}]:{port}" if ":" in name else f"opc.tcp://{name}:{port}"


class _Users:
    """Whom the server lets in: one user, or anybody where no user is set. Accounts of the platform
    are asked before, see `Proof`."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings

    def get_user(
        self, iserver: InternalServer, username: str | None = None, password: str | None = None,
        certificate: object = None,
    ) -> User | None:  # fmt: skip
        if self.settings.users != "one":
            return User(role=UserRole.User, name=username or "certificate")
        if not self.settings.user:
            return User(role=UserRole.User, name="anonymous")
        right = hmac.compare_digest((username or "").encode(), self.settings.user.encode())
        right &= hmac.compare_digest((password or "").encode(), self.settings.password.encode())
        return User(role=UserRole.User, name=username) if right else None


class _House(InternalServer):
    """asyncua's server with our sessions."""

    space: Space

    def __init__(self, settings: ServerSettings, feed: Feed, pki: Pki) -> None:
        super().__init__(user_manager=_Users(settings))  # type: ignore[arg-type] # its shape
        self.settings, self.feed, self.pki = settings, feed, pki
        self.max_connections = settings.sessions
        self.allow_remote_admin = False

    def create_session(
        self, name: str, user: User | None = None, external: bool = False
    ) -> InternalSession:
        return _Session(
            self, self.aspace, self.subscription_service, name,
            user=user or User(role=UserRole.Anonymous), external=external,
        )  # fmt: skip


class _Session(InternalSession):
    """Demands protection, trust and proof before it is activated; writes through the feed."""

    iserver: _House
    application_uri = ""
    ticket = ""
    proved: object = None  # the identity token that `prove` has found right, and no other

    @property
    def source(self) -> str:
        """The client's address: asyncua names an outside session by its socket."""
        return str(self.name[0]) if isinstance(self.name, tuple) else ""

    async def create_session(
        self, params: ua.CreateSessionParameters, sockname: tuple[str, int] | None = None
    ) -> ua.CreateSessionResult:
        self.application_uri = params.ClientDescription.ApplicationUri or ""
        return await super().create_session(params, sockname)

    async def prove(self, params: ua.ActivateSessionParameters, channel: bytes | None) -> None:
        """Ask the platform who this is, before the session is activated. Raises ServiceError."""
        token, users = params.UserIdentityToken, self.iserver.settings.users
        self.ticket, self.proved = "", None
        try:
            if users == "accounts" and isinstance(token, ua.UserNameIdentityToken):
                try:
                    name, secret = self.iserver.decrypt_user_token(self, token)
                except (ValueError, UnicodeDecodeError, StructError) as error:
                    raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from error
                self.ticket = await self.iserver.feed.sign_in(name or "", secret or "", self.source)
            elif users == "certificates" and channel:
                certificate = first_certificate(channel)
                self.ticket = await self.iserver.feed.show(certificate, self.source)
        except Denied as error:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied) from error
        except (Unreachable, Refused, Invalid) as error:
            raise ServiceError(ua.StatusCodes.BadResourceUnavailable) from error
        self.proved = _bytes(token)

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        # asyncua lets any channel without protection through, listed or not
        if not peer_certificate and not self.iserver.settings.open:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        trusting = self.iserver.settings.accept_any_client_certificate_insecure
        if peer_certificate and not trusting:
            try:
                self.iserver.pki.demand(first_certificate(peer_certificate), self.application_uri)
            except Denied as error:
                self.logger.warning("opcua server: %s", error)
                raise ServiceError(ua.StatusCodes.BadCertificateUntrusted) from error
        if self.iserver.settings.users != "one" and not (
            self.ticket and self.proved == _bytes(params.UserIdentityToken)
        ):
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return super().activate_session(params, peer_certificate)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        if not self.external:
            return await super().write(params)
        return [ua.StatusCode(ua.UInt32(await self._write(one))) for one in params.NodesToWrite]

    async def _write(self, one: ua.WriteValue) -> int:
        tag = self.iserver.space.by_node.get(one.NodeId)
        if tag is None or one.AttributeId != ua.AttributeIds.Value or not tag.writable:
            return ua.StatusCodes.BadNotWritable
        if one.IndexRange:
            return ua.StatusCodes.BadIndexRangeInvalid
        value = plain(one.Value.Value) if one.Value.Value is not None else None
        if value is None or isinstance(value, str) != (tag.kind == "text"):
            return ua.StatusCodes.BadTypeMismatch
        name = f"opcua:{self.user.name or 'anonymous'}"
        peer = Peer(name=name, source=self.source, ticket=self.ticket)
        try:
            reply = await self.iserver.feed.write(tag.id, value, peer)
        except BaotuError as error:
            if isinstance(error, Refused) and error.code >> 31:
                return error.code
            return next(code for kind, code in REFUSALS if isinstance(error, kind))
        if reply.request:
            return ua.StatusCodes.GoodCompletesAsynchronously  # somebody has to approve it
        return ua.StatusCodes.Good if reply.done else ua.StatusCodes.BadDeviceFailure


REFUSALS: tuple[tuple[type[BaotuError], int], ...] = (
    (Denied, ua.StatusCodes.BadUserAccessDenied),
    (Conflict, ua.StatusCodes.BadTooManyOperations),
    (Invalid, ua.StatusCodes.BadOutOfRange),
    (Unreachable, ua.StatusCodes.BadNotConnected),
    (BaotuError, ua.StatusCodes.BadDeviceFailure),
)
"""What each refusal of a write is called in OPC 10000-4, 7.39; the first that fits."""


def _bytes(token: object) -> bytes:
    return bytes(struct_to_binary(token))


class _Clients(list[Any]):
    """asyncua's list of connections. Its sessions are activated without a wait, so each new
    connection gets the proof of its users in front of that: a password takes a tenth of a second,
    and a hub elsewhere longer."""

    def append(self, connection: Any) -> None:
        processor = connection.processor
        plainly = processor.process_message

        async def proved(head: Any, body: Any) -> Any:
            kind, asked = body.copy(), None
            if nodeid_from_binary(kind) == ACTIVATE:
                asked = struct_from_binary(ua.RequestHeader, kind)
                try:
                    await _prove(processor, asked, kind)
                except ServiceError as error:
                    fault = ua.ServiceFault()
                    fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(error.code))
                    processor.send_response(asked.RequestHandle, head, fault)
                    return True
            return await plainly(head, body)

        processor.process_message = proved
        super().append(connection)


async def _prove(processor: Any, head: Any, body: Any) -> None:
    session = processor.session or processor.iserver.lookup_external_session(
        head.AuthenticationToken
    )
    if session is not None:
        params = struct_from_binary(ua.ActivateSessionParameters, body)
        await session.prove(params, processor._connection.security_policy.peer_certificate)

"""MQTT sessions for drivers: sockets, TLS, time-outs, batching and back-pressure, written once.

Implements `sdk.mqtt.MqttSession`. Nothing of payloads and topics in here.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from baotu.sdk import ConfigError, Unreachable
from baotu.sdk.mqtt import CLOSE_S, Broker, Incoming, Will

CHUNK = 256 << 10  # bytes taken from the queue at once: some 10 000 metrics, about 20 ms
MOST = 1000  # messages taken at once: of the smallest, about 20 ms as well


class Intake(asyncio.Queue[aiomqtt.Message]):
    """aiomqtt's queue, emptied in batches. Full: the oldest message is dropped and counted."""

    def __init__(self, settings: Broker) -> None:
        super().__init__()
        self._waiting: deque[Incoming] = deque()
        self._bytes = 0
        self._most = settings.queue_messages
        self._window_s = settings.batch_ms / 1000
        self._place = settings.place
        self._arrived, self._full = asyncio.Event(), asyncio.Event()
        self._lost: str | None = None
        self.dropped = 0

    def qsize(self) -> int:
        return len(self._waiting)

    def put_nowait(self, item: aiomqtt.Message) -> None:
        payload = bytes(cast(bytes, item.payload or b""))
        self._waiting.append((item.topic.value, payload, bool(item.retain)))
        self._bytes += len(payload)
        if len(self._waiting) > self._most:
            self._bytes -= len(self._waiting.popleft()[1])
            self.dropped += 1
        self._arrived.set()
        if self._is_much():
            self._full.set()

    def _is_much(self) -> bool:
        return self._bytes >= CHUNK or len(self._waiting) >= MOST

    async def get(self) -> aiomqtt.Message:
        """For aiomqtt's iterator, which only watches for the end: messages leave by `take`."""
        return await asyncio.get_running_loop().create_future()

    def end(self, why: str) -> None:
        self._lost = why
        self._arrived.set()
        self._full.set()

    async def take(self, idle_s: float) -> list[Incoming]:
        """The messages of the batch window, CHUNK bytes or MOST messages at most; [] when none came in `idle_s`.

        Raises Unreachable when the connection is lost and everything before it was taken.
        """
        if not self._waiting:
            self._arrived.clear()
            if self._lost is not None:
                raise Unreachable(f"{self._place}: connection lost ({self._lost})")
            await _wait(self._arrived, idle_s)
        if self._waiting and self._window_s and not self._is_much():
            self._full.clear()
            await _wait(self._full, self._window_s)
        else:
            await asyncio.sleep(0)  # others have their turn between two batches
        out: list[Incoming] = []
        size = 0
        while self._waiting and size < CHUNK and len(out) < MOST:
            out.append(self._waiting.popleft())
            size += len(out[-1][1])
        self._bytes -= size
        return out


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Session:
    """One connection. What the library raises becomes Unreachable, naming the broker."""

    def __init__(self, client: aiomqtt.Client, intake: Intake, place: str) -> None:
        self._client, self._intake, self._place = client, intake, place

    @property
    def dropped(self) -> int:
        return self._intake.dropped

    async def take(self, idle_s: float) -> list[Incoming]:
        return await self._intake.take(idle_s)

    async def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        try:
            await self._client.publish(topic, payload, qos=qos, retain=retain)
        except aiomqtt.MqttError as lost:
            raise Unreachable(f"{self._place}: {lost}") from lost

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[int]:
        try:
            codes = await self._client.subscribe(list(filters))
        except aiomqtt.MqttError as lost:
            raise Unreachable(f"{self._place}: {lost}") from lost
        return [code if isinstance(code, int) else code.value for code in codes]


def tls_context(settings: Broker) -> ssl.SSLContext | None:
    """Raises ConfigError naming the file that is wrong."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_certificate:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except (OSError, ssl.SSLError) as wrong:
        files = ", ".join(
            path for path in (settings.tls_ca, settings.tls_certificate, settings.tls_key) if path
        )
        raise ConfigError(
            f"TLS files cannot be used ({wrong}): {files or 'system CA'}",
            hint="tls_ca, tls_certificate and tls_key name readable PEM files",
        ) from None
    return context


def _client(settings: Broker, intake: Intake, will: Will | None) -> aiomqtt.Client:
    options: dict[str, Any] = {}
    if settings.protocol == "5":
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0  # nothing is kept for us: each session is new
        options = {
            "protocol": aiomqtt.ProtocolVersion.V5, "clean_start": True, "properties": properties,
        }  # fmt: skip
    else:
        options = {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": True}
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username or None,
        password=settings.password or None,
        identifier=settings.client_id or f"baotu-{secrets.token_hex(6)}",
        will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
        timeout=settings.timeout_s,
        keepalive=settings.keepalive_s,
        queue_type=cast(Any, lambda maxsize: intake),
        max_queued_outgoing_messages=10_000,
        tls_context=tls_context(settings),
        **options,
    )
    # aiomqtt has no argument for it, and paho's own five seconds are not ours
    client._client.connect_timeout = settings.timeout_s
    return client


@asynccontextmanager
async def connect(settings: Broker, will: Will | None = None) -> AsyncIterator[Session]:
    """A session with this broker. Raises Unreachable, saying why, and ConfigError for TLS files.
    Ends with DISCONNECT, so no will is sent."""
    intake = Intake(settings)
    client = _client(settings, intake, will)
    await _open(client, settings)
    watch = asyncio.create_task(_watch(client, intake))
    try:
        yield Session(client, intake, settings.place)
    finally:
        watch.cancel()
        client.timeout = CLOSE_S
        try:
            await client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            _abandon(client)


async def _watch(client: aiomqtt.Client, intake: Intake) -> None:
    try:
        await anext(client.messages)
    except aiomqtt.MqttError as lost:
        intake.end(str(lost.__cause__ or lost))


async def _open(client: aiomqtt.Client, settings: Broker) -> None:
    """aiomqtt connects in a thread, which nobody can stop: a cancelled start waits for its end
    a little, then leaves the rest to a callback, so no socket stays open."""
    opening = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(opening)
    except aiomqtt.MqttError as wrong:
        _abandon(client)
        raise Unreachable(f"{settings.place}: {_reason(wrong)}") from wrong
    except asyncio.CancelledError:
        if client._client.socket() is None:  # the thread is still at it
            await asyncio.wait({opening}, timeout=CLOSE_S)
        if client._client.socket() is not None:  # TCP stands, the broker's word may never come
            opening.cancel()
            await asyncio.wait({opening}, timeout=CLOSE_S)
        opening.add_done_callback(lambda task: _closed(task, client))
        raise


def _closed(task: asyncio.Future[aiomqtt.Client], client: aiomqtt.Client) -> None:
    if not task.cancelled():
        task.exception()  # asked for, so that asyncio does not complain
    _abandon(client)


_REASONS = (
    # words in the library's error, what it means, what to do
    (("refused", "errno"), "nobody listens there", "start the broker or correct host and port"),
    (("timed out",), "no answer in time", "is it a broker of this MQTT version, is the way free?"),
    (("certificate",), "its certificate is not trusted", "name its CA in tls_ca"),
    (("author",), "log-in refused", "check username and password"),
    (("user name",), "log-in refused", "check username and password"),
    (("name or service",), "the name is not known", "correct host, or write an address"),
    (("wrong version number",), "it does not speak TLS", "set tls = false or take its TLS port"),
    (("reset by peer",), "it hangs up", "does the port speak TLS, and tls say so?"),
)


def _reason(wrong: aiomqtt.MqttError) -> str:
    text = str(wrong)
    for words, meaning, advice in _REASONS:
        if all(word in text.lower() for word in words):
            return f"{meaning} ({text}); {advice}"
    return f"cannot connect ({text})"


def _abandon(client: aiomqtt.Client) -> None:
    """Close the socket of a connection that never stood or does not end: aiomqtt leaves it."""
    loop, inner = asyncio.get_running_loop(), client._client
    if client._misc_task is not None:
        client._misc_task.cancel()
    sock = inner.socket()
    if sock is not None and sock.fileno() >= 0:
        loop.remove_reader(sock.fileno())
        loop.remove_writer(sock.fileno())
        sock.close()

"""Live values by WebSocket: one ear at the commit thread, many browsers, newest value wins.

A client sends {"subscribe": [names]} and {"unsubscribe": [names]}; it gets columns as in
`/api/latest`: at once for what is there, then whenever something changed, ten times a second while
that is cheap, down to once when many watch much: telling takes at most a twentieth of a core. What
a slow client has not taken is not queued: the newer value takes the place of the older one, so
memory is bounded by what it subscribed to. {"changed": [tables]} tells that a command wrote there,
so that a page may ask again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import anyio
import numpy as np
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from baotu.sdk import Invalid, Samples, Tag
from baotu.sdk.door import Change
from baotu.sdk.ports import Stop

from .columns import Names, TimeForm, as_json
from .finder import Finder, ids_of
from .rooms import Rooms
from .scoped import caller_of, part_of

LEAST_PAUSE_S, MOST_PAUSE_S = 0.1, 1.0
SHARE = 0.05  # of one core, for telling all clients together
INBOX = 512  # batches between two turns of the loop; beyond it clients look at `latest` again
MOST_TAGS = 20_000
FEW = 2000  # a client's names are kept written for so many; more would take a megabyte each


class Written:
    """Names of a few tags as JSON, written once: a client is told the same ones for ever."""

    def __init__(self, ids: np.ndarray, names: Names) -> None:
        """ids: ascending."""
        self._ids, self._names = ids, names
        self._json = [orjson.dumps(name) for name in names.names(ids).tolist()]

    def names(self, ids: np.ndarray) -> np.ndarray:
        return self._names.names(ids)

    def names_json(self, ids: np.ndarray) -> bytes:
        at = np.searchsorted(self._ids, ids).tolist()
        return b"[%b]" % b",".join([self._json[a] for a in at])


class Wanted:
    """What one client wants to see and has not yet been sent; columns by place of the tag."""

    def __init__(self, organisation: str = "") -> None:
        self.organisation = organisation
        self.names: Names | None = None  # of what is wanted; None before anything is
        self.ids = np.empty(0, "i4")
        self._place = np.full(1, -1, "i4")
        self._time = np.empty(0, "i8")
        self._value = np.empty(0, "f8")
        self._quality = np.empty(0, "u1")
        self._fresh = np.empty(0, bool)
        self._wordy = np.empty(0, bool)  # which have been texts
        self._texts: dict[int, str] = {}
        self.changed: set[str] = set()  # tables that commands wrote since the last message
        self.event = asyncio.Event()

    def reset(self, ids: np.ndarray) -> None:
        """Want exactly these; nothing is known of them."""
        self.ids, size = ids, len(ids)
        self._place = np.full(int(ids.max()) + 2 if size else 1, -1, "i4")
        self._place[ids] = np.arange(size)
        self._time = np.full(size, np.iinfo("i8").min)
        self._value, self._quality = np.full(size, np.nan), np.zeros(size, "u1")
        self._fresh, self._wordy, self._texts = np.zeros(size, bool), np.zeros(size, bool), {}

    def take(self, samples: Samples) -> None:
        """Note the newest of those wanted; older than known is passed over."""
        place = self._place[np.minimum(samples.tag, len(self._place) - 1)]
        chosen = np.flatnonzero(place >= 0)
        chosen = chosen[samples.time[chosen] >= self._time[place[chosen]]]
        if not len(chosen):
            return
        chosen = chosen[np.argsort(samples.time[chosen], kind="stable")]  # the last one stays
        at = place[chosen]
        self._time[at] = samples.time[chosen]
        self._quality[at] = samples.quality[chosen]
        if samples.is_text:
            self._wordy[at] = True
            self._texts.update(zip(at.tolist(), samples.value[chosen].tolist(), strict=True))
        else:
            self._value[at] = samples.value[chosen]
        self._fresh[at] = True
        self.event.set()

    def unsent(self) -> list[Samples]:
        """What changed since the last time: numbers, then texts."""
        at = np.flatnonzero(self._fresh)
        self._fresh[at] = False
        numbers, words = at[~self._wordy[at]], at[self._wordy[at]]
        value = np.array([self._texts[int(a)] for a in words], object)
        return [
            Samples(
                self.ids[numbers], self._time[numbers], self._value[numbers], self._quality[numbers]
            ),
            Samples(self.ids[words], self._time[words], value, self._quality[words]),
        ]


class LiveChannel:
    """Shares one watch of the `Live` port among all clients; none, no watch."""

    def __init__(self, rooms: Rooms, finder: Finder) -> None:
        self._rooms, self._finder = rooms, finder
        self._clients: set[Wanted] = set()
        self._inbox: deque[Samples] = deque(maxlen=INBOX)
        self._lock = threading.Lock()
        self._asked = False
        self._missed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stops: list[Stop] = []

    @property
    def clients(self) -> int:
        return len(self._clients)

    def join(self, organisation: str = "") -> Wanted:
        client = Wanted(organisation)
        self._clients.add(client)
        if not self._stops:
            self._loop = asyncio.get_running_loop()
            self._stops = [
                self._rooms.live.watch(self._hear),
                self._rooms.door.watch(self._hear_change),
            ]
        return client

    def leave(self, client: Wanted) -> None:
        self._clients.discard(client)
        if not self._clients:
            for stop in self._stops:
                stop()
            self._stops = []

    def _hear_change(self, change: Change) -> None:
        """On the kernel's thread: pages that show these tables should look again."""
        self._call(self._spread, change)

    def _spread(self, change: Change) -> None:
        for client in self._clients:
            if client.organisation in ("", change.organisation):
                client.changed |= change.tables
                client.event.set()

    def _call(self, work: Callable[..., None], *given: object) -> None:
        try:
            if self._loop:
                self._loop.call_soon_threadsafe(work, *given)
        except RuntimeError:  # the loop has closed: nobody listens any more
            self._loop = None

    def _hear(self, samples: Samples) -> None:
        """On the commit thread: put it down, wake the loop once."""
        with self._lock:
            self._missed |= len(self._inbox) == INBOX
            self._inbox.append(samples)
            wake, self._asked = not self._asked, True
        if wake:
            self._call(self._share)

    def _share(self) -> None:
        with self._lock:
            batches, missed = list(self._inbox), self._missed
            self._inbox.clear()
            self._asked = self._missed = False
        for client in self._clients:
            if missed and len(client.ids):
                batches = [*batches, *self._rooms.history.latest(client.ids)]
            for samples in batches:
                client.take(samples)

    def subscribe(self, client: Wanted, ids: np.ndarray) -> None:
        client.reset(ids)
        client.names = Written(ids, self._finder) if len(ids) <= FEW else self._finder
        if len(ids):
            for samples in self._rooms.history.latest(ids):
                client.take(samples)


def routes(api: APIRouter, rooms: Rooms, channel: LiveChannel) -> None:
    @api.websocket("/live")
    async def live(socket: WebSocket) -> None:
        caller = caller_of(socket)
        form: TimeForm = "ms" if socket.query_params.get("time") == "ms" else "iso"
        await socket.accept()
        client = channel.join(caller.organisation)
        try:
            await _subscribe(socket, channel, client, socket.query_params.getlist("tag"))
            async with anyio.create_task_group() as both:
                both.start_soon(_tell, socket, channel, client, form, both.cancel_scope)
                await _listen(socket, channel, client)
                both.cancel_scope.cancel()
        except WebSocketDisconnect:
            pass
        finally:
            channel.leave(client)


async def _listen(socket: WebSocket, channel: LiveChannel, client: Wanted) -> None:
    """Until the client goes."""
    while True:
        try:
            asked = orjson.loads(await _text(socket))
        except WebSocketDisconnect:
            return
        except ValueError as error:
            await _complain(socket, f'not JSON: {error}; send {{"subscribe": [names]}}')
            continue
        if not isinstance(asked, dict) or not asked.keys() & {"subscribe", "unsubscribe"}:
            await _complain(socket, 'send {"subscribe": [names]} or {"unsubscribe": [names]}')
            continue
        add, drop = asked.get("subscribe", []), asked.get("unsubscribe", [])
        if not (isinstance(add, list) and isinstance(drop, list)):
            await _complain(socket, "names come in a list")
            continue
        await _subscribe(socket, channel, client, add, drop)


async def _text(socket: WebSocket) -> str:
    """The next message; one of bytes is one in UTF-8. Raises ValueError when it is not."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000), message.get("reason"))
    text = message.get("text")
    return (message.get("bytes") or b"").decode() if text is None else text


async def _subscribe(
    socket: WebSocket,
    channel: LiveChannel,
    client: Wanted,
    add: Sequence[str],
    drop: Sequence[str] = (),
) -> None:
    wanted: list[Tag] = []
    dropped: list[Tag] = []
    unknown = []
    plant = part_of(socket, "history.read").plant
    for names, found in ((add, wanted), (drop, dropped)):
        for name in names:
            try:
                found.append(plant.tag(str(name)))
            except Invalid as error:
                unknown.append({"tag": str(name), "detail": error.why})
    ids = np.union1d(np.setdiff1d(client.ids, ids_of(dropped)), ids_of(wanted)).astype("i4")
    if len(ids) > MOST_TAGS:
        await _complain(socket, f"at most {MOST_TAGS} tags in one connection; open another")
        return
    if len(ids) != len(client.ids) or (ids != client.ids).any():
        channel.subscribe(client, ids)
    if unknown:
        await socket.send_text(orjson.dumps({"unknown": unknown}).decode())


async def _complain(socket: WebSocket, detail: str) -> None:
    await socket.send_text(orjson.dumps({"problem": {"status": 422, "detail": detail}}).decode())


def pause_s(took_s: float, clients: int) -> float:
    """How long to gather before the next message, after one that took so long to write.

    >>> pause_s(0.0002, clients=1), pause_s(0.25, clients=1), pause_s(0.002, clients=1000)
    (0.1, 1.0, 1.0)
    """
    return min(max(LEAST_PAUSE_S, took_s * clients / SHARE), MOST_PAUSE_S)


async def _tell(
    socket: WebSocket,
    channel: LiveChannel,
    client: Wanted,
    form: TimeForm,
    both: anyio.CancelScope,
) -> None:
    """The first change goes at once; those of the pause that follows go together."""
    while True:
        await client.event.wait()
        client.event.clear()
        began = time.thread_time()
        parts = client.unsent()
        try:
            if client.changed:
                tables, client.changed = sorted(client.changed), set()
                await socket.send_text(orjson.dumps({"changed": tables}).decode())
            if client.names is not None and any(len(part) for part in parts):
                await socket.send_text(as_json(parts, client.names, form).decode())
        except WebSocketDisconnect:
            both.cancel()
            return
        await asyncio.sleep(pause_s(time.thread_time() - began, channel.clients))

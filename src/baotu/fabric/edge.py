"""The edge's end of the fabric: append samples, and they will be in the hub's history.

It never waits for the hub: an append is one write to the disk, everything else has its own thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from baotu.sdk.clock import Clock
from baotu.sdk.errors import BaotuError, Malformed, Unreachable
from baotu.sdk.health import Health
from baotu.sdk.ports import Reply
from baotu.sdk.samples import Samples
from baotu.sdk.tag import Tag

from .asking import Asked, Told, ask
from .frame import encode, split
from .log import Log
from .message import WriteAsked, check_name, key, pack, pack_healths, unpack
from .past import LogPast
from .sender import FOREIGN, Sender
from .settings import FabricSettings
from .wire import Request, Wire

MB = 1 << 20
WRITES = 32  # waiting for the device; more are refused at once
OnWrite = Callable[[int, float | str, int], Reply]


class EdgeLink:
    """on_write(tag, value, deadline_ns): does it at the device and tells what became of it; called
    on a thread of its own, one write after the other. tell: the link's state when it changes."""

    def __init__(
        self,
        folder: Path,
        wire: Wire,
        *,
        edge: str,
        settings: FabricSettings,
        clock: Clock,
        on_write: OnWrite | None = None,
        tell: Callable[[Health], None] | None = None,
    ) -> None:
        self.edge, self.settings, self.clock = check_name(edge, "an edge"), settings, clock
        self._wire, self._on_write, self._tell = wire, on_write, tell
        self.log = Log(
            folder,
            limit=settings.log_mb * MB,
            segment=settings.segment_mb * MB,
            full=cast(Literal["drop_oldest", "refuse"], settings.when_full),
        )
        self.past = LogPast(self.log)
        hub = check_name(settings.hub, "a hub")
        self._sender = Sender(
            wire, self.log, edge, hub, short=settings.short_frames, tell=self._linked
        )
        self._dirty, self._stop = threading.Event(), threading.Event()
        self._writes: queue.Queue[tuple[Request, WriteAsked, float] | None] = queue.Queue(WRITES)
        self._threads = [
            threading.Thread(target=self._flush, name="fabric-flush", daemon=True),
            threading.Thread(target=self._write, name="fabric-write", daemon=True),
        ]
        self.frames = self.samples = 0
        self._unanswer = wire.answer(key(edge, "write"), self._asked)
        for thread in self._threads:
            thread.start()
        self._sender.start()

    def append(self, samples: Samples) -> int:
        """Onto the log; the sequence of its last frame. On the disk within `flush_ms`.

        Raises LogFull when the log refuses; then nothing of this piece was stored.
        """
        for piece in split(samples):
            self.log.append(encode(piece))
            self.frames += 1
            self.samples += len(piece)
        self._dirty.set()
        return self.log.last

    def hello(self, tags: Sequence[Tag]) -> None:
        """The whole tag table; again when it has changed. Frames leave after the hub has it."""
        self._sender.greet(tags)

    def status(self, healths: Sequence[Health]) -> None:
        """Tell the hub how everything fares here; nothing happens when it is away."""
        try:
            self._wire.tell(key(self.settings.hub, "status", self.edge), pack_healths(healths))
        except Unreachable:
            pass  # the next one will do: the link's own health says what is wrong

    def ask(self, asked: Asked, done: Callable[[Told], None]) -> None:
        """See `asking`: writes and sign-ins of outside clients."""
        ask(self._wire, self.settings.hub, self.edge, asked, done)

    @property
    def linked(self) -> bool | None:
        """Whether the hub answers; None before it was asked for the first time."""
        return self._sender.linked

    @property
    def refused(self) -> str:
        """Why the hub takes nothing of this log; empty when it does."""
        return FOREIGN if self._sender.foreign else ""

    def figures(self) -> Mapping[str, float]:
        log = self.log
        return {
            "frames": self.frames,
            "samples": self.samples,
            "last": log.last,
            "durable": log.durable,
            "waiting": self._sender.waiting,
            "draining": float(self._sender.draining),
            "linked": float(bool(self._sender.linked)),
            "messages": self._sender.sent,
            "reopened": self._sender.reopened,
            "dropped": log.dropped,
            "log_bytes": log.bytes,
            "log_limit": log.limit,
            "trouble": float(bool(log.trouble)),
        }

    def drained(self, timeout_s: float) -> bool:
        """Wait until the hub has confirmed everything; False when it takes longer."""
        end = time.monotonic() + timeout_s
        while self._sender.waiting or self.log.durable != self.log.last:
            if time.monotonic() > end or self._stop.wait(0.01):
                return False
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """What is written is made durable; what the hub lacks goes out after the next start."""
        self._unanswer()
        self._stop.set()
        self._dirty.set()
        try:
            self._writes.put_nowait(None)
        except queue.Full:
            pass  # the writer looks at `_stop` before each write
        self._sender.stop(timeout_s)
        for thread in self._threads:
            thread.join(timeout_s)
        self.log.close()

    # threads -----------------------------------------------------------------------------------
    def _flush(self) -> None:
        """The first append after a pause is synced at once, the next ones as a group."""
        pause = self.settings.flush_ms / 1e3
        while not self._stop.is_set():
            self._dirty.wait()
            self._dirty.clear()
            before = self.log.durable
            if self.log.sync() > before:
                self._sender.wake()
            elif self.log.trouble:
                self._dirty.set()  # the disk refuses: try again
            self._stop.wait(pause)

    def _linked(self, linked: bool, why: str) -> None:
        if self._tell:
            self._tell(
                Health(
                    kind="link",
                    name=self.edge,
                    state="up" if linked else "down",
                    since=self.clock.now(),
                    why=why,
                    node=self.edge,
                )
            )

    # writes ------------------------------------------------------------------------------------
    def _asked(self, request: Request) -> None:
        """On a thread of the wire: only put it in the queue."""
        try:
            asked = cast(WriteAsked, unpack(request.payload, WriteAsked))
            self._writes.put_nowait((request, asked, time.monotonic() + asked.within_s))
        except Malformed as error:
            request.reply(pack(Reply(done=False, why=f"not understood: {error}")))
        except queue.Full:
            why = f"{WRITES} writes are waiting at edge {self.edge}; nothing was done"
            request.reply(pack(Reply(done=False, why=why)))

    def _write(self) -> None:
        while (item := self._writes.get()) is not None and not self._stop.is_set():
            request, asked, end = item
            request.reply(pack(self._do(asked, end - time.monotonic())))

    def _do(self, asked: WriteAsked, left_s: float) -> Reply:
        if self._on_write is None:
            return Reply(done=False, why=f"edge {self.edge} takes no writes")
        if left_s <= 0:
            return Reply(done=False, why="its time was over before its turn came; nothing was done")
        try:
            return self._on_write(asked.tag, asked.value, self.clock.now() + round(left_s * 1e9))
        except BaotuError as error:
            return Reply(done=False, why=str(error))

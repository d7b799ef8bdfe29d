"""A driver is protocol knowledge. The polled kind has no socket; the edge has it, once, for all.

`PolledDriver`: question and answer (Modbus …). Pure: bytes in, bytes out.
`SessionDriver`: a kept library owns the connection and pushes (OPC UA, MQTT …).
`ServingDriver`: the other direction, so that any protocol's tags are offered in this one.
A plugin folder exports one `DriverEntry` named DRIVER.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from .errors import Refused
from .mqtt import Broker, MqttSession, Will
from .quality import Quality
from .reply import Reply
from .samples import Samples
from .tag import Found, Kind, Tag
from .writing import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a polled device listens. host: a name or an address, IPv6 without brackets."""

    host: str
    port: int
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One question of a plan: whole bytes, and what the answer will hold.

    tags: int32, the tags the answer tells. context: what `decode` needs, the driver's secret.
    """

    payload: bytes
    tags: np.ndarray
    context: object = None


class PolledDriver(ABC):
    """One object for each connection. It may learn, but never waits and never touches a socket."""

    Settings: ClassVar[type]
    window: int = 1  # questions under way at once, as far as the settings allow

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def endpoint(self) -> Endpoint: ...

    @abstractmethod
    def plan(self, tags: Sequence[Tag]) -> list[Request]:
        """The fewest questions that read each of `tags` exactly once. Raises ConfigError for a
        wrong address, naming the tag and what a right one looks like."""

    @abstractmethod
    def numbered(self, request: Request, number: int) -> bytes:
        """The bytes to send, marked with a number in 0..65535 where the protocol has one."""

    @abstractmethod
    def whole(self, buffer: bytes | bytearray) -> tuple[int, int | None]:
        """(length of the first whole answer in `buffer`, its number or None); length 0: wait for
        more bytes. Raises Malformed when the buffer cannot become an answer."""

    @abstractmethod
    def decode(self, request: Request, answer: bytes, time: int) -> list[Samples]:
        """Raw samples of the request's tags, before scaling: at most one `Samples` of numbers and
        one of texts. Raises Refused when the device said no, Malformed when it told nonsense."""

    @abstractmethod
    def replan(self, request: Request, refusal: Refused) -> list[Request]:
        """Smaller or other questions in place of a refused one; [] to give its tags up."""

    @abstractmethod
    def write(self, tag: Tag, value: float | str) -> list[Request]:
        """The questions that set a raw value; the edge reads it back through `plan([tag])`.
        Raises Invalid when the value does not fit the tag."""


class Line(Protocol):
    """What the edge gives a `SessionDriver`: where samples go, and what it may ask."""

    device: str

    def deliver(self, samples: Samples) -> None:
        """Raw samples of known tags. Never blocks; the edge's queue has a bound and a policy."""

    def mark(self, tags: np.ndarray, quality: Quality, time: int | None = None) -> None:
        """These tags have this (bad) quality from now on, until samples arrive again."""

    def declare(self, found: Sequence[Found]) -> list[Tag]:
        """Tags for things met at run time (a birth message, a browse), by address: those
        configured, and new ones where the settings allow discovery. Same length and order;
        an address that is not wanted gets a tag with id -1."""

    def last_time(self, tag: int) -> int | None:
        """Source time of the newest value taken of a tag, ns, for filling a gap: marks of a lost
        session do not count."""

    def now(self) -> int:
        """Nanoseconds UTC by the node's clock."""

    def up(self) -> None:
        """The session stands: logged once, shown in the console."""

    def mqtt(
        self, broker: Broker, will: Will | None = None
    ) -> AbstractAsyncContextManager[MqttSession]:
        """A session with an MQTT broker, for drivers that speak over one."""

    def note(self, **figures: float | str) -> None:
        """Counters and facts for the device's health: shown, and in /metrics when numbers."""


class SessionDriver(ABC):
    """One object for each connection; `run` is called again after each end, with a back-off."""

    Settings: ClassVar[type]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    async def run(self, tags: Sequence[Tag], line: Line) -> None:
        """Connect, then deliver samples until the session ends. Raises Unreachable when it
        cannot be had or is lost. Cancellation ends it cleanly within two seconds."""

    @abstractmethod
    async def write(self, tag: Tag, value: float | str) -> float | str:
        """Set a raw value and read it back. Raises Refused, Unreachable, Invalid."""

    async def browse(self, under: str = "") -> list[Found]:
        """What lies directly under an address ("" is the top), without freezing anyone."""
        raise Refused(f"{type(self).__name__} cannot browse")


Served = Callable[[int, float | str], Any]


class StoreAndForward(Protocol):
    """Live samples and those of the time the peer was away, for a server whose peer comes and
    goes. Nothing here waits for a peer or fails; one session at a time uses it."""

    def begin(self) -> None:
        """The peer is here: `live` collects from now on, and all that it has not confirmed
        before now is `past`. Ends the session before."""

    def live(self) -> list[Samples]:
        """Everything acquired since the last call, in its order."""

    async def past(self, most: int) -> list[Samples]:
        """The next samples that the peer lacks, the oldest first, about `most`; [] for none.
        Each tag's samples come in the order in which they were acquired."""

    async def confirm(self) -> bool:
        """All that was taken until now has reached the peer: it is never given again. True once
        that survives a kill of this node; False while the newest of it is not safely in the log:
        confirm again a little later."""


class Feed(Protocol):
    """What the edge gives a `ServingDriver`: the tag tree and its life."""

    def tags(self) -> Sequence[Tag]: ...

    def latest(self) -> list[Samples]:
        """The newest sample of every tag, in engineering units: numbers, then texts."""

    def samples(self) -> AsyncIterator[Samples]:
        """Everything that is acquired from now on; a slow reader loses the oldest, never blocks."""

    def mqtt(
        self, broker: Broker, will: Will | None = None
    ) -> AbstractAsyncContextManager[MqttSession]:
        """A session with an MQTT broker, for servers that speak over one."""

    def forward(self, limit_mb: int, when_full: str) -> StoreAndForward:
        """Store and forward, always the same one. limit_mb: most of the past that is kept, in the
        edge's log, 0 for none; when_full: "drop_oldest" or "drop_newest" of it."""

    async def sign_in(self, name: str, secret: str, source: str) -> str:
        """A ticket for `Peer.ticket`, for a client that shows a name and a password or API token.
        source: its address. Raises Denied, Unreachable."""

    async def show(self, certificate: bytes, source: str) -> str:
        """The same, for a client that has proved to hold the key of this certificate (DER)."""

    async def write(self, tag: int, value: float | str, peer: Peer) -> Reply:
        """Ask for a change through the platform's chain. A reply that is not `done` has a
        `request`: it waits for somebody's approval. Raises Denied: who asks may not; Invalid: no
        value for this tag; Conflict: not now, ask later; Refused: the device or a condition of it
        said no; Unreachable: hub or device do not answer, nothing more is known."""


class ServingDriver(ABC):
    """Offers the node's tags to others in this protocol."""

    Settings: ClassVar[type]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    async def serve(self, feed: Feed, ready: Callable[[str], None]) -> None:
        """Serve until cancelled; tell `ready` the address once it can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverEntry:
    """A driver plugin: what the registry finds. `client` reads and writes, `server` offers."""

    title: str  # 中文 English
    summary: str  # one sentence, 中文 English
    client: type[PolledDriver] | type[SessionDriver] | None = None
    server: type[ServingDriver] | None = None
    address_help: str = ""  # what an address looks like, with examples
    kinds: Mapping[str, Kind] = field(default_factory=dict)  # data type words → kind

"""What travels from an edge to the hub, and what the hub commits as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .reply import Reply
from .samples import Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Consecutive frames of one log, decoded, with tags numbered by the hub.

    log: random id of the edge's log. first, last: sequences of the frames, inclusive;
    `samples[i]` is frame `first + i`. after: the sequence they follow, None when the edge opens
    a lane. live: False when they come from the backlog. edge: whose log it is.
    """

    log: str
    first: int
    last: int
    after: int | None
    samples: tuple[Samples, ...]
    live: bool = True
    edge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """An outside client of a server shows who it is: by name and secret, or by a certificate (DER)
    whose key it has proved. source: its address."""

    server: str
    source: str
    name: str = ""
    secret: str = ""
    certificate: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """An outside client of a server asks for a write.

    tag: numbered by the edge. peer, source, ticket: see `writing.Peer`. writes_as: who the
    configuration says it is, when it proved nothing. refused: the edge's own rules say no, for
    this reason; the hub is told so that the audit has it. within_s: how long it may take.
    """

    server: str
    tag: int
    value: float | str
    peer: str
    source: str = ""
    ticket: str = ""
    writes_as: str = ""
    refused: str = ""
    within_s: float = 5.0


class Bridge(Protocol):
    """The hub's side: decides, carries out. Any thread; takes as long as the device does."""

    def sign_in(self, edge: str, asked: SignIn) -> str:
        """A ticket, good on this edge for some hours. Raises Denied."""

    def write(self, edge: str, asked: Bridged) -> Reply:
        """Raises what `sdk.writing.Writing.write` does."""

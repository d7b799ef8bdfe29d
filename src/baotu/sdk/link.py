"""What travels from an edge to the hub, and what the hub commits as one."""

from __future__ import annotations

from dataclasses import dataclass

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

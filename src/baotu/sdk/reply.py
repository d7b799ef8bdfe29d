"""What became of a write to the plant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """value: read back. request: number of the request that waits for an approver, 0: none;
    nothing was done then."""

    done: bool
    why: str = ""
    value: float | str | None = None
    request: int = 0

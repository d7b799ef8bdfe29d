"""One class per reaction of the kernel. Anything else that is raised is a bug of the plugin."""

from __future__ import annotations


class BaotuError(Exception):
    """Says what happened, where, and what to do next."""


class ConfigError(BaotuError):
    """The file is wrong: refuse to start. `where` is `file:line: key`, `hint` what to write."""

    def __init__(self, why: str, where: str = "", hint: str = "") -> None:
        super().__init__(
            ": ".join(part for part in (where, why) if part) + (f" ({hint})" if hint else "")
        )
        self.why, self.where, self.hint = why, where, hint


class Unreachable(BaotuError):
    """Nobody answers: back off, retry for ever; log once lost, once back; samples become bad."""


class Refused(BaotuError):
    """The peer said no. Its code is kept; those tags are marked, the rest goes on."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


class Malformed(BaotuError):
    """Bytes that are not the protocol: keep the frame, drop it, count it, audit it."""

    def __init__(self, why: str, frame: bytes = b"") -> None:
        super().__init__(why)
        self.frame = frame


class Denied(BaotuError):
    """Policy said no. The caller is told why and the audit keeps it."""


class Invalid(BaotuError):
    """The request is wrong whatever the state: name the field, change nothing."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


class Conflict(Invalid):
    """The request was right, the present state forbids it: look again, then ask again."""

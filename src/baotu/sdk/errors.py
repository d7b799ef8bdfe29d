"""One class per reaction of the kernel. Anything else that is raised is a bug of the plugin.

What they say is read by people: it is given in Chinese and English (see `messages`).
"""

from __future__ import annotations

from .messages import SEAM, bilingual, halves


class BaotuError(Exception):
    """Says what happened, where, and what to do next."""

    def __init__(self, why: str = "") -> None:
        super().__init__(bilingual(why))


class ConfigError(BaotuError):
    """The file is wrong: refuse to start. `where` is `file:line: key`, `hint` what to write."""

    def __init__(self, why: str, where: str = "", hint: str = "") -> None:
        self.why, self.where, self.hint = bilingual(why), where, bilingual(hint)
        told = [
            f"{one} ({other})" if other else one
            for one, other in zip(halves(self.why), halves(self.hint), strict=True)
        ]
        said = told[0] if told[0] == told[1] else SEAM.join(told)
        super().__init__(": ".join(part for part in (where, said) if part))


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


class Anonymous(Denied):
    """Nobody has said who asks, or what they showed is no longer good: sign in, then ask again."""


class Invalid(BaotuError):
    """The request is wrong whatever the state: name the field, change nothing."""

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, bilingual(why)
        super().__init__(f"{field}: {self.why}")


class Conflict(Invalid):
    """The request was right, the present state forbids it: look again, then ask again."""

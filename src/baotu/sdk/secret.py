"""A value that must not be seen: it shows itself nowhere but where it is asked for by name."""

from __future__ import annotations

REFERENCE = "secret:"


class Secret:
    """An argument of a command that is a secret: a hidden field in forms, absent from receipts.

    `value` is the only way to it: text, repr, formatting and pickles of it show nothing.
    """

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written down")


def referred(text: object) -> str:
    """The name in `secret:NAME`; empty when it is no reference."""
    if isinstance(text, str) and text.startswith(REFERENCE):
        return text.removeprefix(REFERENCE)
    return ""

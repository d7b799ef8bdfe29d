"""Settings are a frozen dataclass; the sample file, the checks and the reference come from it."""

from __future__ import annotations

from dataclasses import MISSING, Field, field
from typing import Any  # a default may be of any type: dataclasses.field takes and gives Any


def setting(
    default: Any = MISSING,
    *,
    title: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    example: object = None,
    secret: bool = False,
    path: str = "",
) -> Any:
    """A line of a configuration file.

    title: «中文 English», one sentence. unit: UCUM. low, high: inclusive bounds.
    choices: the words allowed. example: shown in the sample when there is no default.
    secret: never shown in logs, exports or pages; `secret:NAME` takes it from the store of secrets,
    plain text is accepted with a warning. With `path`, the file's contents may come from there.
    path: the text names a file or folder: "config" takes a relative one from the folder of the
    configuration, "data" from the node's data folder; the driver is given an absolute one.
    """
    facts = {
        "title": title, "unit": unit, "low": low, "high": high,
        "choices": choices, "example": example, "secret": secret, "path": path,
    }  # fmt: skip
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=facts)
    return field(default=default, metadata=facts)


def described(line: Field[Any]) -> dict[str, Any]:
    """What `setting` was told about this field of a dataclass."""
    return {
        "title": "",
        "unit": "",
        "low": None,
        "high": None,
        "choices": (),
        "example": None,
        "secret": False,
        "path": "",
    } | dict(line.metadata)

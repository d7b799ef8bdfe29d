"""What an app says of itself, so that the hub knows it without loading its code.

Written by the app's own process, hence checked like anything else that it writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from baotu.sdk import App, Call, ConfigError, Samples, Window
from baotu.sdk.app import Mark
from baotu.sdk.evidence import ROWS
from baotu.sdk.records import Records
from baotu.sdk.trust import ACTIONS, DUTIES

GIFTS: Mapping[str, type] = {
    "samples": Samples, "call": Call, "window": Window, "records": Records
}  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
OPEN = ("see", "operate", "maintain", "engineer")  # duties whose actions an app may declare
KINDS = ("stream", "every", "command", "query", "page", "result")
LONGEST = 4000
MOST = 500


class Offer(msgspec.Struct):
    """A handler: its mark, and the schemas of what it takes and gives."""

    name: str
    kind: str
    title: str
    summary: str
    permission: str
    duty: str
    takes: dict[str, Any]
    gives: dict[str, Any]
    given: dict[str, str]  # its parameters that the kernel fills: by name, the kind of gift
    asset: str = ""
    property: str = ""
    inputs: list[str] = []
    every_s: float = 0.0
    solve: str = ""


class Setting(msgspec.Struct):
    default: str | int | float | bool
    unit: str
    title: str


class Derives(msgspec.Struct):
    asset: str
    property: str
    unit: str
    low: float | None
    high: float | None
    title: str


class Manifest(msgspec.Struct):
    name: str
    title: str
    doc: str
    serves: list[str]
    permissions: list[str]
    tables: list[str]
    settings: dict[str, Setting]
    derives: dict[str, Derives]
    offers: list[Offer]


class Manifests(msgspec.Struct):
    """All apps of a source."""

    apps: list[Manifest]
    wrong: str = ""


def described(kind: type[App]) -> Manifest:
    """In the process of the app."""
    from baotu.kernel.handlers import handlers_of, path_of  # not needed on the hub's side

    def offer(handler: Any) -> Offer:
        mark: Mark = handler.mark
        names = {kind: name for name, kind in GIFTS.items()}
        return Offer(
            name=handler.verb.name, kind=mark.kind, title=mark.title,
            summary=handler.verb.summary, permission=mark.permission, duty=mark.duty,
            takes=handler.verb.takes, gives=handler.verb.gives,
            given={name: names[what] for name, what in handler.signature.given.items()},
            asset=mark.asset, property=mark.property, inputs=list(mark.inputs),
            every_s=mark.every_s, solve=path_of(mark.solve) if mark.solve else "",
        )  # fmt: skip

    return Manifest(
        name=kind.name(),
        title=kind.title,
        doc=(kind.__doc__ or "").strip(),
        serves=list(kind.serves),
        permissions=list(kind.permissions),
        tables=[table.__tablename__ for table in kind.tables],
        settings={n: Setting(p.default, p.unit, p.title) for n, p in kind.parameters().items()},
        derives={
            n: Derives(d.asset, d.property, d.unit, d.low, d.high, d.title)
            for n, d in kind.derives().items()
        },
        offers=[offer(handler) for handler in handlers_of(kind())],
    )


def checked(one: Manifest, source: str) -> Manifest:
    """The same; ConfigError says what an app may not say of itself."""
    elements = {row[0] for row in ROWS}
    wrong = [
        f"the name {one.name!r}" if not NAME.fullmatch(one.name) else "",
        *(f"the handler {o.name!r}" for o in one.offers if not NAME.fullmatch(o.name)),
        *(f"the kind {o.kind!r}" for o in one.offers if o.kind not in KINDS),
        *(f"the duty {o.duty!r}" for o in one.offers if o.duty not in DUTIES),
        *(f"{o.name}: no permission" for o in one.offers if o.kind == "command" and not o.permission),
        *(f"{o.name}: permission {o.permission!r} is not its own" for o in one.offers if o.permission and not o.permission.startswith(f"{one.name}.")),
        *(f"{o.name}: a gift" for o in one.offers if not set(o.given.values()) <= GIFTS.keys()),
        *(f"{o.name}: what it takes" for o in one.offers if not _formed(o.takes)),
        *(f"{o.name}: its period" for o in one.offers if o.kind == "every" and not o.every_s >= 0.001),
        *(f"the permission {p!r}, which no app may have" for p in one.permissions if not _open(p)),
        *(f"the element {e!r}" for e in one.serves if e not in elements),
        "too much of it" if _size(one) > MOST else "",
        "texts that are too long" if max(map(len, (one.title, one.doc))) > LONGEST else "",
    ]  # fmt: skip
    if found := [text for text in wrong if text]:
        raise ConfigError(f"app {one.name[:64]!r} says of itself {found[0]}", source)
    return one


def _formed(takes: dict[str, Any]) -> bool:
    """Whether forms and faces can be made of it: an object of named, titled, known fields."""
    fields, needed = takes.get("properties"), takes.get("required", [])
    if not isinstance(fields, dict) or not isinstance(needed, list) or len(fields) > MOST:
        return False
    return set(map(str, needed)) <= fields.keys() and all(
        isinstance(field, dict) and isinstance(field.get("title"), str) for field in fields.values()
    )


def _open(action: str) -> bool:
    """Actions that are not an officer's."""
    return action in ACTIONS and ACTIONS[action][0] in OPEN


def _size(one: Manifest) -> int:
    return len(one.offers) + len(one.settings) + len(one.derives) + len(one.permissions)

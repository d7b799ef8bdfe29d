"""Which action each route and page needs: one table, deny by default.

A route that is not in it is refused, whoever asks. What may be seen or done *on which thing* is not
decided here: see `scoped` for what exists, the Door for what apps do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Mount

from baotu.sdk import Caller
from baotu.sdk.trust import ACTIONS, Policy, Resource

from .language import LANGUAGES
from .pages.words import PLACES

SOME = ("asset", "tag")  # kinds of which the caller sees a part: what is judged is each of them


@dataclass(frozen=True, slots=True)
class Right:
    """What a caller needs. action: of `ACTIONS`; "": to be somebody; what then counts is asked
    behind the Door. kind: upon what. public: nobody may, too."""

    action: str = ""
    kind: str = "platform"
    public: bool = False


PUBLIC, SOMEBODY = Right(public=True), Right()
NOTHING = Right(kind="nothing")
"""There is no such address; only somebody is told so."""
SIGNING_IN = (
    "sign_in", "second_factor", "new_password", "passkey_options", "passkey_sign_in",
    "read_invitation", "accept_invitation", "sign_out",
)  # fmt: skip
OWN = (
    "me", "alive", "confirm", "change_password", "end_session", "create_token", "revoke_token",
    "begin_totp", "finish_totp", "remove_totp", "new_codes", "begin_passkey", "finish_passkey",
    "remove_passkey",
)  # fmt: skip
OIDC = (
    "oidc_discovery", "oidc_jwks", "oidc_authorize", "oidc_token", "oidc_userinfo", "oidc_revoke",
    "oidc_logout",
)  # fmt: skip
ROUTES: Mapping[str, Right] = {
    "health": PUBLIC,  # nobody learns only that it lives; the figures need platform.read
    "devices": Right("platform.read"),
    "elements": Right("apps.read"),
    "alarms": Right("assets.read", "asset"),
    "apps": Right("apps.read"),
    "verbs": SOMEBODY,
    "jobs": Right("apps.read"),
    "audit": Right("audit.read", "audit"),
    "read_config": Right("config.read", "config"),
    "check_config": Right("config.read", "config"),
    "replace_config": Right("config.change", "config"),
    "faults": Right("plant.faults"),
    "switch_fault": Right("plant.faults"),
    "tags": Right("assets.read", "tag"),
    "assets": Right("assets.read", "asset"),
    "asset": Right("assets.read", "asset"),
    "read_overview": Right("assets.read", "asset"),
    "search": SOMEBODY,
    "latest": Right("history.read", "tag"),
    "history": Right("history.read", "tag"),
    "export": Right("history.export", "tag"),
    "statistics": Right("history.read", "tag"),
    "live": Right("history.read", "tag"),
    "metrics": Right("platform.read"),
    "openapi": SOMEBODY,
    "write_tag": Right("tags.write", "tag"),
    "write_outlook": Right("assets.read", "tag"),
    "audit_state": Right("audit.read", "audit"),
    "audit_proof": Right("audit.read", "audit"),
    "audit_checkpoint": Right("audit.read", "audit"),
    "audit_consistency": Right("audit.prove", "audit"),
    "audit_tile": Right("audit.prove", "audit"),
    "audit_entries": Right("audit.prove", "audit"),
    "audit_export": Right("audit.prove", "audit"),
    **dict.fromkeys(SIGNING_IN, PUBLIC),
    **dict.fromkeys(OWN, SOMEBODY),
    "account_link": Right("people.manage", "account"),
    **dict.fromkeys(OIDC, PUBLIC),  # a secret, a token or a session proves who asks
    "app verb": SOMEBODY,  # by its own permission, behind the Door
    "_home": SOMEBODY,
    "_to_language": SOMEBODY,
}
"""By the name of the route."""

PAGES: Mapping[str, Right] = {
    "": Right("assets.read", "asset"),
    "alarms": Right("assets.read", "asset"),
    "tags": Right("assets.read", "tag"),
    "trends": Right("history.read", "tag"),
    "edges": Right("platform.read"),
    "apps": Right("apps.read"),
    "jobs": Right("apps.read"),
    "audit": Right("audit.read", "audit"),
    "config": Right("config.read", "config"),
    "elements": Right("apps.read"),
    "faults": Right("plant.faults"),
    "asset": Right("assets.read", "asset"),
    "account": SOMEBODY,  # one's own
    "people": SOMEBODY,  # by the permissions of its commands
    "app": SOMEBODY,  # a page of an app, by its own permission behind the Door
    "{rest:path}": SOMEBODY,  # no such page
}
"""By the first word behind the language."""

PUBLIC_UNDER = ("sign-in", "welcome")
"""Pages that nobody sees before being somebody; also as /{name}/… without a language."""

SOCKET = "WEBSOCKET"  # as a method: opening one
FILES = ("static", "libraries", "components", "resources", "esm")
"""Of NiceGUI: the libraries themselves, the same for all; no page and no data."""


class Unlisted(KeyError):
    """A route or page without a line in the table."""


def page_right(path: str) -> Right:
    """Of a page as it is registered, `/asset/{path:path}`. Raises Unlisted."""
    name = path.strip("/").partition("/")[0]
    if name in PUBLIC_UNDER:
        return PUBLIC
    try:
        return PAGES[name]
    except KeyError:
        raise Unlisted(f"the page {path!r} has no line in console/rights.py") from None


class Table:
    """Paths and methods as they are asked, with what they need."""

    def __init__(self, routes: Iterable[Any]) -> None:
        """routes: of FastAPI, each with `path`, `name`, `methods` (absent: a WebSocket)."""
        self._routes: dict[str, dict[str, Right | None]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}  # of paths with parameters
        for route in routes:
            if route.name == "nothing" or isinstance(route, Mount):
                continue  # these answer below their path: see `_unrouted`
            name = "app verb" if route.name.startswith("app verb ") else route.name
            for method in getattr(route, "methods", None) or (SOCKET,):
                self._routes.setdefault(route.path, {})[method] = ROUTES.get(name)
            if "{" in route.path:
                self._patterns[route.path] = route.path_regex

    def unlisted(self) -> list[str]:
        return [f"{m} {p}" for p, known in self._routes.items() for m, r in known.items() if not r]

    def needs(self, path: str, method: str) -> Right | None:
        """None: nobody may, since no line says who. Of a known path with a method it does not
        take, what its other methods need: the router says which those are."""
        known = self._routes.get(path) or self._matching(path)
        if known is not None:
            return known.get(method) or next(iter(known.values()))
        return _unrouted(path, method)

    def _matching(self, path: str) -> dict[str, Right | None] | None:
        found = (p for p, pattern in self._patterns.items() if pattern.match(path))
        return next((self._routes[p] for p in found), None)


def _unrouted(path: str, method: str) -> Right:
    """Pages, files, and addresses that are none."""
    first, _, rest = path[1:].partition("/")
    if first in LANGUAGES:
        name, _, below = rest.partition("/")
        if name in PUBLIC_UNDER:
            return PUBLIC
        return PAGES.get(name, SOMEBODY) if name or not below else SOMEBODY
    if first in ("static", "favicon.ico", *PUBLIC_UNDER):
        return PUBLIC
    if first == "_nicegui":
        kind = rest.split("/")[1:2]
        return PUBLIC if kind and kind[0] in FILES else SOMEBODY
    if first == "_nicegui_ws":  # long polling would join requests of several callers to one page
        return SOMEBODY if method == SOCKET else NOTHING
    if first in ("", "asset", "app") or first in {p.name for p in PLACES}:
        return SOMEBODY  # led to a language
    return NOTHING


def may(policy: Policy, caller: Caller, right: Right) -> bool:
    """Whether the caller passes. For a kind of which only a part may be seen: on any of them."""
    if not right.action:
        return True
    if right.kind in SOME:
        return right.action in policy.actions(caller)
    return policy.judge(caller, right.action, Resource(right.kind)).allowed


def unknown_actions() -> list[str]:
    """Lines that name no action of the platform: there must be none."""
    rights = (*ROUTES.values(), *PAGES.values())
    return [r.action for r in rights if r.action and r.action not in ACTIONS]

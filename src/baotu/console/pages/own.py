"""A page belongs to the session that opened it: no other session continues it.

NiceGUI finds a page by a number that the browser sends in each message. Whoever knew that number
could press the buttons of somebody else's page; so here it is checked whose socket a message came
by, before NiceGUI hears of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from nicegui import Client, core
from socketio.exceptions import ConnectionRefusedError as Refusal

SPACE = "/"
LEFT_ALONE = ("disconnect",)  # brings no number; NiceGUI looks at the socket itself


def owned(event: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler of NiceGUI behind the question whose page it is about."""

    async def heard(sid: str, *given: Any) -> Any:
        about = given[0] if given and isinstance(given[0], Mapping) else {}
        if event == "connect":
            number = parse_qs(about.get("QUERY_STRING", "")).get("client_id", [""])[-1]
        else:
            number = about.get("client_id", "")
        if not belongs(core.sio.get_environ(sid), number):
            if event == "connect":
                raise Refusal("this page belongs to another session")
            await core.sio.disconnect(sid)
            return False
        answer = handler(sid, *given)
        return await answer if inspect.isawaitable(answer) else answer

    heard.baotu_owned = True  # type: ignore[attr-defined]
    return heard


def belongs(environ: Mapping[str, Any] | None, number: object) -> bool:
    """Whether the socket and the page with this number are of the same caller and session. A page
    that is no longer there belongs to everybody: nothing can be done with it."""
    client = Client.instances.get(number) if isinstance(number, str) else None
    if client is None or client.request is None:
        return isinstance(number, str)
    scope = (environ or {}).get("asgi.scope", {})
    mine, theirs = scope.get("baotu.caller"), client.request.scope.get("baotu.caller")
    return mine is not None and theirs is not None and _who(mine) == _who(theirs)


def _who(caller: Any) -> tuple[str, str, str]:
    return caller.name, caller.organisation, caller.via


def bind() -> None:
    """Once for the process, as NiceGUI's own handlers are."""
    known = core.sio.handlers[SPACE]
    for event, handler in list(known.items()):
        if event not in LEFT_ALONE and not hasattr(handler, "baotu_owned"):
            known[event] = owned(event, handler)

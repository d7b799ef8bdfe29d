"""API of signing in and of one's own account. Answers are never kept by anybody (no-store)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from baotu.sdk import Caller, Denied
from baotu.sdk.outside import Offered
from baotu.sdk.people import Link, People
from baotu.sdk.people import Step as Stepped
from baotu.sdk.trust import ACTIONS, ROLES

from ..api.rows import json
from ..problem import documented
from ..rooms import Rooms
from ..times import iso
from ..who import FORGED, cookie, forged, private, remembered, visit_of
from . import models as m

REFUSED = documented(401, 403, 422, 429)


def routes(api: APIRouter, rooms: Rooms) -> None:
    """Nothing on a console without accounts."""
    if rooms.people is None:
        return
    _steps(api, rooms.people)
    _links(api, rooms, rooms.people)
    _account(api, rooms, rooms.people)
    _factors(api, rooms, rooms.people)


def _steps(api: APIRouter, people: People) -> None:
    about: dict[str, Any] = {"tags": ["sign-in"], "responses": REFUSED}

    @api.post("/sign-in", response_model=m.Step, **about)
    def sign_in(request: Request, given: m.NameAndPassword) -> Response:
        """Name and password. `next` says whether that is all."""
        _own_page(request)
        return _stepped(request, people.sign_in(given.name, given.password, visit_of(request)))

    @api.post("/sign-in/second", response_model=m.Step, **about)
    def second_factor(request: Request, given: m.TicketAndCode) -> Response:
        """A code of the authenticator app, or a recovery code."""
        _own_page(request)
        return _stepped(request, people.second(given.ticket, given.code, visit_of(request)))

    @api.post("/sign-in/password", response_model=m.Step, **about)
    def new_password(request: Request, given: m.TicketAndPassword) -> Response:
        """A new password in the place of one that has expired."""
        _own_page(request)
        return _stepped(request, people.renew(given.ticket, given.password, visit_of(request)))

    @api.post("/sign-in/passkey", response_model=m.Options, **about)
    def passkey_options(request: Request, given: m.MaybeTicket) -> Response:
        """What to ask the browser for: any passkey of this site, or one of the person who gave
        name and password already."""
        _own_page(request)
        ticket, options = people.passkey_options(given.ticket, visit_of(request))
        return private(json({"ticket": ticket, "publicKey": options}))

    @api.post("/sign-in/passkey/done", response_model=m.Step, **about)
    def passkey_sign_in(request: Request, given: m.PasskeyAnswer) -> Response:
        """What the browser answered."""
        _own_page(request)
        return _stepped(request, people.passkey(given.ticket, given.credential, visit_of(request)))


def _links(api: APIRouter, rooms: Rooms, people: People) -> None:
    about: dict[str, Any] = {"tags": ["sign-in"], "responses": REFUSED}

    @api.post("/welcome", response_model=m.Invitation, **about)
    def read_invitation(request: Request, given: m.Secret) -> Response:
        """What a one-time link is good for. Nothing is used up."""
        found = people.invitation(given.secret)
        role = ROLES[found.role].title if found.role in ROLES else ""
        return private(json({
            "kind": found.kind, "ends": iso(found.ends), "account": found.account,
            "title": found.title, "role": found.role, "role_title": role,
        }))  # fmt: skip

    @api.post("/welcome/done", response_model=m.Step, **about)
    def accept_invitation(request: Request, given: m.Acceptance) -> Response:
        """Use it up: a name, a password, and a session."""
        _own_page(request)
        step = people.accept(
            given.secret, given.name, given.title, given.password, visit_of(request)
        )
        return _stepped(request, step)

    @api.post(
        "/account-link",
        response_model=m.OneTimeLink,
        responses=documented(403, 409),
        tags=["account"],
    )
    def account_link(request: Request, given: m.Account) -> Response:
        """A link with which this account sets its first, or a new, password. For `people.manage`."""
        return private(json(_told(people.link(given.account, rooms.identify(request)))))


def _account(api: APIRouter, rooms: Rooms, people: People) -> None:
    about: dict[str, Any] = {"tags": ["account"], "responses": documented(401, 403, 409, 422)}

    @api.post("/sign-out", response_model=m.Done, **about)
    def sign_out(request: Request) -> Response:
        """End this session."""
        people.sign_out(rooms.identify(request))
        answer = private(json({"done": True}))
        answer.delete_cookie(
            cookie(request, "session"),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
        )
        return answer

    @api.get("/me", response_model=m.Me, **about)
    def me(request: Request) -> Response:
        """Whoever asks: roles, sessions, second factors, tokens."""
        offered = rooms.outside.offered() if rooms.outside else ()
        return private(json(_me(people, rooms.identify(request), offered)))

    @api.post("/me/alive", response_model=m.Done, **about)
    def alive(request: Request) -> Response:
        """Somebody is at this screen: the session does not go idle."""
        rooms.identify(request)
        return _done()

    @api.post("/me/confirm", response_model=m.Done, **about)
    def confirm(request: Request, given: m.Password) -> Response:
        """The password once more; keys and tokens may be changed for a quarter of an hour."""
        people.confirm(rooms.identify(request), given.password, visit_of(request))
        return _done()

    @api.post("/me/password", response_model=m.Done, **about)
    def change_password(request: Request, given: m.Passwords) -> Response:
        """A new password; all other sessions end."""
        people.set_password(rooms.identify(request), given.old, given.new, visit_of(request))
        return _done()

    @api.delete("/me/sessions/{session}", response_model=m.Done, **about)
    def end_session(request: Request, session: int) -> Response:
        """End one of one's own sessions; 0: all but this one."""
        people.end_session(rooms.identify(request), session)
        return _done()

    @api.post("/me/tokens", response_model=m.Token, **about)
    def create_token(request: Request, given: m.NewToken) -> Response:
        """An API token, shown this once. Its scope lies within what one may do oneself."""
        caller = rooms.identify(request)
        token = people.token_new(caller, given.name, given.scope, given.days)
        return private(json({"token": token}))

    @api.delete("/me/tokens/{token}", response_model=m.Done, **about)
    def revoke_token(request: Request, token: int) -> Response:
        """It is void at once."""
        people.token_revoke(rooms.identify(request), token)
        return _done()


def _factors(api: APIRouter, rooms: Rooms, people: People) -> None:
    about: dict[str, Any] = {"tags": ["account"], "responses": documented(401, 403, 409, 422)}

    @api.post("/me/totp", response_model=m.Authenticator, **about)
    def begin_totp(request: Request) -> Response:
        """A secret for an authenticator app; it counts once a code of it was shown."""
        secret, address = people.totp_begin(rooms.identify(request))
        return private(json({"secret": secret, "address": address, "qr": qr(address)}))

    @api.post("/me/totp/done", response_model=m.Codes, **about)
    def finish_totp(request: Request, given: m.Code) -> Response:
        return _codes(people.totp_done(rooms.identify(request), given.code))

    @api.delete("/me/totp", response_model=m.Done, **about)
    def remove_totp(request: Request) -> Response:
        people.totp_remove(rooms.identify(request))
        return _done()

    @api.post("/me/codes", response_model=m.Codes, **about)
    def new_codes(request: Request) -> Response:
        """Ten recovery codes, each good once; those before are void."""
        return _codes(people.codes(rooms.identify(request)))

    @api.post("/me/passkeys", response_model=m.Options, **about)
    def begin_passkey(request: Request) -> Response:
        ticket, options = people.passkey_new(rooms.identify(request), visit_of(request))
        return private(json({"ticket": ticket, "publicKey": options}))

    @api.post("/me/passkeys/done", response_model=m.Codes, **about)
    def finish_passkey(request: Request, given: m.PasskeyAnswer) -> Response:
        caller = rooms.identify(request)
        made = people.passkey_add(
            caller, given.ticket, given.name, given.credential, visit_of(request)
        )
        return _codes(made)

    @api.delete("/me/passkeys/{passkey}", response_model=m.Done, **about)
    def remove_passkey(request: Request, passkey: int) -> Response:
        people.passkey_remove(rooms.identify(request), passkey)
        return _done()


def qr(text: str) -> str:
    """As SVG in black on white: a phone's camera knows no night."""
    from segno import make_qr  # when somebody sets up an authenticator, not before

    return str(make_qr(text, error="m").svg_inline(border=4, light="#fff", omitsize=True))


def _own_page(request: Request) -> None:
    """Nobody is signed in by a page of another site, as somebody of its choice (login CSRF). A
    program says neither where it comes from nor holds cookies that matter."""
    said = request.headers.get("origin") or request.headers.get("sec-fetch-site")
    if said and forged(request):
        raise Denied(FORGED)


def _stepped(request: Request, step: Stepped) -> Response:
    answer = json({
        "next": step.next, "ticket": step.ticket, "factors": list(step.factors),
        "links": [_told(link) for link in step.links],
    })  # fmt: skip
    return remembered(request, answer, step)


def _done() -> Response:
    return private(json({"done": True}))


def _codes(codes: Sequence[str]) -> Response:
    return private(json({"codes": list(codes)}))


def _told(link: Link) -> dict[str, Any]:
    return {
        "kind": link.kind, "address": f"/welcome#{link.secret}", "ends": iso(link.ends),
        "account": link.account, "title": link.title, "role": link.role,
    }  # fmt: skip


def _me(people: People, caller: Caller, offered: Sequence[Offered]) -> dict[str, Any]:
    me = people.me(caller)

    def when(ns: int) -> str | None:
        return iso(ns) if ns > 0 else None

    return {
        "name": me.name, "title": me.title, "organisation": me.organisation,
        "roles": [{"name": r, "title": ROLES[r].title if r in ROLES else r, "waits": r in me.waits} for r in me.roles],
        "totp": me.totp, "codes": me.codes, "password_set": when(me.password_set),
        "last": when(me.last), "last_from": me.last_from, "failed": me.failed,
        "sessions": [
            {"id": s.id, "began": iso(s.began), "seen": iso(s.seen), "ends": iso(s.ends),
             "address": s.address, "browser": s.browser, "how": s.how, "here": s.here}
            for s in me.sessions
        ],
        "identities": [
            {"id": i.id, "provider": i.provider, "name": i.name, "created": iso(i.created)}
            for i in me.identities
        ],
        "providers": [{"name": o.name, "title": o.title} for o in offered],
        "passkeys": [_key(k) for k in me.passkeys],
        "tokens": [_key(k) for k in me.tokens],
        "permissions": list(me.scopes),
        "actions": {a: ACTIONS[a][1] for a in me.scopes if a in ACTIONS},
    }  # fmt: skip


def _key(key: Any) -> dict[str, Any]:
    return {
        "id": key.id, "name": key.name, "created": iso(key.created),
        "used": iso(key.used) if key.used else None, "ends": iso(key.ends) if key.ends else None,
        "scope": list(key.scope),
    }  # fmt: skip
